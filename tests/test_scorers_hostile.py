"""Scorers and hostile outputs: no text makes one raise, hang, or leave [0, 1]."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo.scorers import SCORERS, first_line
from tests.test_scorers import ALL, GOLD, LABELS, LETTERS, any_scorer, judge

any_text = st.text(st.characters()) | st.text(
    st.sampled_from("(A) positive42,.-;\n\x00\N{RIGHT-TO-LEFT OVERRIDE}")
)


@any_scorer
@given(output=any_text, gold=any_text)
def test_any_output(name: str, output: str, gold: str) -> None:
    """Whatever the output, a score comes back in [0, 1], and no answer means 0."""
    score = judge(ALL[name], output, gold)

    assert 0 <= score.value <= 1
    assert score.answer is not None or score.value == 0


@any_scorer
@given(data=st.data())
def test_gold_right(name: str, data: st.DataObject) -> None:
    """The gold answer itself always scores 1."""
    golds = {
        "choice": st.sampled_from(LABELS),
        "letters": st.sampled_from(LETTERS),
        "numeric": st.decimals(allow_nan=False, allow_infinity=False, places=3).map("{:f}".format),
        "set_match": st.lists(st.text("abc xyz", min_size=1).filter(str.strip), min_size=1).map(", ".join),
        "f1": st.text().map(first_line).filter(str.strip),
    }
    gold = data.draw(golds.get(name, st.text().filter(str.strip)))
    score = judge(ALL[name], gold, gold)

    assert (1, True) == (score.value, score.answer is not None)


HOSTILE = {
    "digits": "7" * 500_000 + "1,234" * 100_000,
    "spaces": "A" + " " * 1_000_000 + "x",
    "brackets": "(" * 1_000_000,
    "unprintable": "".join(map(chr, [*range(32), 0x202E, 0x200D, 0x200B])) * 30_000,
}


@any_scorer
@pytest.mark.parametrize("kind", HOSTILE)
def test_large_output(name: str, kind: str) -> None:
    """A megabyte of anything is scored in reasonable time, and never as right."""
    began = time.monotonic()
    score = judge(ALL[name], HOSTILE[kind], GOLD.get(name, "two words"))

    assert score.value == 0
    assert time.monotonic() - began < 10


def test_registry() -> None:
    """A task file may name every scorer there is."""
    assert {type(scorer) for scorer in ALL.values()} == set(SCORERS.values())
