"""The first token against the whole answer: which way a run scores its candidates, and what that costs."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Literal

import jsonschema
import pytest

from apo import events, trial, words
from apo.backends import Request
from apo.backends.scripted import Scripted
from apo.budget import Budget
from apo.candidate import Candidate, Failure
from apo.errors import ConfigError
from apo.export import export, schema
from apo.forecasting import least_calls
from apo.history import History
from apo.prompt import as_text
from apo.rescoring import rescore
from apo.runner import check
from apo.scorers import Exact, Numeric
from apo.spec import RunSpec
from apo.store.memory import MemoryStore
from apo.task import Decoding
from tests.components.helpers import fake_server
from tests.helpers import Answer, evaluation, skilled, toy_spec, toy_task
from tests.steered import Steered
from tests.test_cli_run import answering, call, command

TASK = replace(toy_task(), decoding=Decoding(9))
SPEC = toy_spec(
    budget=Budget(calls=1100), scheduler="full", proposers=(), selectors=("uniform",), scoring="auto"
)
ASKED = 2 * 6 * 12
"""Both ways, six prompts, twelve rows."""


def rambling(request: Request) -> str | Failure:
    """A model that says the colour at the end of a sentence."""
    said = skilled(TASK)(request)
    return f"I think it is {said}" if isinstance(said, str) and request.temperature == 0 else said


def failing(request: Request) -> str | Failure:
    """A model that does not answer every row."""
    slow = request.temperature == 0 and len(as_text(request.rendered)) % 7 == 0
    return Failure("timeout", "slow") if slow else skilled(TASK)(request)


def ran(answer: Answer, spec: RunSpec = SPEC) -> tuple[History, list[Request]]:
    """A whole run, and what the models were asked at temperature 0."""
    run = Steered(TASK, answer, (), spec)
    return run.go_on(), [request for request in run.backends[-1].requests if request.temperature == 0]


def test_labels_first() -> None:
    """Where answers are labels, dev rows take one token each, and the sealed test whole answers."""
    history, asked = ran(skilled(TASK))
    chosen = history.scoring
    assert chosen is not None
    dev = asked[ASKED : -history.spend["test"].calls]

    assert ("token", 72, 1.0) == (chosen.way, chosen.same.n, chosen.begun)
    assert [9] * 72 + [1] * 72 == [request.max_tokens for request in asked[:ASKED]]
    assert {1} == {request.max_tokens for request in dev}
    assert {9} == {request.max_tokens for request in asked[len(dev) + ASKED :]}
    assert not any(e.cut_off for c in history.candidates for e in history.evaluations(c).values())


def test_comparing_is_paid_for() -> None:
    """Its calls count against the budget like others, and the forecast is not made of them."""
    history, asked = ran(skilled(TASK))
    assert history.scoring is not None
    assert history.forecast is not None

    assert ASKED == history.scoring.spend.calls
    assert len(asked) == history.spend["task"].calls + history.spend["test"].calls
    assert history.total.calls <= 1100
    assert history.forecast.measured_on <= len(TASK.dev)


def test_sentences() -> None:
    """Where the answer comes later than the first token, whole answers are scored, and it is said why."""
    history, asked = ran(rambling)
    assert history.scoring is not None

    assert "generate" == history.scoring.way
    assert {9} == {request.max_tokens for request in asked[ASKED:]}
    assert "too few rows score the same" in words.scoring(history.scoring)


def test_nothing_right() -> None:
    """Prompts that are always wrong agree in every row; that says nothing of better ones."""
    history, _ = ran(lambda request: "green" if request.temperature == 0 else "<INS>Say it.</INS>")
    assert history.scoring is not None

    assert ("generate", 1.0) == (history.scoring.way, history.scoring.same.mean)
    assert "too few right answers" in history.scoring.reason


def test_rows_without_an_answer() -> None:
    """They are left out of the comparison, and paid for."""
    history, _ = ran(failing)
    assert history.scoring is not None

    assert 0 < history.scoring.same.n < 72
    assert ASKED == history.scoring.spend.calls


@pytest.mark.parametrize(("asked_for", "way"), [("auto", "generate"), ("token", "token")])
def test_small_budget(asked_for: Literal["auto", "token"], way: str) -> None:
    """Comparing must not eat the search: then nothing is compared, and asking for a way decides."""
    spec = replace(SPEC, scoring=asked_for, budget=Budget(calls=300))
    history, _ = ran(skilled(TASK), spec)
    assert history.scoring is not None

    assert (way, 0) == (history.scoring.way, history.scoring.spend.calls)
    assert "nothing was compared" in words.scoring(history.scoring)


def test_seed_comes_first() -> None:
    """Where comparing would leave too few calls for the seed's own rows nothing is compared."""
    rows = TASK.dev[:1] + tuple(replace(TASK.dev[1], id=f"more{n}") for n in range(999))
    task = replace(TASK, dev=rows)
    spec = replace(SPEC, budget=Budget(calls=least_calls(task) + 60), selectors=(), layouts=False)
    history = Steered(task, skilled(TASK), (), spec).go_on()
    assert history.scoring is not None

    assert 0 == history.scoring.spend.calls
    assert history.finished is not None


def test_asked_for() -> None:
    """Who wants the first token gets it, and sees what the comparison says."""
    history, _ = ran(rambling, replace(SPEC, scoring="token"))
    assert history.scoring is not None

    assert "token" == history.scoring.way
    assert "too few rows score the same" in history.scoring.reason


def test_nobody_asked() -> None:
    """By default nothing is compared and the journal says nothing of it."""
    run = Steered(TASK, skilled(TASK), (), toy_spec())
    history = run.go_on()

    assert history.scoring is None
    assert not any(isinstance(record.event, events.ScoringChosen) for record in run.store.read())


def test_open_task() -> None:
    """An open task is scored by whole answers, and refused where one token was asked for."""
    task = replace(TASK, scorer=Exact(), train=tuple(replace(r, target=r.id) for r in TASK.train))
    run = Steered(task, skilled(TASK), (), SPEC)

    assert "the task is open" in words.scoring(trial.choose(SPEC, task, run.engine().evaluator, 1000))
    with pytest.raises(ConfigError, match="--scoring token needs a task with a few fixed answers, and 'toy'"):
        check(replace(SPEC, scoring="token"), replace(TASK, scorer=Numeric()))


def test_open_task_from_the_command_line(tmp_path: Path) -> None:
    """Exit code 2 and words; no run is begun."""
    (tmp_path / "balls.csv").write_text("text,label\n" + "".join(f"ball {n:03d},{n}\n" for n in range(40)))
    with fake_server(answering) as server:
        done = call(tmp_path, [*command(server), "--scorer", "numeric", "--scoring", "token"])

    assert 2 == done.returncode
    assert "Traceback" not in done.stderr
    assert "--scoring token needs a task with a few fixed answers" in " ".join(done.stderr.split())
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("answer", [skilled(TASK), rambling, failing])
def test_cut_and_resumed(answer: Answer) -> None:
    """Cut before or after the decision, or later, the run ends with the same events: it is made once."""
    whole = Steered(TASK, answer, (), SPEC)
    whole.go_on()
    records = list(whole.store.read())
    place = next(r.n for r in records if isinstance(r.event, events.ScoringChosen))
    for cut in (1, place, place + 1, place + 2, place + 4, len(records) // 2):
        store = MemoryStore(records[:cut])
        again = Steered(TASK, answer, (), SPEC, store)
        again.go_on()

        assert records == store.records, f"cut after record {cut}"


def test_intervals_decide() -> None:
    """Two rows of 72 may differ, three may not."""

    def way(differing: int) -> str:
        rows = [str(n) for n in range(72)]
        answers = [evaluation("c0", row, 1.0) for row in rows]
        tokens = [evaluation("c0", row, float(n >= differing)) for n, row in enumerate(rows)]
        return trial.compare(("red", "blue"), answers, tokens).way

    assert ["token", "token", "generate"] == [way(n) for n in (0, 2, 3)]


def test_labels_are_outputs() -> None:
    """A first token that begins a label stands for it; another stays as it is."""
    run = Steered(TASK, lambda request: "r" if "0021" in as_text(request.rendered) else "The ball", (), SPEC)
    evaluator = replace(run.engine().evaluator, labels=("red", "blue"))
    pairs = [(Candidate("c0", TASK.seed), row) for row in TASK.dev[:3]]
    done = {e.example: e.output for chunk in evaluator.evaluate(pairs) for e in chunk}

    assert ["The", "red", "The"] == [done[row.id] for _, row in pairs]


def test_export_says_so() -> None:
    """Its dev score is by first tokens, so a score by whole answers is not compared with it."""
    history, _ = ran(skilled(TASK))
    content = export(history, "run")
    jsonschema.validate(content, json.loads(schema()))
    untested = {**content, "scores": {**content["scores"], "test": None}}

    assert "token" == content["scores"]["dev"]["scoring"]
    assert rescore(content, TASK, Scripted(skilled(TASK))).agrees
    assert rescore(untested, TASK, Scripted(skilled(TASK))).agrees is None
