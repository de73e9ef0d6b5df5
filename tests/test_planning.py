"""What a plan's rows are asked in."""

from random import Random

from apo import events
from apo.candidate import Candidate, Usage
from apo.planning import longest_first
from apo.prompt import Layout, Prompt
from tests.helpers import evaluation, history_of, proposed, started, toy_spec, toy_task

TASK = toy_task(60)


def test_the_longest_answers_are_asked_first() -> None:
    """By the first row's, of candidates that have met a block; the others last, all in the plan's order."""
    cohort = [Candidate(f"c{n}", Prompt(f"Say {n}.", (), Layout())) for n in range(5)]
    lengths = {"c0": [2, 99], "c1": [30, 28, 40], "c2": [10], "c4": [50]}
    told = [
        evaluation(name, row.id, 0.0, usage=Usage(100, tokens, 0.1))
        for name, found in lengths.items()
        for row, tokens in zip(TASK.dev, found, strict=False)
    ]
    facts = (*proposed(*cohort), events.EvaluationsFinished(evaluations=tuple(told)))
    further = events.CandidatesPromoted(rows={"c0": 5, "c1": 5, "c2": 5})
    history = history_of(started(TASK, toy_spec()), *facts, further)
    rows = [row.id for row in TASK.dev[3:8]]
    plan = [(candidate.id, row) for candidate in cohort for row in rows]

    found = longest_first(plan, history)
    assert found == [(name, row) for name in ("c1", "c2", "c0", "c3", "c4") for row in rows]
    Random(0).shuffle(plan)
    again = longest_first(plan, history)
    assert [name for name, _ in again][:15] == [name for name, _ in found][:15]
    assert again[15:] == [pair for pair in plan if pair[0] in ("c3", "c4")]
