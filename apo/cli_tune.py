"""`apo tune-engine`: find the engine settings that answer a task's requests fastest on this machine."""

import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from apo import cli_options as opt
from apo.spec import DEFAULT_MODEL

if TYPE_CHECKING:
    from apo.serving.command import Options
    from apo.serving.weights import Weights
    from apo.tuning import Trial

Task = Annotated[str, typer.Argument(help="The task whose requests are measured, by name or file.")]
Model = Annotated[str, typer.Option(help="The default small model, a hub id, or a model folder.")]
Trials = Annotated[
    int,
    typer.Option(
        min=4, max=99, help="Most engines to start: the default settings twice, and the fastest again."
    ),
]
Limit = Annotated[float | None, typer.Option(min=0.1, help="Try no further settings after so many minutes.")]
Forget = Annotated[
    bool, typer.Option("--forget", help="Use the default settings again, and measure nothing.")
]
ROW = "{:>5}  {:>8}  {:>6}  {:>5}  {:>6}  {:>10}  {:>7}  {}"


def tune_engine(
    task: Task = "tickets",
    model: Model = DEFAULT_MODEL,
    trials: Trials = 10,
    minutes: Limit = None,
    context: opt.Context = None,
    data_dir: opt.DataDir = None,
    forget: Forget = False,
) -> None:
    """Find the fastest settings of vLLM for a model on this machine; later runs use them.

    They are kept only if they were seen twice to be faster. After Ctrl-C all stays as it was.
    """
    from apo.engine_rate import check_alone, measurer
    from apo.loading import load_task
    from apo.progress import Lines
    from apo.serving import tuned
    from apo.serving.command import Options, cpu_context
    from apo.serving.hardware import has_gpu
    from apo.serving.usual import usual
    from apo.serving.weights import resolve
    from apo.tuning import knobs, search

    report, options = Lines().waiting, Options(context)
    if forget:
        there = tuned.forget(resolve(model, report), options)
        print(f"{'Forgotten' if there else 'Nothing was remembered'} for {model} on this machine.")
        return
    loaded = load_task(task, data_dir)
    check_alone()
    # Nothing is downloaded before that.
    weights = resolve(model, report)
    end = time.monotonic() + (60 * minutes if minutes else float("inf"))
    varied = knobs(has_gpu(), cpu_context(weights, options), usual(weights, options))
    measure = measurer(loaded, model, options, report)
    _conclude(_shown(search(varied, measure, trials, lambda: time.monotonic() < end)), weights, options)


def _shown(measured: Iterable["Trial"]) -> "list[Trial]":
    """All trials, each printed when it is done."""
    titles = ("trial", "requests", "tokens", "block", "memory", "requests/s", "ratio", "")
    print(ROW.format(*titles).rstrip(), flush=True)
    done: list[Trial] = []
    try:
        for trial in measured:
            done.append(trial)
            print(_row(done), flush=True)
    except KeyboardInterrupt:
        print("apo: interrupted; only what was measured twice counts.", file=sys.stderr)
    return done


def _row(done: Sequence["Trial"]) -> str:
    """The line of the last trial."""
    *before, trial = done
    tried = trial.settings
    values = (tried.seqs, tried.tokens, tried.block, tried.memory)
    cells = ["–" if value is None else f"{value:g}" for value in values]
    if trial.rate is None or done[0].rate is None:
        return ROW.format(len(done), *cells, "failed", "", " ".join(trial.problem.split())[:200])
    again = any(tried == other.settings for other in before)
    notes = ["the default"] if trial.default else ["the fastest"] if again else []
    notes += ["again"] if again else []
    rate, ratio = f"{trial.rate:.2f}", f"{trial.rate / done[0].rate:.3f}"
    return ROW.format(len(done), *cells, rate, ratio, " ".join(notes)).rstrip()


def _conclude(done: "list[Trial]", weights: "Weights", options: "Options") -> None:
    """Say what came of it, and remember it.

    Raises:
        typer.Exit: nothing was measured.
    """
    from apo.serving import tuned
    from apo.serving.hardware import machine
    from apo.tuning import best

    own = [trial.rate for trial in done if trial.default and trial.rate is not None]
    if not own:
        raise typer.Exit(1)
    if len(own) > 1:
        print(f"Noise: the default settings measured twice differ by {max(own) / min(own) - 1:.1%}.")
    found, mean = best(done), sum(own) / len(own)
    if found is None or found.rate is None:
        print("Nothing was twice clearly faster than the default settings, so nothing changes.")
        return
    tuned.remember(weights, options, tuned.Tuned(weights.name, machine(), found.settings, found.rate, mean))
    times = f"{found.rate / mean:.3f} times as fast as the default in the slower of two measurements"
    print(f"Best: {found.settings.words()}, {times}.")
    print("Runs with this model use that from now on; apo tune-engine --forget takes it back.")
