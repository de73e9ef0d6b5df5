"""Which layouts the search tries, in which order."""

from dataclasses import replace

from apo.prompt import PLACES, Form, Prompt

FORMS: tuple[Form, ...] = ("completion", "fields", "turns", "flat")
"""All forms, those first that reach most on small models: a scheduler with few calls tries the first ones."""
LABELS = (("Input", "Answer"), ("Q", "A"), ("Input", "Output"), ("Text", "Label"))
"""Wordings of the two field labels."""
SEPARATORS = ("\n\n", "\n", "\n###\n")
"""Between blocks; each begins with a line end, so that an answer of one line ends before it."""


def neighbours(prompt: Prompt) -> list[Prompt]:
    """The prompt in layouts one move away: in form, place of the instruction, labels, or separator.

    What matters most comes first (another form can lose half of what is reached). Instruction and exemplars
    stay, so that layouts are compared with the same ones; moves that change nothing that the model reads
    are left out, which leaves ten at most.
    """
    layout = prompt.layout
    moves = [replace(layout, form=form) for form in FORMS]
    moves += [replace(layout, place=place) for place in PLACES]
    moves += [replace(layout, input_label=ask, output_label=answer) for ask, answer in LABELS]
    moves += [replace(layout, separator=separator) for separator in SEPARATORS]
    found = {prompt.digest: prompt}
    for move in moves:
        other = replace(prompt, layout=move)
        found.setdefault(other.digest, other)
    return list(found.values())[1:]
