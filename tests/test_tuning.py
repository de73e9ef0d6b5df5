"""The search for engine settings: nothing measured is lost, and the default is never made worse."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apo.errors import ServerError
from apo.seeding import rng
from apo.serving import command, hardware, tuned
from apo.serving.command import EngineSettings, Options
from apo.serving.server import chosen
from apo.serving.usual import Usual, _step, usual
from apo.serving.weights import Weights, cache_folder
from apo.tuning import Trial, best, knobs, search

CPU = knobs(False, 2048, Usual(256, 4096, 32, 4))
OWN = EngineSettings()
SMALL = EngineSettings(32, 4096, 64, 2)


def peaked(tried: EngineSettings) -> float:
    """Fastest at 32 requests and 8192 tokens a step; the default is a third slower."""
    seqs, tokens = tried.seqs or 256, tried.tokens or 4096
    away = math.log2(seqs / 32) ** 2 + math.log2(tokens / 8192) ** 2
    return 20 * math.exp(-0.05 * away)


def rated(trial: Trial | None) -> float:
    """Its rate; it has one."""
    assert trial is not None
    assert trial.rate is not None
    return trial.rate


def test_what_is_measured_twice() -> None:
    """The default settings, first and late, and at the end what was fastest of the others; nothing else."""
    done = list(search(CPU, peaked, 9))
    others = [trial.settings for trial in done[1:-2]]
    fastest = max(done[1:-2], key=rated)

    assert (9, OWN, OWN) == (len(done), done[0].settings, done[-2].settings)
    assert fastest.settings == done[-1].settings
    assert len(others) == len(set(others)) == 6
    assert EngineSettings(256, 4096, 32, 4) not in others  # the same as the default


def searched(rate: Callable[[EngineSettings], float], noise: float, seed: int) -> Trial | None:
    """What a search of six trials finds where measurements scatter by this share."""
    chance = rng(seed, 0, "noise")
    return best(list(search(CPU, lambda tried: rate(tried) * (1 + noise * chance.gauss(0, 1)), 6)))


@pytest.mark.parametrize(("noise", "most"), [(0.02, 0.02), (0.05, 0.1), (0.1, 0.15)])
def test_noise_is_seldom_taken_for_speed(noise: float, most: float) -> None:
    """Where all settings are equally fast, few searches find one."""
    found = [searched(lambda _: 10.0, noise, seed) is not None for seed in range(300)]

    assert sum(found) <= most * len(found)


def test_speed_is_found_in_noise() -> None:
    """What is a third faster nearly always shows."""
    found = [searched(lambda tried: 10.0 if tried == OWN else 13.0, 0.04, seed) for seed in range(300)]

    assert sum(trial is not None for trial in found) > 0.95 * len(found)


def test_finds_what_is_better() -> None:
    """Twelve of 288 settings are enough to come near the best."""
    done = list(search(CPU, peaked, 12))

    assert rated(best(done)) > 0.93 * 20
    assert rated(done[0]) < 0.7 * 20


def test_learns_from_what_does_not_start() -> None:
    """A setting that cannot be measured is told, counts as bad, and the search goes on."""

    def measure(tried: EngineSettings) -> float:
        if (tried.tokens or 2048) > 4096:
            raise ServerError("out of memory")
        return peaked(tried)

    done = list(search(CPU, measure, 14))
    failed = [trial for trial in done if trial.rate is None]

    assert 14 == len(done)
    assert {"out of memory"} == {trial.problem for trial in failed}
    assert len(failed) < 8  # half of the grid: chance alone would try six, and more where it is drawn to
    assert rated(best(done)) > rated(done[0])


def test_nothing_starts() -> None:
    """Where not even the default settings work there is nothing to compare with."""

    def measure(tried: EngineSettings) -> float:
        raise ServerError("no")

    with pytest.raises(ServerError, match="no"):
        list(search(CPU, measure, 5))


def test_no_time() -> None:
    """When the time is over, only the default is measured again, and what was faster."""
    left, slow = iter([True, True, False]), iter([True, False])
    done = list(search(CPU, lambda tried: 20.0 if tried == OWN else 25.0, 20, lambda: next(left)))
    none = list(search(CPU, lambda tried: 20.0 if tried == OWN else 15.0, 20, lambda: next(slow)))

    assert [True, False, False, True, False] == [trial.default for trial in done]
    assert [True, False, True] == [trial.default for trial in none]


@pytest.mark.parametrize(
    ("rates", "winner"),
    [
        ([10.0, 12.0, 11.2, 10.5, 11.5], 4),
        ([10.0, 12.0, 11.2, 10.5, 12.5], 1),
        ([10.0, 12.0, 11.2, 10.5, 11.0], None),
        ([10.0, 12.0, 11.2, 12.5], None),
        ([10.0, 12.0, 11.0, 10.5, None], None),
        ([10.0, 12.0, 11.0, 10.5], None),
        ([10.0, 10.4, 10.2, 10.0, 10.4], None),
        ([10.0, 9.0, None, 10.0], None),
        ([10.0, 12.0, 11.0, None, 12.0], 1),
        ([10.0], None),
        ([10.0, None, 11.0], None),
        ([], None),
    ],
    ids=[
        "slower later",
        "slower at first",
        "as near as the defaults are",
        "noise",
        "failed later",
        "measured once",
        "a little",
        "slower",
        "default failed later",
        "one",
        "interrupted",
        "nothing",
    ],
)
def test_best(rates: list[float | None], winner: int | None) -> None:
    """A winner beat every measurement of the default twice, and clearly; else the default stays."""
    tried = [OWN, EngineSettings(1), EngineSettings(2), OWN, EngineSettings(1)]
    done = [Trial(one, rate, "" if rate else "failed") for one, rate in zip(tried, rates, strict=False)]
    found = best(done)

    assert (None if winner is None else done[winner]) == found


@settings(max_examples=15, deadline=None)
@given(st.integers(4, 8), st.lists(st.one_of(st.none(), st.floats(0.1, 1e4)), min_size=8, max_size=8))
def test_whatever_is_measured(trials: int, rates: list[float | None]) -> None:
    """Any rates and failures: as many trials as asked for at most, and a winner was never slower."""
    given_ = iter([5.0, *rates])

    def measure(tried: EngineSettings) -> float:
        rate = next(given_)
        if rate is None:
            raise ServerError("no")
        return rate

    done = list(search(CPU, measure, trials))

    assert trials - 1 <= len(done) <= trials
    if (found := best(done)) is not None:
        twice = [rated(trial) for trial in done if trial.settings == found.settings]
        assert len(twice) == 2
        assert min(twice) > max(trial.rate for trial in done if trial.default and trial.rate)


@pytest.mark.parametrize("memory", [1, 2, 4])
@pytest.mark.parametrize("context", [512, 2048, 3000, 8192])
def test_what_may_be_tried(context: int, memory: int) -> None:
    """On a CPU a step holds the longest prompt, and at least one GiB is left for keys and values."""
    usual_ = Usual(256, max(4096, context), 32, memory)
    varied = knobs(False, context, usual_)
    by_name = {knob.name: knob.choices for knob in varied}

    assert context <= min(by_name["tokens"])
    assert 1 <= min(by_name["memory"])
    assert all(isinstance(tokens, int) for tokens in by_name["tokens"])
    assert all(knob.usual in knob.choices for knob in varied)


@pytest.mark.parametrize(
    ("name", "gibibytes", "step"),
    [
        ("NVIDIA B200", 179.1, (1024, 16384)),
        ("NVIDIA H200", 140.4, (1024, 8192)),
        ("NVIDIA A100-SXM4-80GB", 80.0, (256, 2048)),
        ("NVIDIA L4", 22.5, (256, 2048)),
    ],
)
def test_usual_step_of_a_gpu(name: str, gibibytes: float, step: tuple[int, int]) -> None:
    """What vLLM's server takes by itself follows from the GPU, and is among what may be tried."""
    varied = knobs(True, 2048, Usual(*_step(name, gibibytes), 16, 0.9))

    assert step == tuple(knob.usual for knob in varied[:2])
    assert all(knob.usual in knob.choices for knob in varied)
    assert max(varied[3].choices) < 1


@pytest.fixture
def weights(model_folder: Path) -> Weights:
    """The model's weights."""
    return Weights(model_folder.name, str(model_folder))


@pytest.mark.skipif(hardware.has_gpu(), reason="a GPU's defaults are its own")
@pytest.mark.parametrize(("context", "tokens"), [(None, 4096), (512, 4096), (8192, 8192)])
def test_usual_on_a_cpu(weights: Weights, context: int | None, tokens: int) -> None:
    """An engine of a run's own takes 256 requests and 4096 tokens a step, or what its longest prompt has."""
    found_ = usual(weights, Options(context))

    assert (256, tokens, 32) == (found_.seqs, found_.tokens, found_.block)


def found(settings: EngineSettings = SMALL) -> tuned.Tuned:
    """What a search found."""
    return tuned.Tuned("my-model", "a machine", settings, 12.0, 10.0)


def test_remembered_and_forgotten(weights: Weights) -> None:
    """Settings are found again for the same model, engine, context and machine, and told; until forgotten."""
    told: list[str] = []
    assert Options() == tuned.recalled(weights, Options())
    tuned.remember(weights, Options(), found())

    assert Options(engine=SMALL) == chosen(weights.source, None, False, told.append)
    words = "32 requests and 4096 tokens a step, blocks of 64, 2 GiB of keys and values (1.20 times as fast"
    assert told[0].startswith(f"Engine settings found by apo tune-engine: {words}")
    assert Options(512) == tuned.recalled(weights, Options(512))
    assert Options(eager=True) == chosen(weights.source, None, True, told.append)
    assert 1 == len(told)
    assert [True, False] == [tuned.forget(weights, Options()) for _ in range(2)]
    assert Options() == tuned.recalled(weights, Options())


def test_changed_weights_are_another_model(weights: Weights) -> None:
    """What was measured with other weights in the same folder is not used."""
    tuned.remember(weights, Options(), found())
    Path(weights.source, "config.json").write_text('{"a": 1}', encoding="utf-8")

    assert Options() == tuned.recalled(weights, Options())


@pytest.mark.parametrize("content", ["", "{", "[]", '{"x": 1}', '{"x": {"model": "m"}}', "\xff"])
def test_broken_file(weights: Weights, content: str) -> None:
    """A file that cannot be read holds nothing, and is written anew."""
    tuned.remember(weights, Options(), found())
    (cache_folder() / tuned.FILE).write_text(content, encoding="latin-1")

    assert Options() == tuned.recalled(weights, Options())
    tuned.remember(weights, Options(), found())
    assert Options(engine=SMALL) == tuned.recalled(weights, Options())


def test_settings_reach_the_engine(weights: Weights) -> None:
    """Each is an argument or a variable of the server; by default only a CPU's blocks are not vLLM's own."""
    default = [] if hardware.has_gpu() else ["--block-size", "32"]
    added = ["--max-num-seqs", "32", "--max-num-batched-tokens", "4096", "--block-size", "64"]
    plain = command.command(weights, Options(), 1)
    set_ = command.command(weights, Options(engine=SMALL), 1)

    assert plain[: len(plain) - len(default)] + added == set_
    assert default == plain[len(plain) - len(default) :]
    if not hardware.has_gpu():
        assert "2" == command.environment(weights, Options(engine=SMALL), "k")["VLLM_CPU_KVCACHE_SPACE"]


def test_other_gpus_are_another_server(weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that are given GPUs of their own do not share the server on another's."""
    found = []
    for gpus in ("0", "1", "0"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", gpus)
        found.append(command.identity(weights, Options()))

    assert found[0] != found[1]
    assert found[0] == found[2]


@pytest.mark.parametrize("change", [{"seqs": 8}, {"tokens": 1}, {"block": 32}, {"memory": 1.0}], ids=str)
def test_other_settings_are_another_server(weights: Weights, change: dict[str, int]) -> None:
    """A server that runs with other settings is not shared."""
    identity: Callable[[Options], str] = lambda options: command.identity(weights, options)  # noqa: E731

    assert identity(Options()) != identity(Options(engine=EngineSettings(**change)))
    assert identity(Options()) == identity(Options(engine=EngineSettings()))
