"""Which layouts the search tries, in which order."""

from dataclasses import replace

from apo.prompt import FORMS, Layout

LABELS = (("Input", "Answer"), ("Q", "A"), ("Input", "Output"), ("Text", "Label"))
"""Wordings of the two field labels."""


def neighbours(layout: Layout) -> list[Layout]:
    """Layouts that differ from `layout` in form, in the place of the instruction, or in the labels.

    Forms come first: they matter most (a flat text can lose half of what turns reach).
    """
    others = [replace(layout, form=form) for form in FORMS if form != layout.form]
    if layout.form in ("turns", "fields"):
        others.append(replace(layout, system=not layout.system))
    if layout.form != "turns":
        others += [
            replace(layout, input_label=ask, output_label=answer)
            for ask, answer in LABELS
            if (ask, answer) != (layout.input_label, layout.output_label)
        ]
    return others
