"""Exports: valid by their schema, ready to send, and never half written."""

import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo import events
from apo.candidate import Candidate
from apo.errors import ConfigError
from apo.export import chosen, export, fill, request, schema, write
from apo.history import History
from apo.nearest import resolve
from apo.prompt import FORMS, PLACEHOLDER, PLACES, Exemplar, Form, Layout, Prompt, render, stops
from apo.statistics import mean_interval
from apo.task import Decoding, Task
from tests.helpers import (
    evaluation,
    history_of,
    letters,
    proposed,
    run_engine,
    skilled,
    started,
    toy_spec,
    toy_task,
)

SEED = Candidate("c0", Prompt("Name the colour."))
ONE = Candidate("c1", Prompt("Say it.", (Exemplar("ball", "red"),)), ("c0",), "uniform", "exemplars", "why")
TWO = Candidate("c2", Prompt("Colour?"), ("c1", "c0"), "opro", "instruction")
TASK = toy_task()
marks = st.sampled_from(["{{input}}", "{{", "}}", "input", "{{input-2}}", "-2", "x", "\n", '"'])
texts = st.lists(marks, max_size=6).map("".join)


def answered(task: Task, candidate: str, right: int, rows: int = 20) -> events.EvaluationsFinished:
    """A candidate's evaluations on the first rows of dev, of which the first `right` are right."""
    done = [evaluation(candidate, row.id, float(n < right)) for n, row in enumerate(task.dev[:rows])]
    return events.EvaluationsFinished(evaluations=tuple(done))


def begun(task: Task, *facts: events.Event) -> History:
    """A run with three candidates, and these events."""
    steps = (*proposed(SEED), *proposed(ONE, step=1), *proposed(TWO, step=2))
    return history_of(started(task, toy_spec()), *steps, *facts)


def valid(content: dict[str, Any]) -> dict[str, Any]:
    """The export as a reader gets it, if it is valid."""
    plain: dict[str, Any] = json.loads(json.dumps(content))
    jsonschema.Draft202012Validator(json.loads(schema())).validate(plain)
    return plain


def with_prompt(prompt: Prompt) -> History:
    """A run whose seed is this prompt."""
    return history_of(started(TASK, toy_spec()), *proposed(Candidate("c0", prompt)), answered(TASK, "c0", 1))


def test_schema_strict() -> None:
    """The schema is one, and refuses what does not belong there."""
    jsonschema.Draft202012Validator.check_schema(json.loads(schema()))

    with pytest.raises(jsonschema.ValidationError, match="Additional properties"):
        valid({**export(begun(TASK, answered(TASK, "c0", 1)), "run"), "more": 1})


def test_after_run() -> None:
    """The export of a whole run is valid and says what the sealed test found."""
    history, _, _ = run_engine(TASK, toy_spec(), skilled(TASK))
    plain = valid(export(history, "toy-01"))
    assert history.tested is not None
    assert history.finished is not None

    assert ("toy-01", "finished", history.finished.best) == (
        plain["run"],
        plain["status"],
        plain["candidate"],
    )
    assert history.tested.score.mean == plain["scores"]["test"]["winner"]["mean"]
    assert len(history.candidates) == plain["scores"]["dev"]["candidates"]
    assert history.total.calls == sum(plain["spend"][role]["calls"] for role in ("task", "proposal", "test"))


def test_during_run() -> None:
    """While a run goes on, the export is valid and has no test score."""
    plain = valid(export(begun(TASK, answered(TASK, "c0", 5, 10)), "run"))

    assert ("running", "c0", None) == (plain["status"], plain["candidate"], plain["scores"]["test"])


def test_dev_scores() -> None:
    """Dev scores are those of winner and seed, with a word of warning."""
    history = begun(TASK, answered(TASK, "c0", 5), answered(TASK, "c2", 15))
    dev = valid(export(history, "run"))["scores"]["dev"]

    assert (0.75, 0.25, 0.5) == (dev["winner"]["mean"], dev["seed"]["mean"], dev["difference"]["mean"])
    assert mean_interval(list(history.scores("c2").values())).low == dev["winner"]["low"]
    assert "optimistic" in dev["note"]


def test_lineage() -> None:
    """The ancestors stand behind the winner, each once."""
    plain = valid(export(begun(TASK, answered(TASK, "c2", 5)), "run"))

    assert ["c2", "c1", "c0"] == [entry["id"] for entry in plain["lineage"]]
    assert ("uniform", "exemplars", "why", ["c0"]) == tuple(
        plain["lineage"][1][key] for key in ("origin", "side", "note", "parents")
    )


def test_chosen_best() -> None:
    """The best candidate is exported, or while none is complete, the one that leads."""
    early = begun(TASK, answered(TASK, "c0", 2, 5), answered(TASK, "c1", 3, 5))
    late = begun(TASK, answered(TASK, "c0", 2), answered(TASK, "c1", 5, 5))

    assert ("c1", "c0") == (chosen(early).id, chosen(late).id)


def test_chosen_by_id() -> None:
    """Any candidate can be exported by its id; the test score is the winner's alone."""
    whole = mean_interval([1.0])
    tested = events.TestScored(candidate="c0", score=whole, seed=whole, difference=whole)
    history = begun(TASK, answered(TASK, "c0", 5), tested)

    assert valid(export(history, "run", "c1"))["scores"]["test"] is None
    assert valid(export(history, "run", "c0"))["scores"]["test"]["winner"]["n"] == 1


def test_chosen_unknown() -> None:
    """An unknown candidate lists those there are."""
    with pytest.raises(ConfigError, match=r"no candidate 'c9'.*Known: c0, c1, c2"):
        chosen(begun(TASK), "c9")


def test_chosen_nothing() -> None:
    """Before the first score there is nothing to export."""
    with pytest.raises(ConfigError, match="No candidate has a score yet"):
        chosen(begun(TASK))


@pytest.mark.parametrize("form", FORMS)
def test_forms_valid(form: Form) -> None:
    """Every layout gives a valid export with the endpoint that it needs."""
    plain = valid(export(with_prompt(replace(ONE.prompt, layout=Layout(form))), "run"))
    body = plain["request"]["body"]

    assert plain["request"]["endpoint"] == f"/v1/{'' if form == 'completion' else 'chat/'}completions"
    assert (form == "completion") == ("prompt" in body) == ("messages" not in body)
    assert {"model": "toy-model", "temperature": 0.0, "top_p": 1.0, "max_tokens": 64}.items() <= body.items()


def test_choices() -> None:
    """Constrained answers are part of the request."""
    task = replace(TASK, decoding=Decoding(max_tokens=3, choices=("red", "blue")))
    body = valid(export(begun(task, answered(task, "c0", 1)), "run"))["request"]["body"]

    assert {"choice": ["red", "blue"]} == body["structured_outputs"]
    assert body["max_tokens"] == 3


def filled(plain: Any, placeholder: str, text: str) -> Any:
    """A request with the placeholder replaced wherever it stands."""
    if isinstance(plain, str):
        return plain.replace(placeholder, text)
    if isinstance(plain, list):
        return [filled(part, placeholder, text) for part in plain]
    return {
        key: filled(part, placeholder, text) if isinstance(part, (str, list, dict)) else part
        for key, part in plain.items()
    }


@given(
    texts,
    st.lists(st.builds(Exemplar, texts, texts), max_size=2).map(tuple),
    st.builds(Layout, st.sampled_from(FORMS), st.sampled_from(PLACES), texts, texts, texts),
    texts,
)
def test_placeholder(instruction: str, shown: tuple[Exemplar, ...], layout: Layout, text: str) -> None:
    """Replacing the placeholder gives what the search itself would have sent, whatever the prompt says."""
    prompt = Prompt(instruction, shown, layout)
    sent = request(prompt, with_prompt(prompt))
    body = filled(sent["body"], sent["placeholder"], text)
    expected = render(prompt, text)
    messages = (
        expected if isinstance(expected, str) else [{"role": m.role, "content": m.content} for m in expected]
    )

    assert messages == body.get("prompt", body.get("messages"))
    assert list(stops(prompt)) == body.get("stop", [])


def test_placeholder_plain() -> None:
    """Where nothing collides, the placeholder is the usual one."""
    assert request(SEED.prompt, begun(TASK))["placeholder"] == PLACEHOLDER


@pytest.mark.parametrize("form", FORMS)
def test_nearest(form: Form) -> None:
    """A prompt with a pool exports the pool and says what to do; filled, it is what the search sends."""
    pool = tuple(Exemplar(row.input, row.target) for row in TASK.train)
    prompt = Prompt("Say it.", pool, Layout(form), nearest=3)
    content = valid(export(with_prompt(prompt), "run"))
    asked = {"count": 3, "encoder": "sentence-transformers/all-MiniLM-L6-v2"}

    assert len(TASK.train) == len(content["prompt"]["exemplars"])
    assert 3 == content["prompt"]["nearest"]
    assert asked.items() <= content["request"]["nearest"].items()
    assert not {"messages", "prompt"} & content["request"]["body"].keys()
    text = TASK.test[0].input
    sent = request(resolve(prompt, text, "", letters), with_prompt(prompt))
    body = filled(sent["body"], sent["placeholder"], text)
    assert body == fill(content, text, letters)
    assert content["request"]["endpoint"] == sent["endpoint"]


def test_nearest_schema() -> None:
    """A fixed prompt needs its body whole, a pool must not have a body that suits no input."""
    fixed = valid(export(with_prompt(ONE.prompt), "run"))
    pool = valid(export(with_prompt(replace(ONE.prompt, nearest=1)), "run"))

    assert fixed["request"]["nearest"] is None
    for one, other in ((fixed, pool), (pool, fixed)):
        mixed = {**one, "request": {**one["request"], "nearest": other["request"]["nearest"]}}
        with pytest.raises(jsonschema.ValidationError):
            valid(mixed)


@given(
    texts, st.lists(st.builds(Exemplar, texts, texts), max_size=2).map(tuple), st.sampled_from(FORMS), texts
)
def test_filled_by_us(instruction: str, shown: tuple[Exemplar, ...], form: Form, text: str) -> None:
    """What `fill` gives is what replacing the placeholder gives, whatever the prompt says."""
    content = export(with_prompt(Prompt(instruction, shown, Layout(form))), "run")
    sent = content["request"]

    assert filled(sent["body"], sent["placeholder"], text) == fill(content, text)


def test_write(tmp_path: Path) -> None:
    """What was written is what is read, for its owner alone, with no other file left."""
    content = export(begun(TASK, answered(TASK, "c0", 1)), "ru\N{ROCKET}n")
    write(content, tmp_path / "best.json")

    assert content == json.loads((tmp_path / "best.json").read_text(encoding="utf-8"))
    assert [tmp_path / "best.json"] == list(tmp_path.iterdir())
    assert stat.S_IMODE((tmp_path / "best.json").stat().st_mode) == 0o600


def test_write_replaces(tmp_path: Path) -> None:
    """Whoever has the old file open reads it whole while the new one takes its place."""
    path = tmp_path / "best.json"
    write({"old": "x" * 10_000}, path)
    with path.open(encoding="utf-8") as reader:
        begin = reader.read(10)
        write({"new": 1}, path)
        rest = reader.read()

    assert {"old": "x" * 10_000} == json.loads(begin + rest)
    assert {"new": 1} == json.loads(path.read_text(encoding="utf-8"))


def test_write_failure_keeps_old(tmp_path: Path) -> None:
    """If the new content cannot be written, the old file stays."""
    path = tmp_path / "best.json"
    write({"old": 1}, path)

    with pytest.raises(TypeError):
        write({"new": [1, object()]}, path)
    assert {"old": 1} == json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("place", ["none/best.json", "folder"], ids=["no-folder", "is-folder"])
def test_write_refused(tmp_path: Path, place: str) -> None:
    """A place that cannot be written is an error of the request."""
    (tmp_path / "folder" / "full").mkdir(parents=True)

    with pytest.raises(ConfigError, match="cannot be written"):
        write({}, tmp_path / place)
