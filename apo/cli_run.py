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
    from apo.serving.command import Options
    from apo.spec import RunSpec
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
    context: opt.Context = None,
    eager: opt.Eager = False,
    results: opt.Results = opt.RESULTS,
    dry_run: opt.DryRun = False,
    as_json: opt.AsJson = False,
) -> None:
    """Find the best prompt for a task; leaves it as best.json in a new folder of RESULTS."""
    from apo.budget import Budget
    from apo.serving.command import Options
    from apo.spec import PROPOSERS, SELECTORS, ModelSpec, RunSpec

    settings = {"scorer": scorer, "instruction": instruction, "max_tokens": max_tokens}
    settings |= {"duplicates": "drop" if drop_duplicates else None}
    sizes = _given({"train": train, "dev": dev, "test": test})
    loaded = _load(task, data, (input_, target), data_dir, _given(settings), sizes)
    other = None
    if proposal_model or proposal_url:
        other = ModelSpec(proposal_model or model, proposal_url, proposal_api_key_env)
    if calls is None and not (prompt_tokens or completion_tokens or minutes):
        calls = opt.DEFAULT_CALLS
    seconds = None if minutes is None else 60 * minutes
    spec = RunSpec(
        task=loaded.name,
        model=ModelSpec(model, url, api_key_env),
        proposal_model=other,
        proposers=_components(proposer, PROPOSERS),
        selectors=_components(selector, SELECTORS) if max_exemplars else (),
        scheduler=scheduler,
        layouts=layouts,
        max_exemplars=max_exemplars,
        budget=Budget(calls, prompt_tokens, completion_tokens, seconds),
        seed=seed,
    )
    _execute(spec, loaded, Options(context, eager), None if dry_run else results, as_json)


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in options.items() if value is not None}


def _components(named: list[str] | None, default: tuple[str, ...]) -> tuple[str, ...]:
    if not named:
        return default
    return () if named == [NONE] else tuple(named)


def _load(
    task: str | None,
    data: Path | None,
    columns: tuple[str, str],
    data_dir: Path | None,
    settings: dict[str, Any],
    sizes: dict[str, int],
) -> "Task":
    """The task that the options name, or the one that a data file makes."""
    from apo.loading import data_task, load_task

    if (task is None) == (data is None):
        raise ConfigError(
            "Give either a task (apo tasks lists them) or a data file with --data; "
            f"{'both were' if task else 'neither was'} given."
        )
    if data is not None:
        return data_task(data, *columns, settings, sizes)
    return load_task(task or "", data_dir, settings, sizes)


def _execute(spec: "RunSpec", task: "Task", options: "Options", results: Path | None, as_json: bool) -> None:
    """Do the run, or without a results folder only forecast it; then print what came of it."""
    from apo import runner, tables, words
    from apo.interrupt import at_safe_points
    from apo.progress import reporter
    from apo.store.runs import RunFolder, check_writable, create

    runner.check(spec, task)
    if results is not None:
        check_writable(results)
    folder: RunFolder | None = None
    try:
        with (
            reporter(quiet=as_json) as shown,
            runner.connected(spec, options, shown.waiting) as connection,
        ):
            if results is None:
                made = runner.dry_run(spec, task, connection)
            else:
                folder = create(results, task.name)
                with at_safe_points() as check:
                    # After an event is shown it is in the journal, so there a run may stop.
                    runner.start(spec, task, connection, folder, shown.observe, lambda *_: check())
    except KeyboardInterrupt:
        kept = f"what was answered is kept in {folder.path}" if folder else "before the run began"
        print(f"apo: interrupted; {kept}.", file=sys.stderr)
        raise typer.Exit(130) from None
    if folder is None:
        print(json.dumps(asdict(made)) if as_json else words.forecast(made))
    elif as_json:
        print(folder.best.read_text(encoding="utf-8"), end="")
    else:
        tables.leaderboard(folder.history())
        print(f"The best prompt: {folder.best}")
