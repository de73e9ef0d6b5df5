"""`apo cache`: what is kept of earlier answers, whether a server still gives them, and their removal."""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from apo import cli_options as opt
from apo.errors import RunError, unknown
from apo.spec import DEFAULT_MODEL, KEY

if TYPE_CHECKING:
    from apo.backends import Backend, Request
    from apo.backends.holdings import Holding

app = typer.Typer(rich_markup_mode=None)
Sample = Annotated[int, typer.Option(min=1, help="How many answers to compare.")]
Model = Annotated[str, typer.Option(help="The model whose answers are verified.")]
ServerKey = Annotated[str | None, typer.Option("--server", help="Only this server's, by its key.")]


@app.callback(invoke_without_command=True)
def _default(context: typer.Context, as_json: opt.AsJson = False) -> None:
    """Show, verify or clear the answers of models that are kept for later runs."""
    if context.invoked_subcommand is None:
        show(as_json)


def _path() -> Path:
    from apo.backends.completions import file_in
    from apo.serving.weights import cache_folder

    return file_in(cache_folder())


@app.command()
def show(as_json: opt.AsJson = False) -> None:
    """List the servers whose answers are kept, and what they take on the disk."""
    from apo import tables
    from apo.backends.completions import Completions
    from apo.backends.holdings import holdings, size

    path = _path()
    found: list[Holding] = []
    if path.exists():
        with Completions(path) as store:
            found = holdings(store)
    taken = size(path)
    if as_json:
        servers = [asdict(one) | {"oldest": _iso(one.oldest), "newest": _iso(one.newest)} for one in found]
        print(json.dumps({"path": str(path), "bytes": taken, "servers": servers}, indent=2))
        return
    if found:
        rows = [(h.key, h.description, str(h.entries), _day(h.oldest), _day(h.newest)) for h in found]
        tables.show(("key", "server", "answers", "oldest", "newest"), rows)
    print(f"{sum(one.entries for one in found)} answers, {_bytes(taken)} in {path}")


@app.command()
def verify(
    sample: Sample = 20,
    model: Model = DEFAULT_MODEL,
    url: opt.Url = None,
    api_key_env: opt.ApiKeyEnv = KEY,
    context: opt.Context = None,
    eager: opt.Eager = False,
    engine: opt.EngineName = "auto",
) -> None:
    """Ask a server some of what it answered before; exit code 1 if more than a quarter differs."""
    from apo.backends.cached import TOLERATED
    from apo.backends.completions import Completions, describe, server_key
    from apo.backends.holdings import sample as draw
    from apo.connection import check, connect
    from apo.options import model_at
    from apo.progress import reporter
    from apo.spec import ModelSpec

    path = _path()
    spec = model_at(url or (), ModelSpec(model, None, api_key_env, context, eager, engine=engine))
    check(spec)
    if not path.exists():
        print(f"No answer is kept yet: there is no {path}.")
        return
    with (
        Completions(path) as store,
        reporter(quiet=False) as shown,
        connect(spec, shown.waiting) as link,
    ):
        identity = link.identity
        kept = draw(store, server_key(identity), sample)
        if not kept:
            print(f"No answer of {describe(identity)}, is kept, so there is nothing to verify.")
            return
        same, compared = _compare(link.backend, kept)
    print(f"{same} of {compared} answers are the same as the kept ones.")
    if compared - same > TOLERATED * compared:
        print(
            "apo: the server does not answer as it did. Remove what is kept of it with: "
            f"apo cache clear --server {server_key(identity)}",
            file=sys.stderr,
        )
        raise typer.Exit(1)


def _compare(backend: "Backend", kept: "list[tuple[Request, str]]") -> tuple[int, int]:
    """How many answers are the same, and how many came.

    Raises:
        RunError: none came.
    """
    from msgspec.structs import replace

    texts = [text for _, text in kept]
    requests = [replace(request, tag=str(place)) for place, (request, _) in enumerate(kept)]
    answers = list(backend.stream(requests))
    good = [(request, done) for request, done in answers if done.failure is None]
    if not good:
        failure = answers[0][1].failure
        why = f" The first failed with {failure.kind}: {failure.message}" if failure else ""
        raise RunError(f"None of {len(kept)} requests was answered.{why}")
    if len(good) < len(kept):
        print(f"{len(kept) - len(good)} requests failed and are left out.", file=sys.stderr)
    return sum(done.text == texts[int(request.tag)] for request, done in good), len(good)


@app.command()
def clear(server: ServerKey = None) -> None:
    """Remove what is kept, of all servers or of one."""
    from apo.backends.completions import Completions
    from apo.backends.database import UnreadableError
    from apo.backends.holdings import clear as empty
    from apo.backends.holdings import holdings, remove, size

    path = _path()
    if not path.exists():
        print(f"Nothing is kept: there is no {path}.")
        return
    before = size(path)
    try:
        with Completions(path) as store:
            keys = [one.key for one in holdings(store)]
            if server is not None and server not in keys:
                raise unknown("server in the cache with the key", server, keys)
            count = empty(store, server)
    except UnreadableError:
        if server is not None:
            raise
        remove(path)
        print(f"Removed {path}, which could not be read: {_bytes(before)}.")
        return
    print(f"Removed {count} answers, {_bytes(max(0, before - size(path)))}.")


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="seconds")


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).astimezone().strftime("%Y-%m-%d")


def _bytes(number: int) -> str:
    """`512 bytes`, `34.0 kB` or `1.2 MB`."""
    if number < 1000:
        return f"{number} bytes"
    return f"{number / 1e3:.1f} kB" if number < 1_000_000 else f"{number / 1e6:.1f} MB"
