"""`apo tune-engine`: what is printed, what is remembered, and what is measured."""

import itertools
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from apo.backends.scripted import Scripted
from apo.candidate import Failure
from apo.cli import app
from apo.cli_tune import _conclude, _row
from apo.engine_rate import GPU_LISTS, LISTS, _answered, _pairs, check_alone
from apo.errors import ConfigError, ServerError
from apo.serving import lease, tuned
from apo.serving.command import EngineSettings, Options
from apo.serving.server import ended, home
from apo.serving.weights import Weights, resolve
from apo.tuning import Trial
from tests.helpers import toy_task

OWN, FAST, SLOW = EngineSettings(), EngineSettings(32, 4096, 64, 2), EngineSettings(8, 2048, 32, 1)


@pytest.fixture
def model(model_folder: Path) -> str:
    """A model's name, its folder."""
    return str(model_folder)


def weights(model: str) -> Weights:
    """The model's weights."""
    return resolve(model, lambda _: None)


def test_rows() -> None:
    """A trial is a line: settings, rate, ratio to the first; what is measured again, and why one failed."""
    done = [Trial(OWN, 10.0), Trial(FAST, 12.5), Trial(SLOW, None, "out of\nmemory"), Trial(OWN, 9.0)]
    done.append(Trial(FAST, 12.0))
    rows = [_row(done[:number]) for number in range(1, 6)]

    assert ["1", "–", "–", "–", "–", "10.00", "1.000", "the", "default"] == rows[0].split()
    assert ["2", "32", "4096", "64", "2", "12.50", "1.250"] == rows[1].split()
    assert rows[2].endswith("failed           out of memory")
    assert rows[3].endswith("0.900  the default again")
    assert rows[4].endswith("1.200  the fastest again")


@pytest.mark.parametrize(
    ("rates", "remembered", "told"),
    [
        ([10.0, 13.0, 10.5, 12.5], FAST, ["differ by 5.0%", "Best: 32 requests", "1.220 times", "--forget"]),
        ([10.0, 13.0, 10.5, 10.2], OWN, ["differ by 5.0%", "Nothing was twice clearly faster"]),
        ([10.0, 13.0, 14.0], OWN, ["differ by 40.0%", "Nothing was twice clearly faster"]),
        ([10.0, 13.0], OWN, ["Nothing was twice clearly faster"]),
        ([10.0], OWN, ["Nothing was twice clearly faster"]),
    ],
    ids=["faster", "faster once", "noise", "interrupted", "at once"],
)
def test_conclusion(
    model: str,
    capsys: pytest.CaptureFixture[str],
    rates: list[float],
    remembered: EngineSettings,
    told: list[str],
) -> None:
    """Only what beat the default twice is remembered, with the slower of its rates."""
    tried = [OWN, FAST, OWN, FAST]
    done = [Trial(one, rate) for one, rate in zip(tried, rates, strict=False)]
    _conclude(done, weights(model), Options())

    assert remembered == tuned.recalled(weights(model), Options()).engine
    said_ = capsys.readouterr().out
    assert all(words in said_ for words in told)


def test_forget(model: str) -> None:
    """What was remembered is dropped, and no server is started for that."""
    tuned.remember(weights(model), Options(), tuned.Tuned("m", "here", FAST, 2.0, 1.0))
    outputs = [CliRunner().invoke(app, ["tune-engine", "--forget", "--model", model]).output for _ in "ab"]

    assert OWN == tuned.recalled(weights(model), Options()).engine
    assert outputs[0].startswith("Forgotten for ")
    assert outputs[1].startswith("Nothing was remembered for ")


@pytest.mark.parametrize("lists", [LISTS, GPU_LISTS])
def test_what_is_measured(lists: int) -> None:
    """The seed prompt and lists of exemplars on dev rows: the same each time, others to warm up."""
    task = toy_task()
    pairs = _pairs(task, "measured", lists)

    assert pairs == _pairs(task, "measured", lists)
    assert (lists + 1) * len(task.dev) == len(pairs)
    assert lists + 1 == len({candidate.id for candidate, _ in pairs})
    assert task.seed in {candidate.prompt for candidate, _ in pairs}
    warm, cold = ({c.prompt for c, _ in _pairs(task, purpose, lists)} for purpose in ("warm", "measured"))
    assert {task.seed} == warm & cold


def test_failed_requests_are_no_measurement() -> None:
    """An engine that leaves out rows is not a fast one."""
    task = toy_task()
    answers = itertools.count()
    backend = Scripted(lambda _: "red" if next(answers) < 5 else Failure("server", "no"))
    with pytest.raises(ServerError, match="15 of 20 requests failed: no"):
        _answered(task, backend, _pairs(task, "warm", 4)[:20])


@pytest.mark.parametrize("place", ["", "own-1"], ids=["server", "engine of one owner"])
def test_waits_for_an_engine_to_end(model: str, place: str) -> None:
    """One that somebody uses does not end; one that nobody owns has ended."""
    beside = home(model, Options(), lambda _: None)
    assert ended(beside, 0)
    (beside / place).mkdir(exist_ok=True)
    with lease.alone(beside / place / "guard"):
        assert not ended(beside, 0.1)
    assert ended(beside, 0)


@pytest.mark.parametrize("place", ["", "own-0"], ids=["server", "engine of one owner"])
def test_not_beside_another(model: str, place: str) -> None:
    """Beside vLLM that somebody uses nothing is started; its model and folder are named."""
    folder = home(model, Options(), lambda _: None) / place
    folder.mkdir(exist_ok=True)
    program = ["python", "-m", "vllm", "--model", "some/model", "--dtype", "bfloat16"]
    (folder / "launch.json").write_text(json.dumps(program), encoding="utf-8")
    with lease.hold(folder / "lease"):
        with pytest.raises(ConfigError, match=r"in use for some/model \(.*\)\. Try again when") as caught:
            check_alone()
        (folder / "launch.json").unlink()  # its user is about to start it
        with pytest.raises(ConfigError, match="in use for a model"):
            check_alone()
        refused = CliRunner().invoke(app, ["tune-engine", "--model", model])
    check_alone()

    assert isinstance(refused.exception, ConfigError)
    assert (2, True) == (caught.value.exit_code, f"({folder})" in str(caught.value))
