"""Going on with a run: whatever decides its scores must be the same, and the first difference is named."""

from dataclasses import replace
from typing import Any

import pytest

from apo import events
from apo.budget import Budget
from apo.errors import ConfigError
from apo.prompt import Prompt
from apo.resuming import card, check_same
from apo.scorers import Choice
from apo.spec import Identity, ModelSpec, RunSpec
from apo.task import Decoding, Example, Task
from tests.helpers import history_of, toy_spec, toy_task

TASK = toy_task()
SPEC = toy_spec()
SERVER = Identity("m", "org/m", "http://h/v1", "w" * 16, "t" * 16, "vllm 1", 2048)
BEGUN = events.RunStarted(spec=SPEC, task=card(TASK), dev=TASK.dev, server=SERVER, apo="0")


def check(spec: RunSpec = SPEC, task: Task = TASK, server: Identity = SERVER) -> None:
    """Go on with the run under these circumstances."""
    check_same(history_of(BEGUN), spec, task, server, "my-run")


def swapped(rows: tuple[Example, ...], **changes: Any) -> tuple[Example, ...]:
    """Rows whose third is changed."""
    return (*rows[:2], replace(rows[2], **changes), *rows[3:])


def test_the_same_goes_on() -> None:
    """Nothing has changed, so nothing is said."""
    check()


@pytest.mark.parametrize("changes", [{"engine": "vllm 2"}, {"context": 4096}, {"context": None}], ids=str)
def test_may_change(changes: dict[str, Any]) -> None:
    """A newer engine or another context answers the same."""
    check(server=replace(SERVER, **changes))


def test_either_engine_goes_on() -> None:
    """A run that was begun on a server goes on without one, though other differences are still found."""
    own = replace(SPEC, model=replace(SPEC.model, engine="inprocess"), proposal_model=None)

    check(spec=own)
    assert own == SPEC
    with pytest.raises(ConfigError, match="seed is 0 there and 1 here"):
        check(spec=replace(own, seed=1))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"budget": Budget(calls=700)}, "budget.calls is 600 there and 700 here"),
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"scheduler": "full"}, "scheduler is 'successive_halving' there and 'full' here"),
        ({"proposers": ()}, "proposers is .* there and "),
        (
            {"model": ModelSpec("other", "http://127.0.0.1:1/v1")},
            "model.model is 'toy-model' there and 'other' here",
        ),
        (
            {"model": ModelSpec("toy-model", "http://h:2/v1")},
            "model.base_url is .* there and 'http://h:2/v1' here",
        ),
        ({"proposal_model": ModelSpec("m")}, "proposal_model is None there and "),
        ({"seed": 1, "cache": False}, "seed is 0 there"),
    ],
    ids=lambda value: "" if isinstance(value, str) else ascii(value)[:40],
)
def test_option(changes: dict[str, Any], told: str) -> None:
    """Another option is refused by its name, the first one where there are several."""
    with pytest.raises(ConfigError, match=f"my-run was begun with other options: {told}.*another name"):
        check(spec=replace(SPEC, **changes))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"dev": TASK.dev[1:]}, r"rows of train, dev and test: \(20, 20, 20\) there and \(20, 19, 20\) here"),
        (
            {"dev": swapped(TASK.dev, target="pink")},
            "dev row 'row-22': target is 'red' there and 'pink' here",
        ),
        ({"dev": swapped(TASK.dev, input="a\n\x00")}, "dev row 'row-22': input is "),
        ({"train": swapped(TASK.train, target="pink")}, "train rows, test rows, or how they are scored"),
        ({"test": swapped(TASK.test, input="?")}, "train rows, test rows, or how they are scored"),
        ({"scorer": Choice(("red", "pink"))}, "train rows, test rows, or how they are scored"),
        ({"seed": Prompt("Say it.")}, "seed.instruction is 'Name the colour.' there and 'Say it.' here"),
        ({"decoding": Decoding(9)}, "max_tokens is 64 there and 9 here"),
        ({"decoding": Decoding(choices=("red",))}, r"choices is \(\) there and \('red',\) here"),
        ({"description": "x" * 500}, "description is 'Name the colour of a numbered ball.' there and 'xxx"),
        ({"name": "other"}, "name is 'toy' there and 'other' here"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_task(changes: dict[str, Any], told: str) -> None:
    """Changed data, scorer, prompt or decoding is refused, as exactly as it can be told."""
    with pytest.raises(ConfigError, match=f"its task has changed \\({told}.*Restore the data"):
        check(task=replace(TASK, **changes))


@pytest.mark.parametrize("field", ["model", "root", "base_url", "weights", "template"])
def test_server(field: str) -> None:
    """Another model, or the same name at another place or with another template, is refused."""
    there = getattr(SERVER, field)
    changes: dict[str, Any] = {field: "x"}
    with pytest.raises(
        ConfigError, match=f"another model answers now. Its {field} is {there!r} there and 'x' here"
    ):
        check(server=replace(SERVER, **changes))


def test_finished() -> None:
    """A run that has ended is not gone on with, whatever else has changed."""
    history = history_of(BEGUN, events.RunFinished(reason="budget spent", best="c0"))
    with pytest.raises(ConfigError, match=r"my-run has finished \(budget spent\); start a new one"):
        check_same(history, toy_spec(seed=9), TASK, SERVER, "my-run")
