"""Rescoring: an export asks what the search asked."""

import json

from apo.backends.scripted import Scripted
from apo.candidate import Candidate
from apo.evaluation import Evaluator
from apo.events import EvaluationsFinished
from apo.export import export
from apo.prompt import Prompt
from apo.rescoring import rescore
from apo.task import as_exemplars
from tests.helpers import history_of, letters, proposed, skilled, started, toy_spec, toy_task

TASK = toy_task()


def test_pool() -> None:
    """A prompt that shows the nearest is scored with each row's own neighbours, itself left out."""
    rows = (*TASK.train[:5], *TASK.dev[:5])
    pool = tuple(as_exemplars(rows))
    candidate = Candidate("c0", Prompt("Name the colour.", pool, nearest=3))
    search = Scripted(skilled(TASK))
    evaluator = Evaluator(search, TASK.scorer, TASK.decoding, embed=letters)
    (done,) = evaluator.evaluate([(candidate, row) for row in TASK.dev])
    facts = (started(TASK, toy_spec()), *proposed(candidate), EvaluationsFinished(evaluations=done))
    content = json.loads(json.dumps(export(history_of(*facts), "run")))
    again = Scripted(skilled(TASK))
    rescored = rescore(content, TASK, again, letters)

    assert [r.rendered for r in search.requests] == [r.rendered for r in again.requests]
    assert rescored.agrees
