"""Scorers: tables of outputs with the value and the answer that each should get."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo.scorers import F1, Choice, Contains, Exact, Numeric, SetMatch, first_line, normalise
from apo.task import Example, Score, Scorer

LABELS = ("positive", "negative", "very positive")
LETTERS = ("(A)", "(B)", "(C)")
ALL: dict[str, Scorer] = {
    "exact": Exact(),
    "choice": Choice(LABELS),
    "letters": Choice(LETTERS),
    "numeric": Numeric(),
    "contains": Contains(),
    "f1": F1(),
    "set_match": SetMatch(),
}
GOLD = {"choice": "positive", "letters": "(A)", "numeric": "42"}
any_scorer = pytest.mark.parametrize("name", ALL)


def judge(scorer: Scorer, output: str, *gold: str) -> Score:
    """The score of an output where these answers are accepted."""
    return scorer(output, Example("1", "in", gold[0], gold if len(gold) > 1 else ()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  The   Answer\n", "the answer"),
        ("Half-done", "half done"),
        ("it's", "it s"),
        ("snake_case", "snake case"),
        ("1.5", "1.5"),
        ("10:30", "10:30"),
        ("-5", "-5"),
        ("5.", "5"),
        ("(5)", "5"),
        ("$5", "5"),
        ("A)1", "a 1"),
        ("\N{FULLWIDTH LATIN CAPITAL LETTER A}", "a"),
        ("STRASSE", "strasse"),
        ("straße", "strasse"),
        ("?!", "?!"),
        ("> )", "> )"),
        ("", ""),
        (" \n\t", ""),
        ("a\N{ZERO WIDTH SPACE}b", "a b"),
    ],
    ids=ascii,
)
def test_normalise(text: str, expected: str) -> None:
    """Case, spaces and punctuation around words do not count; what is inside numbers does."""
    assert expected == normalise(text)


@given(st.text(st.characters()))
def test_normalise_settles(text: str) -> None:
    """A normalised text has no outer and no double spaces."""
    plain = normalise(text)

    assert " ".join(plain.split()) == plain


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ""), ("\n \n", ""), ("\n\n a \nb", " a "), ("a\u2028b", "a"), ("a\r\nb", "a")],
    ids=["empty", "blank", "leading-blank", "line-separator", "crlf"],
)
def test_first_line(text: str, expected: str) -> None:
    """The first line that says something."""
    assert expected == first_line(text)


@pytest.mark.parametrize(
    ("output", "value", "answer"),
    [
        ("Paris", 1, "Paris"),
        (" paris. \nIt is in France.", 1, "paris."),
        ("\n\nPARIS", 1, "PARIS"),
        ("Paris, France", 0, "Paris, France"),
        ("It is Paris", 0, "It is Paris"),
        ("Pari", 0, "Pari"),
        ("", 0, None),
        (" \n ", 0, None),
        ("...", 0, "..."),
    ],
    ids=ascii,
)
def test_exact(output: str, value: float, answer: str | None) -> None:
    """The first line must be the answer, nothing more and nothing less."""
    score = judge(Exact(), output, "Paris")

    assert (value, answer) == (score.value, score.answer)


@pytest.mark.parametrize(
    ("output", "value", "answer"),
    [
        ("positive", 1, "positive"),
        ("Positive.", 1, "positive"),
        ("The review is POSITIVE!", 1, "positive"),
        ("positive, positive", 1, "positive"),
        ("negative", 0, "negative"),
        ("very positive", 0, "very positive"),
        ("It is very positive.", 0, "very positive"),
        ("positive or negative", 0, None),
        ("very positive, or positive", 0, None),
        ("positively", 0, None),
        ("nonpositive", 0, None),
        ("", 0, None),
        ("?", 0, None),
    ],
    ids=ascii,
)
def test_choice(output: str, value: float, answer: str | None) -> None:
    """Exactly one label must be mentioned as a word; a longer label hides the shorter inside it."""
    score = judge(Choice(LABELS), output, "positive")

    assert (value, answer) == (score.value, score.answer)


@pytest.mark.parametrize(
    ("labels", "output", "answer"),
    [
        (LETTERS, "(B)", "(B)"),
        (LETTERS, "B", "(B)"),
        (LETTERS, "b", "(B)"),
        (LETTERS, "The answer is (B).", "(B)"),
        (LETTERS, "B. Because", "(B)"),
        (LETTERS, "B) Because", "(B)"),
        (LETTERS, "The answer is B", "(B)"),
        (LETTERS, "A man sat (B)", "(B)"),
        (LETTERS, "(A) or (B)", None),
        (LETTERS, "(D)", None),
        (LETTERS, "A man sat", None),
        (("A", "B"), "The answer is B", "B"),
        (("A", "B"), "a cat: B", "B"),
        (("A", "B"), "AB", None),
        (("A", "B"), "b", "B"),
        (("yes", "no"), "No, I do not know.", "no"),
        (("> )", "( <"), "> )", "> )"),
        (("> )", "( <"), "It is > ).", "> )"),
        (("a+b", "a"), "a+b", "a+b"),
        (("1", "10"), "10", "10"),
        (("1", "10"), "It is 10.", "10"),
        (("x.y", "xzy"), "so xzy", "xzy"),
    ],
    ids=ascii,
)
def test_choice_read(labels: tuple[str, ...], output: str, answer: str | None) -> None:
    """Letters, signs and numbers are read as labels only where they stand alone."""
    assert answer == Choice(labels).read(output)


@pytest.mark.parametrize(
    ("output", "gold", "value", "answer"),
    [
        ("42", "42", 1, "42"),
        ("#### 42", "42", 1, "42"),
        ("7 and 35 make 42.", "42", 1, "42"),
        ("42 of 50", "42", 0, "50"),
        ("$1,042.50", "1042.5", 1, "1042.50"),
        ("1,042,000", "1042000", 1, "1042000"),
        ("42.0", "42", 1, "42.0"),
        ("-42", "-42", 1, "-42"),
        ("\N{MINUS SIGN}42", "-42", 1, "-42"),
        ("50-42", "42", 1, "42"),
        (".5", "0.5", 1, "0.5"),
        ("42 apples", "42 apples", 1, "42"),
        ("42.0000001", "42", 1, "42.0000001"),
        ("42.001", "42", 0, "42.001"),
        ("forty-two", "42", 0, None),
        ("", "42", 0, None),
        ("9" * 301, "42", 0, None),
        ("9" * 300, "9" * 300, 1, "9" * 300),
        ("9" * 299 + "8", "9" * 300, 0, "9" * 299 + "8"),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_numeric(output: str, gold: str, value: float, answer: str | None) -> None:
    """The last number counts, however it is written."""
    score = judge(Numeric(), output, gold)

    assert (value, answer) == (score.value, score.answer)


@pytest.mark.parametrize(("output", "value"), [("40", 1), ("44", 1), ("44.5", 0), ("39", 0)])
def test_numeric_tolerance(output: str, value: float) -> None:
    """A tolerance is absolute, and its edge counts as right."""
    assert value == judge(Numeric(2), output, "42").value


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ("It is Paris, of course", 1),
        ("paris", 1),
        ("many\nlines\nParis\nand more", 1),
        ("Parisian", 0),
        ("comparison", 0),
        ("", 0),
    ],
    ids=ascii,
)
def test_contains(output: str, value: float) -> None:
    """The answer may stand anywhere, as whole words."""
    assert value == judge(Contains(), output, "Paris").value


@pytest.mark.parametrize(
    ("output", "value"),
    [
        ("the red car", 1.0),
        ("car red the", 1.0),
        ("red car", 0.8),
        ("the", 0.5),
        ("the the", 0.4),
        ("a blue bike", 0.0),
        ("the red car\nnot the bike", 1.0),
        ("", 0.0),
    ],
    ids=ascii,
)
def test_f1(output: str, value: float) -> None:
    """Words in common, as the harmonic mean of precision and recall, on the first line."""
    assert value == pytest.approx(judge(F1(), output, "The red car").value)


@pytest.mark.parametrize(
    ("scorer", "output", "value"),
    [
        (SetMatch(), "b, a", 1),
        (SetMatch(), "A; B.", 1),
        (SetMatch(), "a\nb\n", 1),
        (SetMatch(), "a, a, b", 1),
        (SetMatch(), "a", 0),
        (SetMatch(), "a, b, c", 0),
        (SetMatch(), ", ;", 0),
        (SetMatch("|"), "b|a", 0),
        (SetMatch("]^-"), "a]b", 0),
    ],
    ids=lambda value: ascii(value)[:16],
)
def test_set_match(scorer: Scorer, output: str, value: float) -> None:
    """The items count, not their order or how often they stand there."""
    assert value == judge(scorer, output, "a, b").value


def test_set_match_own_separators() -> None:
    """Separators are characters, whatever they mean in a pattern."""
    score = judge(SetMatch("]^-"), "b^a", "a]b")

    assert score.value == 1


def test_set_match_no_separator() -> None:
    """Without a separator there are no items."""
    with pytest.raises(ValueError, match="at least one character"):
        SetMatch("")


@any_scorer
def test_references(name: str) -> None:
    """The best over the references counts."""
    gold = GOLD.get(name, "two words")
    other = {"letters": "(B)", "choice": "negative", "numeric": "7"}.get(name, "nothing else")

    assert judge(ALL[name], gold, other, gold).value == 1
    assert judge(ALL[name], gold, other).value < 1


@any_scorer
def test_feedback(name: str) -> None:
    """A wrong answer is told what was expected, a right one nothing."""
    gold = GOLD.get(name, "two words")
    wrong = judge(ALL[name], {"letters": "(B)", "choice": "negative", "numeric": "7"}.get(name, "none"), gold)

    assert f"expected {gold}" == wrong.feedback
    assert judge(ALL[name], gold, gold).feedback == ""
    assert judge(ALL[name], "", gold).feedback == "no answer could be read"


def test_feedback_partial() -> None:
    """A partly right answer is told what was expected, too."""
    assert judge(F1(), "the car", "The red car").feedback == "expected The red car"
