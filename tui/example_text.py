"""One dev row in full: input, answer, judgement, and the same row under the parent."""

from rich.style import Style
from rich.text import Text

from apo.candidate import Evaluation
from tui.examples import Met, mark
from tui.format import body, line

HEAD = Style(bold=True)


def example_text(row: Met) -> Text:
    """All that is known of a row."""
    example = row.example
    text = Text("── input\n", HEAD).append_text(body(example.input)).append("\n")
    text.append("── accepted answers\n", HEAD).append_text(body("\n".join(example.accepted))).append("\n")
    text.append_text(_evaluation(row.own))
    if row.before is not None:
        text.append_text(_evaluation(row.before))
    return text


def _evaluation(one: Evaluation) -> Text:
    text = Text(f"\n── {one.candidate} {mark(one)} ", HEAD)
    usage = one.usage
    text.append(f"{usage.prompt_tokens} + {usage.completion_tokens} tokens, {usage.seconds:.2f} s")
    text.append(f"{', from the cache' if usage.cached else ''}{', cut off' if one.cut_off else ''}\n")
    if one.failure is not None:
        return text.append(f"No answer: {one.failure.kind}: {line(one.failure.message, 2000)}\n")
    if one.score is not None:
        read = "nothing could be read" if one.score.answer is None else line(one.score.answer, 500)
        text.append(f"score {one.score.value:g}; read as: {read}\n")
        if one.score.feedback:
            text.append_text(body(one.score.feedback)).append("\n")
    return text.append("output:\n").append_text(body(one.output)).append("\n")
