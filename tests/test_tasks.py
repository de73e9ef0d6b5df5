"""The shipped tasks: they are listed, they load, and their answers are right."""

import json
import re
from collections import Counter
from datetime import date, timedelta
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from apo.loading import descriptions, load_task, task_names
from apo.task import Example, Task, check_rows
from apo.taskfile import check, parse
from tasks.object_counting import NUMBERS, THINGS

ROOT = Path(__file__).resolve().parents[1]
TASKS = ROOT / "tasks"
PUBLIC = ROOT.parent / "shared" / "data"

WRITTEN = ("sentiment", "tickets")
GENERATED = ("boolean_expressions", "date_arithmetic", "object_counting", "word_sorting")
SINGLE = ("ag_news", "aqua", "folio", "gsm8k", "sst2", "subj", "svamp", "trec")
FAMILIES = {"bbh": 27, "instruction_induction": 24}
LISTED = sorted(task_names())
SPECS = sorted(TASKS.glob("*.yaml"))


@cache
def own(name: str) -> Task:
    """A task that brings its own rows."""
    return load_task(name)


def all_rows(task: Task) -> tuple[Example, ...]:
    """The rows of all three splits."""
    return (*task.train, *task.dev, *task.test)


def local_stems() -> dict[str, str]:
    """The public tasks that can have a local copy: name to the stem of its files."""
    variants = {name: raw for path in SPECS for name, raw in parse(path).items()}
    specs = {name: check(name, raw) for name, raw in variants.items()}
    return {name: s.data.local or name for name, s in specs.items() if s.data.path is None}


def wrong(task: Task) -> list[str]:
    """The rows whose gold answer does not score 1 under the task's own scorer."""
    return [row.id for row in all_rows(task) if task.scorer(row.target, row).value != 1.0]


def test_tasks_listed() -> None:
    """The list holds every task that is named here."""
    missing = {*WRITTEN, *GENERATED, *SINGLE} - set(LISTED)

    assert set() == missing


@pytest.mark.parametrize(("family", "size"), FAMILIES.items())
def test_families_complete(family: str, size: int) -> None:
    """A family has as many variants as the benchmark has tasks."""
    variants = [name for name in LISTED if name.startswith(f"{family}/")]

    assert size == len(variants)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_specs_valid(path: Path) -> None:
    """A task file holds known settings only, and says what it is and where the search starts."""
    specs = [check(name, raw) for name, raw in parse(path).items()]

    assert all(spec.description and spec.instruction for spec in specs)


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_specs_name_source(path: Path) -> None:
    """A task file opens with where its data come from."""
    first = path.read_text(encoding="utf-8").splitlines()[0]

    assert first.startswith("# Data: ")


@pytest.mark.parametrize("name", LISTED)
def test_description_one_line(name: str) -> None:
    """The list shows one short sentence for each task."""
    text = descriptions()[name]

    assert text.endswith(".")
    assert "\n" not in text
    assert len(text) <= 100


@pytest.mark.parametrize("name", [*WRITTEN, *GENERATED])
def test_own_tasks_load(name: str) -> None:
    """A task with rows of its own fills three splits that share no input."""
    task = own(name)
    check_rows(task.train, task.dev, task.test)

    assert name == task.name
    assert all((task.train, task.dev, task.test))


@pytest.mark.parametrize("name", [*WRITTEN, *GENERATED])
def test_inputs_distinct(name: str) -> None:
    """No input stands in a task twice, whatever its case and spaces."""
    counts = Counter(" ".join(row.input.casefold().split()) for row in all_rows(own(name)))

    assert not [text for text, count in counts.items() if count > 1]


@pytest.mark.parametrize("name", [*WRITTEN, *GENERATED])
def test_fingerprint_stable(name: str) -> None:
    """Loading twice gives the same rows in the same order."""
    again = load_task(name)

    assert own(name).fingerprint == again.fingerprint


@pytest.mark.parametrize("name", [*WRITTEN, *GENERATED])
def test_own_gold_right(name: str) -> None:
    """Every gold answer scores 1."""
    failing = wrong(own(name))

    assert not failing


@pytest.mark.parametrize(("name", "least", "labels"), [("tickets", 240, 6), ("sentiment", 200, 2)])
def test_written_rows_balanced(name: str, least: int, labels: int) -> None:
    """The written files are large enough, and no label is rare."""
    lines = (TASKS / "data" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    counts = Counter(json.loads(line)["target"] for line in lines)

    assert least <= len(lines)
    assert labels == len(counts)
    assert max(counts.values()) <= 1.25 * min(counts.values())


@pytest.mark.parametrize("name", WRITTEN)
def test_written_labels_in_every_split(name: str) -> None:
    """Every label occurs in every split."""
    task = own(name)
    labels = {row.target for row in all_rows(task)}

    assert [labels] * 3 == [{row.target for row in s} for s in (task.train, task.dev, task.test)]


@pytest.mark.parametrize("name", GENERATED)
def test_generated_shows_record(name: str) -> None:
    """The record in the module's docstring is one of the rows."""
    source = (TASKS / f"{name}.py").read_text(encoding="utf-8")
    shown = json.loads(source[source.index("{") : source.index("}") + 1])

    assert Example(**shown) in all_rows(own(name))


def boolean_value(text: str) -> str:
    """Reduce an expression step by step: brackets, then not, then and, then or."""
    rules = (
        (r"\( (True|False) \)", lambda found: found[1]),
        (r"not (True|False)", lambda found: str(found[1] == "False")),
        (r"(True|False) and (True|False)", lambda found: str("False" not in found.groups())),
        (
            r"(?<!and )(True|False) or (True|False)(?! and)",
            lambda found: str("True" in found.groups()),
        ),
    )
    while " " in text:
        for pattern, value in rules:
            text, changed = re.subn(pattern, value, text, count=1)
            if changed:
                break
    return text


def test_boolean_expressions_right() -> None:
    """The targets equal the values found by rewriting the text."""
    rows = all_rows(own("boolean_expressions"))

    assert [boolean_value(row.input) for row in rows] == [row.target for row in rows]


def test_boolean_expressions_balanced() -> None:
    """Neither value is much more frequent than the other."""
    counts = Counter(row.target for row in all_rows(own("boolean_expressions")))

    assert min(counts.values()) >= 0.4 * counts.total()


def counted(text: str) -> str:
    """Count by looking up each phrase of the list."""
    kind = re.findall(r"How many (.+?) (?:do|does|are) ", text)[0]
    amounts = {"a": 1, "an": 1} | {word: n for n, word in enumerate(NUMBERS, 1)}
    nouns = {*THINGS[kind], *THINGS[kind].values()}
    phrases = re.findall(rf"\b({'|'.join(amounts)}) (\w+)", text.split("How many")[0])
    return str(sum(amounts[amount] for amount, noun in phrases if noun in nouns))


def test_object_counting_right() -> None:
    """The targets equal the sums found by reading the sentences."""
    rows = all_rows(own("object_counting"))

    assert [counted(row.input) for row in rows] == [row.target for row in rows]


SHORT_MONTHS = "JanFebMarAprMayJunJulAugSepOctNovDec"


def dated(text: str) -> str:
    """Walk from the date in the question, a day or a month at a time."""
    found = re.fullmatch(r"What date is (\d+) (day|week|month)s? (before|after) (.+)\?", text)
    assert found is not None
    amount, unit, way, written = int(found[1]), found[2], found[3], found[4]
    if "-" in written:
        at = date.fromisoformat(written)
    else:
        day, month, year = written.split()
        at = date(int(year), SHORT_MONTHS.index(month[:3]) // 3 + 1, int(day))
    sign = -1 if way == "before" else 1
    if unit != "month":
        return str(at + sign * timedelta(**{f"{unit}s": amount}))
    for _ in range(amount):
        here = at.month
        while at.month == here:
            at += sign * timedelta(days=1)
        at = at.replace(day=1)
    start = int(written[-2:]) if "-" in written else int(written.split()[0])
    return str(at.replace(day=start))


def test_date_arithmetic_right() -> None:
    """The targets equal the dates found by walking through the calendar."""
    rows = all_rows(own("date_arithmetic"))

    assert [dated(row.input) for row in rows] == [row.target for row in rows]


def test_word_sorting_right() -> None:
    """The targets hold the same words, each before the next."""
    pairs = [(row.input.split(), row.target.split()) for row in all_rows(own("word_sorting"))]

    assert all(Counter(given) == Counter(answer) for given, answer in pairs)
    assert all(a < b for _, answer in pairs for a, b in pairwise(answer))


HUB_ROWS: dict[str, tuple[dict[str, Any], str]] = {
    "ag_news": ({"text": "{n} chips were sold.", "label": "Sci/Tech"}, "technology"),
    "aqua": ({"question": "{n} + 0?", "options": ["A)1", "B)2"], "correct": "B"}, "B"),
    "bbh/dyck_languages": ({"input": "{n} ( <", "target": "> )"}, "> )"),
    "bbh/ruin_names": ({"input": "{n}?", "target": "(K)"}, "(K)"),
    "folio": ({"premises": "{n} is odd.", "conclusion": "It is.", "label": "Unknown"}, "Uncertain"),
    "gsm8k": ({"question": "{n} weeks?", "answer": "Seven each.\n#### 1,407"}, "1,407"),
    "sst2": ({"sentence": "{n} good jokes", "label": "positive"}, "positive"),
    "subj": ({"text": "{n} men meet .", "label_text": "objective"}, "objective"),
    "svamp": ({"question_concat": "{n} plums?", "Answer": "8.0"}, "8"),
    "trec": ({"text": "Who was {n} ?", "label_coarse_original": "HUM"}, "person"),
}
"""A made-up row with the columns of the hub's copy, and the target that it should become."""


@pytest.mark.parametrize("name", HUB_ROWS)
def test_hub_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The settings fit rows as the hub has them."""
    raw, target = HUB_ROWS[name]

    def rows(hub: str, config: str | None, split: str) -> list[dict[str, Any]]:
        column = next(iter(raw))
        return [{**raw, column: raw[column].format(n=f"{split} {n}")} for n in range(20)]

    monkeypatch.setattr("apo.loading.read_hub", rows)
    task = load_task(name, settings={"splits": {}})

    assert {target} == {row.target for row in all_rows(task)}
    assert not wrong(task)


@pytest.mark.skipif(not PUBLIC.is_dir(), reason="no local copies of public data in ../shared/data")
@pytest.mark.parametrize(("name", "stem"), local_stems().items())
def test_public_gold_right(name: str, stem: str) -> None:
    """A public task loads from its local copy, and every gold answer scores 1."""
    if not (PUBLIC / f"{stem}.train.jsonl").is_file():
        pytest.skip(f"no local copy of {name}")
    task = load_task(name, PUBLIC)

    assert all((task.train, task.dev, task.test))
    assert not wrong(task)
