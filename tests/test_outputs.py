"""The model's own right outputs: those of the oldest candidates, whatever order answers come in."""

from hypothesis import given
from hypothesis import strategies as st

from apo.outputs import MOST, RightOutputs
from tests.helpers import evaluation

ANSWERS = st.lists(
    st.tuples(
        st.integers(0, 60),
        st.sampled_from(["row-1", "row-2"]),
        st.integers(0, 40).map(" {} ".format),
        st.sampled_from([1.0, 1.0, 1.0, 0.5, 0.0, None]),
        st.booleans() | st.just(False),
    ),
    max_size=150,
)


@given(ANSWERS)
def test_oldest(answers: list[tuple[int, str, str, float | None, bool]]) -> None:
    """By row, the right texts that were not cut off: the MOST whose oldest candidates are the oldest."""
    right = RightOutputs()
    oldest: dict[str, dict[str, int]] = {"row-1": {}, "row-2": {}}
    seen: set[tuple[int, str]] = set()
    for number, row, text, value, cut_off in answers:
        if (number, row) in seen:
            continue
        seen.add((number, row))
        right.take([evaluation(f"c{number}", row, value, output=text, cut_off=cut_off)])
        if value == 1.0 and not cut_off:
            known = oldest[row]
            known[text.strip()] = min(number, known.get(text.strip(), number))

    for row, texts in oldest.items():
        assert sorted(texts, key=texts.__getitem__)[:MOST] == right.of(row)


def test_unknown_row() -> None:
    """A row without a right answer has none."""
    assert [] == RightOutputs().of("row-1")
