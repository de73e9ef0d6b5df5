"""What a plan's rows are asked in."""

from random import Random

from apo import events
from apo.candidate import Candidate, Usage
from apo.planning import longest_first
from apo.prompt import Layout, Prompt
from tests.helpers import evaluation, history_of, proposed, started, toy_spec, toy_task

TASK = toy_task(60)


def test_the_longest_answers_are_asked_first() -> None:
    """By what a candidate's first answers took; rows of one stay together, those without any are last."""
    cohort = [Candidate(f"c{n}", Prompt(f"Say {n}.", (), Layout())) for n in range(4)]
    lengths = {"c0": [2, 4], "c1": [30, 28, 40], "c2": [10]}
    told = [
        evaluation(name, row.id, 0.0, usage=Usage(100, tokens, 0.1))
        for name, found in lengths.items()
        for row, tokens in zip(TASK.dev, found, strict=False)
    ]
    facts = (*proposed(*cohort), events.EvaluationsFinished(evaluations=tuple(told)))
    history = history_of(started(TASK, toy_spec()), *facts)
    rows = [row.id for row in TASK.dev[3:8]]
    plan = [(candidate.id, row) for candidate in cohort for row in rows]

    found = longest_first(plan, history)
    assert found == [(name, row) for name in ("c1", "c2", "c0", "c3") for row in rows]
    Random(0).shuffle(plan)
    assert sorted(longest_first(plan, history)) == sorted(found)
