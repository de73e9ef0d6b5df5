"""`apo run`: from options to a run specification, and the ways that a run can end."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from apo import cli_options as opt
from apo.errors import ConfigError

if TYPE_CHECKING:
    from apo.spec import RunSpec, TaskSource
    from apo.store.runs import RunFolder
    from apo.task import Task

NONE = "none"
"""As the name of a proposer or selector it means: no such component."""


def run(
    task: opt.TaskName = None,
    data: opt.Data = None,
    input_: opt.Input = "input",
    target: opt.Target = "target",
    scorer: opt.ScorerName = None,
    instruction: opt.Instruction = None,
    max_tokens: opt.MaxTokens = None,
    train: opt.Train = None,
    dev: opt.Dev = None,
    test: opt.Test = None,
    drop_duplicates: opt.DropDuplicates = False,
    data_dir: opt.DataDir = None,
    model: opt.Model = opt.DEFAULT_MODEL,
    url: opt.Url = None,
    api_key_env: opt.ApiKeyEnv = opt.KEY,
    proposal_model: opt.ProposalModel = None,
    proposal_url: opt.ProposalUrl = None,
    proposal_api_key_env: opt.ApiKeyEnv = opt.KEY,
    proposer: opt.Proposers = None,
    selector: opt.Selectors = None,
    scheduler: opt.SchedulerName = "successive_halving",
    layouts: opt.Layouts = True,
    max_exemplars: opt.MaxExemplars = 16,
    calls: opt.Calls = None,
    prompt_tokens: opt.PromptTokens = None,
    completion_tokens: opt.CompletionTokens = None,
    minutes: opt.Minutes = None,
    seed: opt.Seed = 0,
    cache: opt.Cache = True,
    patience: opt.Patience = opt.PATIENCE,
    context: opt.Context = None,
    eager: opt.Eager = False,
    results: opt.Results = opt.RESULTS,
    name: opt.Name = None,
    fresh: opt.Fresh = False,
    dry_run: opt.DryRun = False,
    as_json: opt.AsJson = False,
) -> None:
    """Find the best prompt for a task; leaves it as best.json in a folder of RESULTS.

    The same command again goes on with a run that was interrupted.
    """
    from apo.budget import Budget
    from apo.spec import PROPOSERS, SELECTORS, ModelSpec, RunSpec

    settings = {"scorer": scorer, "instruction": instruction, "max_tokens": max_tokens}
    settings |= {"duplicates": "drop" if drop_duplicates else None}
    sizes = _given({"train": train, "dev": dev, "test": test})
    source = task_source(task, data, (input_, target), data_dir, _given(settings), sizes)
    other = None
    if proposal_model or proposal_url:
        other = ModelSpec(proposal_model or model, proposal_url, proposal_api_key_env, context, eager)
    if calls is None and not (prompt_tokens or completion_tokens or minutes):
        calls = opt.DEFAULT_CALLS
    seconds = None if minutes is None else 60 * minutes
    spec = RunSpec(
        task=source,
        model=ModelSpec(model, url, api_key_env, context, eager),
        proposal_model=other,
        proposers=_components(proposer, PROPOSERS),
        selectors=_components(selector, SELECTORS) if max_exemplars else (),
        scheduler=scheduler,
        layouts=layouts,
        max_exemplars=max_exemplars,
        budget=Budget(calls, prompt_tokens, completion_tokens, seconds),
        seed=seed,
        cache=cache,
        patience=60 * patience,
    )
    _begin(spec, results, name, fresh, dry_run, as_json)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _components(named: list[str] | None, default: tuple[str, ...]) -> tuple[str, ...]:
    if not named:
        return default
    return () if named == [NONE] else tuple(named)


def task_source(
    task: str | None,
    data: Path | None,
    columns: tuple[str, str],
    data_dir: Path | None,
    settings: dict[str, Any],
    sizes: dict[str, int],
) -> "TaskSource":
    """Where the task that the options name comes from, wherever the command is given the next time."""
    from apo.spec import TaskSource

    if (task is None) == (data is None):
        raise ConfigError(
            "Give either a task (apo tasks lists them) or a data file with --data; "
            f"{'both were' if task else 'neither was'} given."
        )
    is_file = task is not None and (".yaml" in task or task.endswith((".yml", ".py")))
    return TaskSource(
        name=str(Path(task or "").absolute()) if is_file else task or "",
        data=str(data.absolute()) if data else None,
        columns=columns,
        data_dir=str(data_dir.absolute()) if data_dir else None,
        settings=settings,
        sizes=sizes,
    )


def _begin(
    spec: "RunSpec", results: Path, name: str | None, fresh: bool, dry_run: bool, as_json: bool
) -> None:
    """Forecast a run, or begin it in a folder of its own, or go on with the one that was interrupted."""
    from apo import runner
    from apo.loading import load
    from apo.resuming import check_spec
    from apo.store import runs

    task = load(spec.task)
    runner.check(spec, task)
    if dry_run:
        _forecast(spec, task, as_json)
        return
    runs.check_writable(results)
    if name is not None:
        folder = runs.named(results, name, spec)
        check_spec(folder.spec(), spec, name)
    else:
        before = None if fresh else runs.unfinished(results, spec)
        folder = before or runs.create(results, task.name, spec)
        if before is not None:
            print(f"Going on with {before.name}; --fresh begins a new run.", file=sys.stderr)
    try:
        execute(folder, task, as_json)
    except ConfigError:
        folder.discard_unbegun()
        raise


def _forecast(spec: "RunSpec", task: "Task", as_json: bool) -> None:
    from apo import runner, words
    from apo.progress import reporter

    with reporter(quiet=as_json) as shown, runner.connected(spec, shown.waiting) as models:
        made = runner.dry_run(spec, task, models)
    print(json.dumps(asdict(made)) if as_json else f"{words.forecast(made)}\n{words.power(len(task.dev))}")


def execute(folder: "RunFolder", task: "Task", as_json: bool) -> None:
    """Do what is left of a run, then print what came of it.

    Raises:
        typer.Exit: with code 130, it was interrupted.
    """
    from apo import runner, tables
    from apo.interrupt import politely
    from apo.progress import reporter

    try:
        with (
            folder.locked(),
            reporter(quiet=as_json) as shown,
            runner.connected(folder.spec(), shown.waiting) as models,
            politely() as interrupted,
        ):
            runner.go_on(folder, task, models, shown.observe, interrupted=interrupted)
    except KeyboardInterrupt:
        print(
            f"apo: interrupted; what was answered is kept. Go on with: apo resume {folder.name}",
            file=sys.stderr,
        )
        raise typer.Exit(130) from None
    if as_json:
        print(folder.best.read_text(encoding="utf-8"), end="")
    else:
        tables.leaderboard(folder.history())
        print(f"The best prompt: {folder.best}")
