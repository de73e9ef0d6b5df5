"""Prompts: rendering joins and never substitutes, and identity is what the model receives."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo.prompt import (
    FORMS,
    PLACEHOLDER,
    PLACES,
    Exemplar,
    Form,
    Layout,
    Message,
    Place,
    Prompt,
    render,
    stops,
)

HAT = Exemplar("A hat", "wear", "row-1")
TEA = Exemplar("A tea", "drink", "row-2")
PROMPT = Prompt("Name the use.", (HAT, TEA))
INPUTS = ("A hat", "A tea", "A cup")
forms = st.sampled_from(FORMS)
exemplars = st.lists(st.builds(Exemplar, st.text(), st.text()), max_size=3).map(tuple)
layouts = st.builds(Layout, forms, st.sampled_from(PLACES), st.text(), st.text(), st.text())


def with_layout(prompt: Prompt, form: Form, place: Place = "system", separator: str = "\n\n") -> Prompt:
    """The prompt in another layout."""
    return replace(prompt, layout=Layout(form, place, separator=separator))


def contents(prompt: Prompt, text: str) -> str:
    """All that a rendering says."""
    rendered = render(prompt, text)
    return rendered if isinstance(rendered, str) else "\n".join(m.content for m in rendered)


def test_turns() -> None:
    """Each exemplar is a user and an assistant turn after the system message."""
    expected = (
        Message("system", "Name the use."),
        Message("user", "A hat"),
        Message("assistant", "wear"),
        Message("user", "A tea"),
        Message("assistant", "drink"),
        Message("user", "A cup"),
    )

    assert expected == render(PROMPT, "A cup")


def test_fields() -> None:
    """The labels stand in the user turns and the assistant turns stay bare."""
    expected = (
        Message("system", "Name the use."),
        Message("user", "Input: A hat\nAnswer:"),
        Message("assistant", "wear"),
        Message("user", "Input: A cup\nAnswer:"),
    )

    assert expected == render(with_layout(replace(PROMPT, exemplars=(HAT,)), "fields"), "A cup")


def test_flat() -> None:
    """One user turn holds everything, with blank lines between the parts."""
    text = "Name the use.\n\nInput: A hat\nAnswer: wear\n\nInput: A cup\nAnswer:"

    assert (Message("user", text),) == render(with_layout(replace(PROMPT, exemplars=(HAT,)), "flat"), "A cup")


def test_completion() -> None:
    """A completion is the flat text itself, without a chat around it."""
    flat = render(with_layout(PROMPT, "flat"), "A cup")
    assert isinstance(flat[0], Message)

    assert flat[0].content == render(with_layout(PROMPT, "completion"), "A cup")


@pytest.mark.parametrize(("form", "ask"), [("turns", "{}"), ("fields", "Input: {}\nAnswer:")])
@pytest.mark.parametrize(("place", "opened"), [("first", "A hat"), ("last", "A cup")])
def test_place_in_turns(form: Form, ask: str, place: Place, opened: str) -> None:
    """Without a system message the instruction opens the first user turn, or the one with the input."""
    rendered = render(with_layout(PROMPT, form, place, " | "), "A cup")
    asked = [m.content for m in rendered if isinstance(m, Message) and m.role == "user"]
    expected = [("Name the use. | " if text == opened else "") + ask.format(text) for text in INPUTS]

    assert expected == asked
    assert {"user", "assistant"} == {m.role for m in rendered if isinstance(m, Message)}


def test_place_in_one_text() -> None:
    """In one text the instruction comes first, or right before the input."""
    shown = replace(PROMPT, exemplars=(HAT,))
    hat, cup = "Input: A hat\nAnswer: wear", "Input: A cup\nAnswer:"
    first = f"Name the use.\n###\n{hat}\n###\n{cup}"

    assert first == render(with_layout(shown, "completion", "system", "\n###\n"), "A cup")
    assert first == render(with_layout(shown, "completion", "first", "\n###\n"), "A cup")
    assert f"{hat}\nName the use.\n{cup}" == render(with_layout(shown, "completion", "last", "\n"), "A cup")


@pytest.mark.parametrize("form", ["turns", "fields"])
def test_place_without_exemplars(form: Form) -> None:
    """Where the first user turn is the last one, both places read the same."""
    alone = Prompt("Name the use.")

    assert with_layout(alone, form, "first").digest == with_layout(alone, form, "last").digest


@pytest.mark.parametrize("form", FORMS)
def test_no_instruction(form: Form) -> None:
    """An empty instruction leaves no empty message and no blank lines."""
    rendered = render(with_layout(Prompt(""), form), "A cup")
    text = "Input: A cup\nAnswer:" if form != "turns" else "A cup"

    assert (text if form == "completion" else (Message("user", text),)) == rendered


@pytest.mark.parametrize("form", FORMS)
def test_own_exemplar_left_out(form: Form) -> None:
    """The exemplar that was made from the asked row is not shown; the others are."""
    rendered = render(with_layout(PROMPT, form), "A hat", "row-1")

    assert render(with_layout(replace(PROMPT, exemplars=(TEA,)), form), "A hat") == rendered


def test_nameless_exemplar_kept() -> None:
    """An exemplar without a source is shown for every row."""
    prompt = Prompt("Name the use.", (Exemplar("A hat", "wear"),))

    assert render(prompt, "A cup", "row-1") == render(prompt, "A cup")
    assert len(render(prompt, "A cup", "row-1")) == 4


@given(st.text(), exemplars, layouts, st.text())
def test_nothing_substituted(
    instruction: str, shown: tuple[Exemplar, ...], layout: Layout, text: str
) -> None:
    """Every part appears as it is written, whatever braces or marks it holds."""
    said = contents(Prompt(instruction, shown, layout), text)

    assert instruction in said
    assert text in said
    assert all(e.input in said and e.output in said for e in shown)


def test_placeholder_in_text_kept() -> None:
    """A placeholder that a model wrote into an instruction stays text."""
    said = contents(Prompt(f"Repeat {PLACEHOLDER} and {{}} and %s."), "A cup")

    assert said == "Repeat {{input}} and {} and %s.\nA cup"


@given(layouts, st.text(min_size=1))
def test_ends_with_question(layout: Layout, text: str) -> None:
    """The input comes last, followed by nothing but the label of the answer."""
    said = contents(Prompt("Name the use.", (HAT, TEA), layout), text)
    tail = text if layout.form == "turns" else f"{text}\n{layout.output_label}:"

    assert said.endswith(tail)


@pytest.mark.parametrize(
    ("form", "outputs", "expected"),
    [
        ("turns", ("one",), ()),
        ("fields", ("one\ntwo",), ()),
        ("flat", ("one",), ()),
        ("completion", (), ("\n",)),
        ("completion", ("one", "two"), ("\n",)),
        ("completion", ("one", "two\nlines"), ("\n\nInput:",)),
    ],
    ids=["turns", "fields", "flat", "no-exemplar", "one-line", "two-lines"],
)
def test_stops(form: Form, outputs: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """Only a completion needs a stop, and it depends on whether exemplars answer in one line."""
    shown = tuple(Exemplar("A hat", output) for output in outputs)

    assert expected == stops(Prompt("Name the use.", shown, Layout(form)))


@pytest.mark.parametrize(
    ("separator", "outputs", "expected"),
    [
        ("\n", ("one",), ("\n",)),
        ("\n", ("two\nlines",), ("\nQ:",)),
        ("\n###\n", ("one",), ("\n",)),
        ("\n###\n", ("two\nlines",), ("\n###\nQ:",)),
        (" | ", ("one",), ("\n", " | Q:")),
        ("", (), ("\n", "Q:")),
        ("", ("two\nlines",), ("Q:",)),
    ],
)
def test_stops_follow_separator(separator: str, outputs: tuple[str, ...], expected: tuple[str, ...]) -> None:
    """A completion ends where the next block would begin, whatever stands between blocks."""
    shown = tuple(Exemplar("A hat", output) for output in outputs)

    assert expected == stops(Prompt("", shown, Layout("completion", "system", "Q", "A", separator)))


blocks = st.text().filter(lambda text: "Q:" not in text and "A:" not in text)


@given(
    st.lists(blocks, min_size=2, max_size=4), st.sampled_from(["\n\n", "\n", "\n###\n", " | ", "; "]), blocks
)
def test_imitation_stops_after_the_answer(outputs: list[str], separator: str, answer: str) -> None:
    """A model that goes on with one more block is cut at the end of its answer, or within it, never after."""
    layout = Layout("completion", "system", "Q", "A", separator)
    prompt = Prompt("", tuple(Exemplar("in", output) for output in outputs), layout)
    said = f" {answer}{separator}Q: more\nA: more"
    ends = [said.index(stop) for stop in stops(prompt) if stop in said]

    assert ends
    assert min(ends) <= len(f" {answer}")


def test_digest_short_and_stable() -> None:
    """The digest is 16 hex digits that never change for the same text."""
    assert Prompt("Name the use.").digest == "893cea509caf796f"


@pytest.mark.parametrize(
    "other",
    [
        replace(PROMPT, instruction="Name the use"),
        replace(PROMPT, exemplars=(TEA, HAT)),
        replace(PROMPT, exemplars=(HAT,)),
        with_layout(PROMPT, "fields"),
        with_layout(PROMPT, "flat"),
        with_layout(PROMPT, "completion"),
        with_layout(PROMPT, "turns", "first"),
        with_layout(PROMPT, "turns", "last"),
    ],
    ids=["instruction", "order", "fewer", "fields", "flat", "completion", "first", "last"],
)
def test_digest_differs(other: Prompt) -> None:
    """Prompts that the model would read differently have different digests."""
    assert PROMPT.digest != other.digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (PROMPT, replace(PROMPT, layout=Layout("turns", input_label="Q", output_label="A"))),
        (with_layout(PROMPT, "flat"), with_layout(PROMPT, "flat", "first")),
        (PROMPT, with_layout(PROMPT, "turns", separator="\n")),
        (Prompt("", (HAT,)), with_layout(Prompt("", (HAT,)), "turns", "last")),
        (PROMPT, replace(PROMPT, exemplars=(replace(HAT, source=""), TEA))),
    ],
    ids=["labels-unused", "system-unused", "separator-unused", "no-instruction", "source"],
)
def test_digest_equal(one: Prompt, other: Prompt) -> None:
    """Prompts that read the same are the same, however they are described."""
    assert one.digest == other.digest


def test_digest_hostile() -> None:
    """Text that is not valid Unicode has a digest too."""
    digest = Prompt("\ud800\x00\u202e").digest

    assert len(digest) == 16
    assert set(digest) <= set("0123456789abcdef")
