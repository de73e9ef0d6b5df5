"""`apo run`: begin a run or go on with it, and the ways that it can end."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from apo import cli_options as opt
from apo.cli_watch import on_terminal, open_screen
from apo.errors import ConfigError
from apo.spec import DEFAULT_MODEL, KEY, MOST_EXEMPLARS, SCHEDULER

if TYPE_CHECKING:
    from apo.spec import RunSpec
    from apo.store.runs import RunFolder
    from apo.task import Task


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
    model: opt.Model = DEFAULT_MODEL,
    url: opt.Url = None,
    api_key_env: opt.ApiKeyEnv = KEY,
    proposal_model: opt.ProposalModel = None,
    proposal_url: opt.ProposalUrl = None,
    proposal_api_key_env: opt.ApiKeyEnv = KEY,
    whitebox_model: opt.WhiteboxModel = "",
    whitebox_device: opt.WhiteboxDevice = "auto",
    whitebox_memory: opt.WhiteboxMemory = None,
    proposer: opt.Proposers = None,
    selector: opt.Selectors = None,
    alternation: opt.AlternationName = "learned",
    scheduler: opt.SchedulerName = SCHEDULER,
    surrogate: opt.SurrogateName = "gaussian_process",
    acquisition: opt.AcquisitionName = "log_nei",
    screen: opt.Screen = 1,
    layouts: opt.Layouts = True,
    max_exemplars: opt.MaxExemplars = MOST_EXEMPLARS,
    calls: opt.Calls = None,
    prompt_tokens: opt.PromptTokens = None,
    completion_tokens: opt.CompletionTokens = None,
    minutes: opt.Minutes = None,
    seed: opt.Seed = 0,
    scoring: opt.Scoring = "generate",
    cache: opt.Cache = True,
    patience: opt.Patience = opt.PATIENCE,
    context: opt.Context = None,
    eager: opt.Eager = False,
    engine: opt.EngineName = "auto",
    results: opt.Results = opt.RESULTS,
    name: opt.Name = None,
    fresh: opt.Fresh = False,
    dry_run: opt.DryRun = False,
    as_json: opt.AsJson = False,
    watch: opt.Watch = False,
) -> None:
    """Find the best prompt for a task; leaves it as best.json in a folder of RESULTS.

    The same command again goes on with a run that was interrupted.
    """
    from apo.options import RunOptions

    options = RunOptions(
        task=task,
        data=None if data is None else str(data),
        input=input_,
        target=target,
        scorer=scorer,
        instruction=instruction,
        max_tokens=max_tokens,
        train=train,
        dev=dev,
        test=test,
        drop_duplicates=drop_duplicates,
        data_dir=None if data_dir is None else str(data_dir),
        model=model,
        url=tuple(url or ()),
        api_key_env=api_key_env,
        proposal_model=proposal_model,
        proposal_url=tuple(proposal_url or ()),
        proposal_api_key_env=proposal_api_key_env,
        whitebox_model=whitebox_model,
        whitebox_device=whitebox_device,
        whitebox_memory=whitebox_memory,
        proposer=tuple(proposer) if proposer else None,
        selector=tuple(selector) if selector else None,
        alternation=alternation,
        scheduler=scheduler,
        surrogate=surrogate,
        acquisition=acquisition,
        screen=screen,
        layouts=layouts,
        max_exemplars=max_exemplars,
        calls=calls,
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        minutes=minutes,
        seed=seed,
        scoring=scoring,
        cache=cache,
        patience=patience,
        context=context,
        eager=eager,
        engine=engine,
    )
    _begin(options.spec(), results, name, fresh, dry_run, as_json, watch)


def _begin(
    spec: "RunSpec", results: Path, name: str | None, fresh: bool, dry_run: bool, as_json: bool, watch: bool
) -> None:
    """Forecast a run, or begin it in a folder of its own, or go on with the one that was interrupted."""
    from apo import runner
    from apo.launching import launch
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
    folder.move(spec)
    if watch and not as_json and on_terminal():
        open_screen(folder, None if folder.is_live() else launch(folder))
        return
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
