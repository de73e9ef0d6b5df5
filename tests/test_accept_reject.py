"""Accept/reject: what single exemplars are worth, and the lists of the best."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from random import Random

import numpy as np
import pytest

from apo import events, plugins
from apo.candidate import Candidate
from apo.errors import ConfigError
from apo.exemplars.accept_reject import Value, _values
from apo.history import History
from apo.prompt import Exemplar, Prompt
from apo.task import as_exemplars
from apo.view import SearchView
from tests.components.helpers import view_at
from tests.helpers import evaluation, history_of, proposed, started, toy_spec, toy_task

TASK = toy_task()
POOL = as_exemplars(TASK.train)


def history(scores: Mapping[Prompt, Sequence[float]], seed: Sequence[float] = (0.0,) * 20) -> History:
    """The seed's dev scores and those of prompts made from it, each on the first rows in order."""
    prompts = {TASK.seed: seed, **scores}
    candidates = [Candidate(f"c{n}", prompt, ("c0",) if n else ()) for n, prompt in enumerate(prompts)]
    done = [
        evaluation(c.id, row.id, value)
        for c in candidates
        for row, value in zip(TASK.dev, prompts[c.prompt], strict=False)
    ]
    begun = started(TASK, toy_spec())
    return history_of(begun, *proposed(*candidates), events.EvaluationsFinished(evaluations=tuple(done)))


def one(place: int, instruction: str = TASK.seed.instruction) -> Prompt:
    """A prompt with one exemplar of the pool."""
    return Prompt(instruction, (POOL[place],))


def shown(view: SearchView, count: int = 8, options: str = "") -> list[tuple[Exemplar, ...]]:
    """What accept_reject proposes."""
    found: list[tuple[Exemplar, ...]] = plugins.build("exemplars", f"accept_reject:{options}").select(
        view, view.best, count, Random("1")
    )
    return found


def measured(scores: Sequence[float], **changes: object) -> SearchView:
    """A view of a search that measured the first exemplars of the pool, each on ten rows."""
    past = history({one(place): [value] * 10 for place, value in enumerate(scores)})
    view: SearchView = replace(view_at("unscored"), history=past, **changes)  # type: ignore[arg-type]
    return view


def test_worked_values() -> None:
    """10 rows at .8 and 10 at .4 lie .2 off their average, and half of it after 10 rows of belief."""
    values = _values(measured((0.8, 0.4)).history)

    assert [pytest.approx(0.1), pytest.approx(-0.1)] == [values[e].mean for e in POOL[:2]]
    assert pytest.approx((0.25 / 20) ** 0.5) == values[POOL[0]].deviation


def test_unequal_rows() -> None:
    """Who met easy rows alone gains nothing by it: the parent answered them too."""
    easy_first = [1.0] * 10 + [0.0] * 10
    found = _values(history({one(0): [1.0] * 10, one(1): easy_first}, seed=easy_first))

    assert [0.0, 0.0] == [found[e].mean for e in POOL[:2]]
    assert found[POOL[1]].deviation < found[POOL[0]].deviation


def test_settings_apart() -> None:
    """A good instruction lends nothing to an exemplar: each is compared within its own setting."""
    half, full = [1.0, 0.0] * 5, [1.0] * 10
    found = _values(history({one(0): half, one(1): half, one(2, "Better."): full, one(3, "Better."): full}))

    assert [0.0] * 4 == [found[e].mean for e in POOL[:4]]


def test_settings_together() -> None:
    """Rows of several settings add up; an exemplar that is alone in one tells nothing there."""
    high, low = [1.0] * 10, [0.0] * 10
    found = _values(
        history(
            {one(0): high, one(1): low, one(0, "B"): high, one(2, "B"): low, one(3, "C"): high},
        )
    )

    assert {POOL[0], POOL[1], POOL[2]} == set(found)
    assert Value(pytest.approx(1 / 3), pytest.approx((0.25 / 30) ** 0.5)) == found[POOL[0]]  # type: ignore[arg-type]


def test_failed_rows() -> None:
    """Exemplars without an answered row have no value, and are not asked again around the same parent."""
    view = replace(view_at("unscored"), history=history({one(0): [], one(1): []}))

    assert {} == _values(view.history)
    assert not {POOL[0], POOL[1]} & {e for single in shown(view, 40, "arms=40") for e in single}


def test_single_first() -> None:
    """Until `arms` are measured, single exemplars are proposed, as many as are missing, none again."""
    view = measured((0.8, 0.4, 0.5))
    singles = shown(view, 16, "arms=9")

    assert [1] * 6 == [len(single) for single in singles]
    assert not set(POOL[:3]) & {e for single in singles for e in single}
    assert 2 == len(shown(view, 2, "arms=9"))


def test_small_pool() -> None:
    """A pool with fewer rows than `arms` is measured whole and then combined."""
    lists = shown(measured((0.8, 0.4, 0.5), train=TASK.train[:3]))

    assert {2, 3} == {len(chosen) for chosen in lists}
    assert set(POOL[:3]) == {e for chosen in lists for e in chosen}


def test_best_of_all() -> None:
    """CSAR: the first list has the best ones, the best last, next to the input."""
    first = shown(measured((0.1, 0.9, 0.2, 0.8, 0.3)), 1, "arms=5,size=3,clustered=false")[0]

    assert (POOL[4], POOL[3], POOL[1]) == first


def test_best_of_each_cluster() -> None:
    """SAR: the first list has the best of each cluster, though another cluster's second is better."""
    heaps = {e.input: [float(place >= 3)] for place, e in enumerate(POOL)}
    view = measured((0.1, 0.9, 0.8, 0.3, 0.2), embed=lambda texts: np.array([heaps[t] for t in texts]))

    assert (POOL[3], POOL[1]) == shown(view, 1, "arms=5,size=2")[0]


def test_alternatives() -> None:
    """Further lists differ, in size too, and the exemplar that is far better is in most of them."""
    lists = shown(measured((0.1, 1.0, 0.1, 0.1, 0.1, 0.1)), 40, "arms=6,clustered=false")

    assert {2, 3, 5} <= {len(chosen) for chosen in lists} <= {2, 3, 4, 5}
    assert len(set(lists)) > 10
    assert sum(POOL[1] in chosen for chosen in lists) > 30


def test_one_wording_a_row() -> None:
    """Of two wordings of one dev row the better one is shown."""
    row, said = TASK.dev[0], f"It is {TASK.dev[0].target}."
    plain, better = Exemplar(row.input, row.target, row.id), Exemplar(row.input, said, row.id)
    scores = {Prompt(TASK.seed.instruction, (e,)): [float(e == better)] * 9 for e in (plain, better, POOL[0])}
    past = history(scores, seed=[1.0] * 20)
    other = evaluation("c1", row.id, 1.0, output=said)
    past.apply(events.Record(past.length, 0.0, events.EvaluationsFinished(evaluations=(other,))))
    lists = shown(replace(view_at("unscored"), history=past), 9, "arms=2")

    assert lists
    assert all({better, POOL[0]} == set(chosen) for chosen in lists)


@pytest.mark.parametrize("option", ["size=1", "arms=1"])
def test_options_refused(option: str) -> None:
    """One exemplar is no list, and one arm has nothing to be better than."""
    with pytest.raises(ConfigError, match=f"accept_reject: {option[:4]} must be at least 2, not 1"):
        plugins.build("exemplars", f"accept_reject:{option}")
