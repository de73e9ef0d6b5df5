"""How long answers may be, where the task does not say it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo.loading import load_task
from apo.scorers import F1, SLACK, Choice, Contains, Exact, Numeric, SetMatch, answer_limit
from apo.task import MAX_TOKENS, Example, Scorer


def rows(*answers: str) -> list[Example]:
    """Rows with these answers."""
    return [Example(f"r{n}", f"input {n}", answer) for n, answer in enumerate(answers)]


@pytest.mark.parametrize(
    ("answers", "limit"),
    [
        (("a", "abcd"), 4 + SLACK),
        (("Zürich",), 7 + SLACK),  # bytes, not characters
        (("x" * 48,), MAX_TOKENS),
        (("x" * 49,), MAX_TOKENS),
        (("x" * 97, "y"), MAX_TOKENS),
        (("x" * 200,), 100 + SLACK),
        ((), SLACK),
    ],
)
def test_longest_known_answer(answers: tuple[str, ...], limit: int) -> None:
    """A token a byte for short answers; a token for two bytes, and not less than ever, for long ones."""
    assert limit == answer_limit(Exact(), rows(*answers))


def test_every_accepted_answer_counts() -> None:
    """Also those that are not shown."""
    row = Example("r", "input", "no", references=("no", "not at all"))

    assert 10 + SLACK == answer_limit(SetMatch(), [row])


@pytest.mark.parametrize("scorer", [Choice(("a", "b")), Numeric(), Contains(), F1()])
def test_answers_inside_longer_texts(scorer: Scorer) -> None:
    """Scorers that find the answer in a sentence, or behind reasoning, leave room for it."""
    assert MAX_TOKENS == answer_limit(scorer, rows("a", "b"))


@given(st.text(min_size=1, max_size=40), st.sampled_from(['"{}"', "**{}**.", " {}!", "\n{}\n"]))
def test_no_right_answer_is_cut_off(answer: str, form: str) -> None:
    """Even where each byte is a token, a right answer keeps its score at the limit."""
    (row,) = rows(answer)
    limit = answer_limit(Exact(), [row])
    output = form.format(answer)
    cut = output.encode()[:limit].decode(errors="ignore") if len(answer.encode()) <= 48 else output

    assert Exact()(output, row).value == Exact()(cut, row).value


def written(folder: Path, more: str) -> Path:
    """A task file over rows whose last ones, the test, have long answers."""
    answers = ["up", "down"] * 10
    lines = [json.dumps({"input": f"input {n}", "target": answer}) for n, answer in enumerate(answers)]
    (folder / "rows.jsonl").write_text("\n".join(lines))
    tested = [json.dumps({"input": f"test {n}", "target": "sideways " * 9}) for n in range(4)]
    (folder / "test.jsonl").write_text("\n".join(tested))
    path = folder / "mine.yaml"
    path.write_text(f"data: {{path: rows.jsonl, test_path: test.jsonl}}\n{more}")
    return path


def test_learned_when_loading(tmp_path: Path) -> None:
    """From train and dev alone: the sealed test's answers are not looked at."""
    assert 4 + SLACK == load_task(str(written(tmp_path, ""))).decoding.max_tokens


def test_task_file_counts_more(tmp_path: Path) -> None:
    """What is said is not learned, and decides the fingerprint like what is."""
    said = load_task(str(written(tmp_path, "max_tokens: 7")))
    learned = load_task(str(written(tmp_path, "")))
    same = load_task(str(written(tmp_path, f"max_tokens: {4 + SLACK}")))

    assert 7 == said.decoding.max_tokens
    assert said.fingerprint != learned.fingerprint
    assert same.fingerprint == learned.fingerprint
