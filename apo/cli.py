"""The command line; each command with many options has a module of its own.

Data go to stdout, all else to stderr.
"""

import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from apo import __version__
from apo.cli_batch import batch
from apo.cli_cache import app as cache
from apo.cli_eval import evaluate
from apo.cli_options import RESULTS, AsJson, Results, RunName
from apo.cli_report import report
from apo.cli_run import run
from apo.cli_steer import resume, send
from apo.cli_tune import tune_engine
from apo.cli_watch import on_terminal, tui, watch
from apo.errors import ApoError, ConfigError, unknown
from apo.spec import DEFAULT_MODEL
from apo.streams import flushed

if TYPE_CHECKING:
    from apo.store.runs import RunFolder

app = typer.Typer(
    name="apo",
    help="Find the best prompt for a task by search, on a model that vLLM serves.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(run)
app.command()(resume)
app.command()(send)
app.command("eval")(evaluate)
app.command()(batch)
app.command()(report)
app.command()(watch)
app.command()(tui)
app.command()(tune_engine)
app.add_typer(cache, name="cache")


def main() -> None:
    """Run the command line; an error that users can cause ends with one line and no traceback."""
    # A polite kill ends a run like Ctrl-C does.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with flushed():
            app()
    except ApoError as error:
        from apo.words import one_line

        print(f"apo: {one_line(str(error))}", file=sys.stderr)
        sys.exit(error.exit_code)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"apo {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    if context.invoked_subcommand is None:
        if on_terminal():
            tui()
        else:
            print(context.get_help())


@app.command("list")
def list_(
    what: Annotated[
        str,
        typer.Argument(
            help="runs, proposers, selectors, alternations, schedulers, surrogates, acquisitions or scorers"
        ),
    ] = "runs",
    results: Results = RESULTS,
    as_json: AsJson = False,
) -> None:
    """List runs, or the components that a run can be made of."""
    from apo import plugins, tables

    folders = {k: k for k in ("proposers", "alternations", "schedulers", "surrogates", "acquisitions")}
    folders["selectors"] = "exemplars"
    if what == "runs":
        _list_runs(results, as_json)
        return
    if what == "scorers":
        from apo.scorers import SCORERS

        found = {name: _first_line(cls) for name, cls in SCORERS.items()}
    elif what in folders:
        kind = folders[what]
        found = {name: _first_line(plugins.load(kind, name)) for name in plugins.names(kind)}
    else:
        raise unknown("list", what, ["runs", "scorers", *folders])
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        tables.show(("name", "what it does"), found.items())


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").strip().partition("\n")[0]


def _list_runs(results: Path, as_json: bool) -> None:
    from apo import tables
    from apo.store.runs import list_runs

    rows = [_run_row(folder) for folder in list_runs(results)]
    if as_json:
        print(json.dumps(rows, indent=2))
    elif not rows:
        print(
            f"There is no run in {str(results)!r} yet. Start one with: apo run tickets",
            file=sys.stderr,
        )
    else:
        tables.show(tuple(rows[0]), [tuple(map(str, row.values())) for row in rows])


def _run_row(folder: Any) -> dict[str, Any]:
    from apo import words

    try:
        history = folder.history()
    except ApoError as error:
        return {
            "run": folder.name,
            "state": "unreadable",
            "calls": 0,
            "dev": "",
            "test": str(error),
        }
    best, tested = history.best(), history.tested
    return {
        "run": folder.name,
        "state": "stopped" if folder.is_stopped(history) else words.state(history),
        "calls": history.total.calls,
        "dev": f"{history.mean(best.id):.3f}" if best else "",
        "test": f"{tested.score.mean:.3f} (seed {tested.seed.mean:.3f})" if tested else "",
    }


@app.command()
def show(
    run: RunName = "last",
    results: Results = RESULTS,
    everything: Annotated[bool, typer.Option("--all", help="All candidates.")] = False,
    candidate: Annotated[str | None, typer.Option(help="Show this candidate's prompt.")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="The whole run as a report.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show a run's leaderboard, or one candidate's prompt as the model receives it."""
    from dataclasses import asdict

    from apo import tables
    from apo.export import chosen
    from apo.leaderboard import rank
    from apo.store.runs import find

    if markdown and (as_json or candidate is not None):
        raise ConfigError("--markdown prints the whole run; leave --json and --candidate away.")
    folder = find(results, run)
    if markdown:
        _show_markdown(folder)
        return
    history = folder.history()
    if candidate is not None:
        prompt = chosen(history, candidate).prompt
        if as_json:
            print(json.dumps(asdict(prompt), indent=2, ensure_ascii=False))
        else:
            tables.prompt(prompt)
    elif as_json:
        print(json.dumps([asdict(row) for row in rank(history)], indent=2, ensure_ascii=False))
    else:
        tables.leaderboard(history, most=10**6 if everything else 15)


def _show_markdown(folder: "RunFolder") -> None:
    from apo.reporting.account import fold, tell
    from apo.reporting.markdown import markdown

    run = fold(folder.records())
    print(markdown(tell(run, folder.name, stopped=folder.is_stopped(run.history))), end="")


@app.command()
def export(
    run: RunName = "last",
    results: Results = RESULTS,
    candidate: Annotated[str | None, typer.Option(help="Another candidate than the best.")] = None,
    output: Annotated[Path | None, typer.Option(help="Write here instead of stdout.")] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of exports.")] = False,
) -> None:
    """Print the best prompt of a run as JSON, ready to send."""
    from apo import export as exporting
    from apo.store.runs import find

    if schema:
        print(exporting.schema(), end="")
        return
    folder = find(results, run)
    content = exporting.export(folder.history(), folder.name, candidate)
    if output is not None:
        exporting.write(content, output)
    else:
        print(json.dumps(content, indent=2, ensure_ascii=False))


@app.command()
def serve(
    model: Annotated[
        str, typer.Argument(help="The default small model, a hub id, or a model folder.")
    ] = DEFAULT_MODEL,
    context: Annotated[int | None, typer.Option(min=64, help="Most tokens of prompt and answer.")] = None,
    eager: Annotated[bool, typer.Option(help="Skip compiling: ready sooner, but slower.")] = False,
) -> None:
    """Serve a model with vLLM until Ctrl-C; runs on this machine use it by themselves."""
    from apo.progress import reporter
    from apo.serving.server import chosen
    from apo.serving.server import serve as serving

    with reporter(quiet=False) as shown:
        ready = serving(model, chosen(model, context, eager, shown.waiting), shown.waiting)
        server = ready.__enter__()
    try:
        print(f"{server.model} answers at {server.base_url}; log: {server.log}", file=sys.stderr)
        print("Runs with the same --model find it by themselves. Ctrl-C stops it.", file=sys.stderr)
        signal.pause()
    except KeyboardInterrupt:
        print("Stopped, unless a run still uses it.", file=sys.stderr)
    finally:
        ready.__exit__(None, None, None)


@app.command()
def tasks(as_json: AsJson = False) -> None:
    """List the tasks that can be run by name."""
    from apo import tables
    from apo.loading import descriptions

    found = descriptions()
    if as_json:
        print(json.dumps(found, indent=2))
    else:
        tables.show(("task", "what it is"), found.items())
