"""`apo eval`: score an exported prompt again on a live server."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from apo import cli_options as opt
from apo.spec import DEFAULT_MODEL, KEY

if TYPE_CHECKING:
    from apo.rescoring import Rescored
    from apo.spec import Identity

Export = Annotated[Path, typer.Argument(help="A best.json, or another export.")]
Task = Annotated[str | None, typer.Option(help="Another task than the export's own, by name or file.")]
Model = Annotated[str | None, typer.Option(help="Another model than the export's own.")]


def evaluate(
    file: Export,
    task: Task = None,
    data_dir: opt.DataDir = None,
    model: Model = None,
    url: opt.Url = None,
    api_key_env: opt.ApiKeyEnv = KEY,
    patience: opt.Patience = 1.0,
    context: opt.Context = None,
    eager: opt.Eager = False,
    engine: opt.EngineName = "auto",
    as_json: opt.AsJson = False,
) -> None:
    """Score an export again; exit code 1 if the score is outside the exported interval."""
    from apo.backends.patient import Patient
    from apo.connection import check, connect
    from apo.loading import load, load_task
    from apo.options import model_at
    from apo.progress import reporter
    from apo.rescoring import read_export, rescore, source_of
    from apo.spec import ModelSpec

    content = read_export(file)
    answered = content["model"]
    loaded = load(source_of(content, file)) if task is None else load_task(task, data_dir)
    name = model or _own_model(answered)
    where = url or answered["base_url"].split()
    spec = model_at(where, ModelSpec(name, None, api_key_env, context, eager, engine=engine))
    check(spec)
    with reporter(quiet=as_json) as shown, connect(spec, shown.waiting) as link:
        shown.waiting(f"Asking {link.identity.model}")
        done = rescore(content, loaded, Patient(link.backend, 60 * patience, link.revive))
    _keep(done, content["candidate"], loaded.name, link.identity.model, file.parent)
    _tell(done, loaded.name, answered, link.identity, as_json)
    if done.now.n == 0 or done.agrees is False:
        raise typer.Exit(1)


def _keep(done: "Rescored", candidate: str, task: str, model: str, folder: Path) -> None:
    """Leave a score for the report, if the export still lies in its run's folder."""
    from apo.store.runs import RunFolder
    from apo.transfer import Transfer, keep

    if done.now.n and RunFolder(folder).journal.is_file():
        keep(Transfer(candidate, task, done.split, model, done.now), folder)


def _tell(done: "Rescored", task: str, answered: dict[str, Any], server: "Identity", as_json: bool) -> None:
    """What the export says and what the server says now; differences go to stderr."""
    from apo import words

    if as_json:
        print(json.dumps({**asdict(done), "agrees": done.agrees, "model": server.model}))
    else:
        rows = "sealed test" if done.split == "test" else "dev rows"
        print(f"{task}, {rows}, on {server.model}: now {words.percent(done.now)}")
        if done.missing:
            print(f"{done.missing} rows got no answer and are no part of the score.")
        if done.exported is not None:
            print(f"The export says {words.percent(done.exported)}.")
    if done.agrees is None:
        why = "no row was answered" if done.now.n == 0 else "the rows or their scorer are others"
        print(f"Not compared with the export: {why}.", file=sys.stderr)
    elif not done.agrees:
        why = _why(answered, asdict(server))
        print(f"apo: the score is OUTSIDE the exported interval. {why}", file=sys.stderr)


def _own_model(answered: dict[str, str]) -> str:
    """What to ask for to get the model of an export: a folder, where apo served one, else its name."""
    own_server = not answered["base_url"]
    return answered["root"] if own_server and answered["model"] != DEFAULT_MODEL else answered["model"]


def _why(exported: dict[str, object], now: dict[str, object]) -> str:
    """What is known to be different."""
    changed = [f"{key} {there!r}, now {now[key]!r}" for key, there in exported.items() if there != now[key]]
    if changed:
        return f"The export was made with another server: {'; '.join(changed)}."
    return "The server says that it is the same, so look at what is behind it."
