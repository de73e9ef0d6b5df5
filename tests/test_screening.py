"""Many proposals, few candidates."""

from dataclasses import replace
from random import Random
from statistics import fmean

from apo.acquisitions.upper_confidence import UpperConfidence
from apo.budget import Budget
from apo.calibration import calibration
from apo.candidate import Prediction, Proposal
from apo.history import History
from apo.prompt import Prompt
from apo.proposing import SCREENED
from apo.screening import Screened, screen
from apo.surrogates.gaussian_process import GaussianProcess
from apo.view import SearchView
from tests.components.helpers import view_at
from tests.helpers import run_engine, skilled, toy_spec, toy_task


def screened(view: SearchView, width: int = 3) -> Screened:
    """Ten proposals: lists of 0 to 9 exemplars, which the toy model makes the more of the more there are."""
    pool = view.pool()
    proposals = [Proposal(Prompt("Name the colour.", tuple(pool[:n]))) for n in range(10)]
    return screen(proposals, width, view, GaussianProcess(), UpperConfidence(0.0), Random(1))


def sizes(proposals: list[Proposal]) -> list[int]:
    """How many exemplars they show."""
    return [len(proposal.prompt.exemplars) for proposal in proposals]


def test_nothing_measured() -> None:
    """Where nothing was learned, the first are kept and nothing is predicted."""
    found = screened(view_at("scored"))

    assert ([0, 1, 2], [], False) == (sizes(found.kept), found.predictions, found.chosen)
    assert [3, 4, 5, 6, 7, 8, 9] == sizes(found.out)


def test_better_ones_are_kept() -> None:
    """After a whole search the surrogate knows that more exemplars are better."""
    found = screened(view_at("searched"))

    assert found.chosen
    assert fmean(sizes(found.kept)) > fmean(sizes(found.out))
    assert 3 == len(found.predictions)
    assert sorted(range(10)) == sorted(sizes(found.kept) + sizes(found.out))


def test_no_say_where_it_was_wrong() -> None:
    """A surrogate whose predictions were the wrong way round only predicts any more."""
    history = run(1)
    view = replace(view_at("searched"), history=history)
    for candidate in history.candidates:
        history.predictions[candidate] = Prediction(1 - history.mean(candidate), 0.1)
    found = screened(view)

    assert calibration(history).in_vain
    assert ([0, 1, 2], False, 3) == (sizes(found.kept), found.chosen, len(found.predictions))


def run(screen: int) -> History:
    """A toy search; 1 screens nothing."""
    task = toy_task()
    named = {"surrogate": "gaussian_process", "acquisition": "upper_confidence"}
    spec = toy_spec(screen=screen, budget=Budget(calls=900), **named)
    return run_engine(task, spec, skilled(task))[0]


def test_search_with_screening() -> None:
    """Candidates are predicted, proposals screened out are counted, and widths stay what they were."""
    plain, many = run(1), run(4)
    steps = [step for step in many.steps if step.screened]

    assert not plain.predictions
    assert SCREENED not in plain.discards
    assert many.discards[SCREENED] > 0
    assert steps
    assert all(len(step.cohort) <= step.width for step in many.steps if step.side is not None)
    assert {c for step in steps for c in step.cohort} <= set(many.predictions)
    assert all(0 <= p.deviation < 1 and -0.5 < p.mean < 1.5 for p in many.predictions.values())
