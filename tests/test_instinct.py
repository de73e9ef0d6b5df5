"""The bandit over soft prompts and over texts: what it plays, never twice, and the same after a cut."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo import events, plugins
from apo.budget import Budget
from apo.candidate import Candidate, Prediction
from apo.engine import Engine
from apo.errors import ConfigError
from apo.leaderboard import Board
from apo.prompt import Prompt
from apo.proposers.instinct import WHOLE, Instinct
from apo.runner import check
from apo.spec import WhiteBoxSpec
from apo.store.memory import MemoryStore
from apo.view import SearchView
from tests.helpers import evaluation, proposed, skilled, toy_spec, toy_task
from tests.searches import asked, outcome
from tests.steered import Steered
from tests.whiteboxes import box
from tui.candidate_text import lineage_text

SMALL = "arms=40,initial=2,max_tokens=6"
STRATEGIES = ("neural", "thompson", "gp", "local", "uniform")


def played(arms: Sequence[int], scores: Sequence[float], spread: float = 1.0) -> SearchView:
    """A search in which these soft prompts of level 0 scored so much on every dev row."""
    task = toy_task()
    line = [Candidate("c0", task.seed)]
    line += [
        Candidate(f"c{n}", Prompt(f"Text {arm}."), ("c0",), arm=f"soft:0:{arm}")
        for n, arm in enumerate(arms, 1)
    ]
    done = [
        evaluation(c.id, row.id, float(n < 20 * score))
        for c, score in zip(line, [0.1, *scores], strict=True)
        for n, row in enumerate(task.dev)
    ]
    return replace(outcome(task, line, done), whitebox=box(spread=spread))


def instinct(options: str = SMALL) -> Instinct:
    """The proposer."""
    made: Instinct = plugins.build("proposers", f"instinct:{options}")
    return made


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nothing_is_played_twice(strategy: str) -> None:
    """Arms that were played are masked, and no text comes twice, whoever chooses."""
    arms = list(range(30))
    view = played(arms, [arm / 40 for arm in arms])
    found = instinct(f"{SMALL},strategy={strategy}").propose(view, 6, Random("1"))
    texts = [p.prompt.instruction for p in found]

    assert 6 == len(found)
    assert not {p.arm for p in found} & {f"soft:0:{arm}" for arm in arms}
    assert 6 == len(set(texts)) == len({p.arm for p in found})
    assert "" not in texts


def test_the_same_arms_wherever_texts_come_from() -> None:
    """Arms do not depend on what is on disk already: another order of asking plays the same."""
    view = played(range(5), [0.2, 0.4, 0.9, 0.1, 0.3])
    first = instinct().propose(view, 5, Random("2"))
    instinct(f"{SMALL},strategy=uniform").propose(view, 8, Random("3"))
    again = instinct().propose(replace(view, whitebox=box()), 5, Random("2"))

    assert first == again


@pytest.mark.parametrize("strategy", ["neural", "thompson", "gp", "local"])
def test_predictions_come_along(strategy: str) -> None:
    """What was believed of an arm is told, from the second played arm on; uniform arms believe nothing."""
    view = played(range(6), [0.2, 0.4, 0.9, 0.1, 0.3, 0.5])
    told = instinct(f"{SMALL},strategy={strategy}").propose(view, 3, Random("4"))
    early = instinct("arms=40,initial=9,max_tokens=6").propose(view, 3, Random("4"))

    assert all(p.expected is not None and p.expected.deviation > 0 for p in told)
    assert [None] * 3 == [p.expected for p in early]


def test_texts_that_repeat_open_another_level() -> None:
    """Where soft prompts all decode to a known text or to nothing, longer ones join, then it gives up."""
    view = played([0, 1], [0.2, 0.4])
    silent = replace(view, whitebox=box(spread=1e-6))
    found = instinct("arms=4,initial=2,max_tokens=3").propose(silent, 4, Random("5"))
    levels = {p.arm.split(":")[1] for p in found}

    assert len(found) < 4
    assert len({p.prompt.instruction for p in found}) == len(found)
    assert levels <= {"0", "1", "2"}


@given(st.text('ab.!? \n\t"\u2028', max_size=20))
def test_whole_sentences(text: str) -> None:
    """What ends the writing early does not change the instruction that is read."""
    proposer = Instinct()
    for length in range(len(text)):
        if WHOLE.search(text[:length]):
            assert proposer._read(text, "") == proposer._read(text[:length], "")


def test_a_level_stays_open() -> None:
    """Once an arm of level 1 was played, arms of level 0 are not read again."""
    view = played([], [])
    opened = Candidate("c1", Prompt("Text."), ("c0",), arm="soft:1:3")
    view.history.candidates["c1"] = opened
    found = instinct().propose(view, 3, Random("6"))

    assert {"1"} == {p.arm.split(":")[1] for p in found}
    assert "soft:1:3" not in {p.arm for p in found}


def test_joint_arms_show_exemplars_of_their_own() -> None:
    """With `exemplars` each arm has a list from the pool, distinct rows, at most what the run allows."""
    view = played(range(5), [0.2, 0.4, 0.9, 0.1, 0.3])
    found = instinct(f"{SMALL},exemplars=true").propose(view, 5, Random("7"))
    pool = set(view.pool())

    assert all(p.prompt.exemplars and set(p.prompt.exemplars) <= pool for p in found)
    assert 1 < len({p.prompt.exemplars for p in found})


def test_triggers_follow_the_best_instruction() -> None:
    """A reasoning trigger is appended to the best instruction."""
    view = played(range(3), [0.2, 0.4, 0.3])
    found = instinct(f"{SMALL},kind=trigger").propose(view, 3, Random("8"))

    assert found
    assert all(p.prompt.instruction.startswith("Text 1. ") for p in found)


@pytest.mark.parametrize("features", ["sentences", "whitebox"])
def test_texts_of_a_file(features: str, tmp_path: Path) -> None:
    """A pool of texts is played without repeats, the likeliest first, until none is left."""
    pool = [f"{'a' * n}{'b' * (12 - n)}" for n in range(13)]
    (tmp_path / "pool.txt").write_text("\n".join([*pool, "", pool[0]]), encoding="utf-8")
    task = toy_task()
    line = [Candidate(f"c{n}", Prompt(pool[n])) for n in range(8)]
    done = [
        evaluation(c.id, row.id, float(k < 2 * n))
        for n, c in enumerate(line)
        for k, row in enumerate(task.dev)
    ]
    view = replace(outcome(task, line, done), whitebox=box())
    options = f"texts={tmp_path}/pool.txt,features={features},initial=2,nu=0"
    found = instinct(options).propose(view, 20, Random("9"))

    assert set(pool[8:]) == {p.prompt.instruction for p in found}
    if features == "sentences":
        assert found[0].prompt.instruction in pool[10:]
        assert not plugins.build("proposers", options and f"instinct:{options}").opens_weights


def test_texts_of_another_proposer() -> None:
    """Four times as many are written as are played."""
    view = played(range(3), [0.2, 0.4, 0.3])
    found = instinct("texts=induction,initial=2,features=sentences").propose(view, 2, Random("10"))

    assert len(asked(view)) == 8
    assert len(found) == 2
    assert all(p.prompt.instruction.startswith("Child") for p in found)


def engine(store: MemoryStore, spec: Any) -> Engine:
    """A search by the bandit alone, with the tiny white box."""
    task = toy_task()
    return Steered(task, skilled(task), spec=spec, store=store).engine()


def test_a_cut_run_picks_the_same_arms() -> None:
    """A journal that is cut before any step's proposals goes on to the same arms, texts and predictions."""
    options = "instinct:arms=30,initial=3,max_tokens=6"
    spec = toy_spec(proposers=(options,), selectors=(), layouts=False, budget=Budget(calls=500))
    whole = MemoryStore()
    engine(whole, spec).run()
    proposals = [r for r in whole.records if isinstance(r.event, events.CandidatesProposed)]

    assert len(proposals) > 3
    assert any(r.event.predictions for r in proposals if isinstance(r.event, events.CandidatesProposed))
    for cut in (proposals[2].n, proposals[-1].n):
        store = MemoryStore()
        for record in whole.records[:cut]:
            store.append(record.event)
        engine(store, spec).run()
        assert told(store) == told(whole)


def told(store: MemoryStore) -> list[tuple[Any, ...]]:
    """What was proposed: arms, texts, predictions."""
    made = [r.event for r in store.records if isinstance(r.event, events.CandidatesProposed)]
    return [(e.candidates, e.predictions) for e in made]


def test_the_white_box_is_charged() -> None:
    """Reading the arms and writing their texts is charged to a role of its own; the budget ends it."""
    options = "instinct:arms=31,initial=3,max_tokens=5"
    spec = toy_spec(proposers=(options,), selectors=(), layouts=False, budget=Budget(calls=200))
    search = engine(MemoryStore(), spec)
    search.run()
    spent = search.history.spend["whitebox"]

    assert spent.prompt_tokens > 31 * 100
    assert spent.completion_tokens > 0
    assert spent.calls == 0

    tight = replace(spec, proposers=("instinct:arms=300,dimension=9",), budget=Budget(prompt_tokens=20_000))
    bounded = engine(MemoryStore(), tight)
    bounded.run()
    assert any("white box" in problem for problem in bounded.history.problems)


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ("arms=1", "nothing to choose"),
        ("nu=-1", "nu"),
        ("finish=2", "finish"),
        ("texts=instinct", "itself"),
        ("texts=no-such", "no-such"),
        ("surrogate=no-such", "no-such"),
        ("tokens=0", "tokens"),
    ],
)
def test_options_refused(options: str, why: str) -> None:
    """What means nothing is refused before anything is spent."""
    with pytest.raises(ConfigError, match=why):
        instinct(options)


def test_a_pool_of_one_text_is_refused(tmp_path: Path) -> None:
    """There must be something to choose from."""
    (tmp_path / "pool.txt").write_text("Only one.\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="holds 1"):
        instinct(f"texts={tmp_path}/pool.txt")


def test_without_weights_a_run_is_refused() -> None:
    """A run whose white box is nowhere ends before it begins, with the option to set."""
    spec = toy_spec(proposers=("instinct",), whitebox=WhiteBoxSpec("/nowhere"))
    with pytest.raises(ConfigError, match="--whitebox-model"):
        check(spec, toy_task())


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_equal_scores(strategy: str, value: float) -> None:
    """Where all scores are the same, arms are still chosen."""
    view = played(range(5), [value] * 5)
    found = instinct(f"{SMALL},strategy={strategy}").propose(view, 3, Random("11"))

    assert 3 == len(found)
    assert all(np.isfinite([p.expected.mean, p.expected.deviation]).all() for p in found if p.expected)


def test_the_detail_tells_what_was_expected() -> None:
    """A candidate's detail shows the score and doubt that were predicted, and what was measured."""
    view = played(range(2), [0.5, 0.75])
    view.history.predictions["c2"] = Prediction(0.612, 0.034)
    board = Board(view.history)
    texts = [str(lineage_text(view.history, board, view.history.candidates[c])) for c in ("c1", "c2")]

    assert "61.2 % ± 3.4 was expected; measured 75.0 %" in texts[1]
    assert "expected" not in texts[0]


def test_arms_are_journaled() -> None:
    """A candidate's arm survives the journal."""
    facts = proposed(Candidate("c0", Prompt("x"), arm="soft:0:7"))
    assert isinstance(facts[1], events.CandidatesProposed)
    line = events.to_json(events.Record(0, 0.0, facts[1]))
    again = events.from_json(line).event
    assert isinstance(again, events.CandidatesProposed)
    assert again.candidates[0].arm == "soft:0:7"
