"""What components have earned: the prior, the decay, and whose turns count."""

import pytest

from apo import events
from apo.credit import PRIOR_GAIN, credit
from apo.history import History
from apo.store.memory import MemoryStore
from tests.helpers import started, toy_spec, toy_task
from tests.turns import SEED, Turn, history_after


def test_untried() -> None:
    """An untried component is believed in: the prior gain for the calls of one candidate on 20 dev rows."""
    assert PRIOR_GAIN / 20 == credit(history_after(toy_spec(), [SEED]), "opro")


def test_recent_turns_weigh_more() -> None:
    """The last turn counts fully, the one before it half, the one before that a quarter."""
    turns: list[Turn] = [SEED]
    turns += [("instruction", "opro", gain, calls) for gain, calls in ((0.8, 400), (0.4, 200), (0.1, 80))]
    history = history_after(toy_spec(), turns)

    assert pytest.approx((0.05 + 0.1 + 0.2 + 0.2) / (20 + 80 + 100 + 100)) == credit(history, "opro")


def test_prior_scales_with_dev_rows() -> None:
    """Twice the dev rows, and twice the calls for the same gains, give half the credit."""
    turns: list[Turn] = [("instruction", "opro", 0.1, 40)]
    store = MemoryStore()
    store.append(started(toy_task(120), toy_spec()))
    store.append(events.StepStarted(step=0, side="instruction", component="opro"))
    store.append(events.StepFinished(step=0, gain=0.1, calls=80))

    assert pytest.approx(credit(history_after(toy_spec(), turns), "opro") / 2) == credit(
        History(store.read()), "opro"
    )


def test_unfinished_step_earns_nothing() -> None:
    """A step that is under way earned nothing yet."""
    store = MemoryStore()
    store.append(started(toy_task(), toy_spec()))
    store.append(events.StepStarted(step=0, side="instruction", component="opro"))

    assert PRIOR_GAIN / 20 == credit(History(store.read()), "opro")


def test_options_are_their_own_component() -> None:
    """The same proposer with two options earns twice on its own."""
    turns: list[Turn] = [SEED, ("instruction", "opro:shown=3", 0.5, 100)]
    history = history_after(toy_spec(proposers=("opro:shown=3", "opro:shown=9")), turns)

    assert credit(history, "opro:shown=3") > credit(history, "opro:shown=9")
