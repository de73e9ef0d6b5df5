"""What a run will use, estimated from the seed prompt's first rows."""

from apo.budget import Forecast, Spend, forecast
from apo.errors import ConfigError
from apo.history import History
from apo.spec import MOST_EXEMPLARS
from apo.task import Task

FIRST_ROWS = 16
"""Rows of the seed prompt that the forecast is measured on."""


def test_calls(task: Task) -> int:
    """Calls that the sealed test takes at the end: seed and winner on every row."""
    return 2 * len(task.test)


def least_calls(task: Task) -> int:
    """The smallest budget that lets the seed be evaluated and tested."""
    return len(task.dev) + test_calls(task)


def first_forecast(history: History, task: Task) -> Forecast | None:
    """The forecast, once there are enough rows to measure; None before, and after it was made."""
    whole = history.spend["task"]
    tried = history.scoring.spend if history.scoring else Spend()  # tells nothing of the calls to come
    sample = Spend(
        whole.calls - tried.calls,
        whole.prompt_tokens - tried.prompt_tokens,
        whole.completion_tokens - tried.completion_tokens,
    )
    enough = sample.calls >= min(FIRST_ROWS, len(task.dev)) and history.scores("c0")
    if history.forecast is not None or not enough:
        return None
    pair = sum(len(e.input) + len(e.target) for e in task.train) / len(task.train)
    characters = max(1.0, sum(len(row.input) for row in task.dev) / len(task.dev))
    tokens_a_character = min(1.0, sample.prompt_tokens / sample.calls / characters)
    # Half of what a prompt may hold is taken as usual; who allows more seldom needs them.
    usual = min(history.spec.max_exemplars, MOST_EXEMPLARS) / 2 if history.spec.selectors else 0
    return forecast(
        history.budget,
        sample=sample,
        seconds=history.seconds * sample.calls / max(1, whole.calls - whole.cached),
        exemplar_tokens=usual * pair * tokens_a_character,
    )


def check_enough(made: Forecast, task: Task) -> None:
    """Refuse a budget of tokens or time that ends before seed and sealed test are through.

    Raises:
        ConfigError: with what is needed, before more is spent.
    """
    least = least_calls(task)
    if made.calls < least:
        raise ConfigError(
            f"The budget is too small: at the cost of the first {made.measured_on} rows it holds about "
            f"{made.calls} calls, but the seed prompt and the sealed test take {least}. Raise it, or "
            "make the dev and test splits smaller."
        )
