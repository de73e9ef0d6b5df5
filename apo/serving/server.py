"""Use a local vLLM server: the running one of the same identity, or a new one.

A server belongs to its users, not to who started it: it lives while at least one process holds its
lease. Its folder in the cache holds the lease, the log and, readable by the owner alone, the
address and the API key.
"""

import json
import os
import platform
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import httpx2

from apo.errors import ServerError
from apo.files import write_private
from apo.serving import command, lease, tuned
from apo.serving.command import Options
from apo.serving.weights import Report, Weights, cache_folder, resolve

LOG = "engine.log"
BEFORE = "engine.log.before"
"""The log of the server that ran there last."""
STOPPING = 60.0
"""Seconds that what nobody uses any more has to end; its guard kills it after ten."""
START_SECONDS = 1800.0
"""How long a start may take: a large model has to be fetched."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    base_url: str
    model: str
    api_key: str
    log: str
    """Path of what it writes."""


def chosen(model: str, context: int | None, eager: bool, report: Report) -> Options:
    """How to serve a model here: as `apo tune-engine` found best, which is told, or as vLLM does by itself.

    Raises:
        ConfigError: no such model, or vLLM is not installed.
    """
    return tuned.recalled(resolve(model, report), Options(context, eager), report)


@contextmanager
def serve(model: str, options: Options, report: Report) -> Iterator[Server]:
    """A server for the length of the block; it goes on while other processes use it.

    Args:
        model: see `apo.serving.weights.resolve`.
        options: how to serve it.
        report: told what is being waited for, in a few words.

    Raises:
        ConfigError: no such model, or vLLM is not installed.
        ServerError: the server did not start; the message ends with its log.
    """
    with lease.hold(home(model, options, report) / "lease"):
        yield obtain(model, options, report)


def obtain(model: str, options: Options, report: Report) -> Server:
    """The running server of that identity, or a new one; only for who holds its lease.

    Raises:
        ConfigError, ServerError: see `serve`.
    """
    folder = home(model, options, report)
    # One process starts the server; the others wait here and find it running.
    with lease.alone(folder / "start"):
        server = _recorded(folder)
        # Whoever started it may have been killed while it came up.
        if server is not None and _comes_up(server, folder, report):
            return server
        report(f"Starting {command.engine()} for {model}")
        return _start(folder, resolve(model, report), options, report)


def used() -> list[Path]:
    """Folders of all vLLM that somebody uses on this machine: servers, and engines of one owner."""
    folders = {found.parent for found in machine_folder().rglob("lease") if lease.in_use(found)}
    # An engine that starts has an owner before its lease is held.
    folders |= {found.parent for found in machine_folder().rglob("owner") if lease.held(found)}
    return sorted(folders)


def machine_folder() -> Path:
    """Where the folders of this machine's servers lie; other machines may have the same cache folder."""
    return cache_folder() / "servers" / platform.node()


def ended(folder: Path, seconds: float = STOPPING) -> bool:
    """Wait until all vLLM in and below a folder has ended, which nobody uses any more; False: it has not."""
    deadline = time.monotonic() + seconds
    while any(not has_ended(guard.parent) for guard in folder.rglob("guard")):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.2)
    return True


def home(model: str, options: Options, report: Report) -> Path:
    """The folder of a model with options: where its server keeps lease, log and address."""
    command.engine()
    identity = command.identity(resolve(model, report), options)
    folder = machine_folder() / identity
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


def _recorded(folder: Path) -> Server | None:
    """The server that a folder speaks of, whether or not it answers."""
    try:
        return Server(**json.loads((folder / "state.json").read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _answers(server: Server) -> bool:
    headers = {"Authorization": f"Bearer {server.api_key}"}
    try:
        reply = httpx2.get(f"{server.base_url}/models", headers=headers, timeout=5, trust_env=False)
    except httpx2.HTTPError:
        return False
    return reply.status_code == 200


def _start(folder: Path, weights: Weights, options: Options, report: Report) -> Server:
    port, key = _free_port(), secrets.token_urlsafe(24)
    log = folder / LOG
    server = Server(f"http://127.0.0.1:{port}/v1", weights.name, key, str(log))
    launch(folder, command.command(weights, options, port), command.environment(weights, options, key))
    write_private(folder / "state.json", json.dumps(asdict(server)).encode())
    # If the wait fails, or is interrupted, the caller's lease goes, and with it the server.
    if not _comes_up(server, folder, report):
        raise unready(log)
    return server


def unready(log: Path) -> ServerError:
    """What is told of a vLLM that ended while it started."""
    return ServerError(
        f"vLLM ended before it was ready. The end of its log ({log}):\n{command.log_tail(log)}"
    )


def launch(folder: Path, program: list[str], environment: dict[str, str]) -> None:
    """Start a program under a guard, which stops it once nobody holds the lease in the folder.

    The log of the one before stays beside it, since it may say why that ended.
    """
    (folder / "launch.json").write_text(json.dumps(program), encoding="utf-8")
    with suppress(FileNotFoundError):
        (folder / LOG).replace(folder / BEFORE)
    with os.fdopen(os.open(folder / LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
        subprocess.run(
            [sys.executable, "-m", "apo.serving.guard", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
            check=True,
        )


def has_ended(folder: Path) -> bool:
    """Whether the guard of a folder is gone, and with it what it guarded."""
    return not lease.held(folder / "guard")


def _comes_up(server: Server, folder: Path, report: Report) -> bool:
    """Wait until the server answers; False if it has ended instead.

    Raises:
        ServerError: it does neither.
    """
    began, log = time.monotonic(), Path(server.log)
    while not _answers(server):
        if has_ended(folder):
            return False
        if time.monotonic() - began > START_SECONDS:
            raise ServerError(f"vLLM did not answer within {START_SECONDS / 60:.0f} minutes: {log}")
        report(f"Waiting for vLLM: {stage(log)}")
        time.sleep(0.5)
    return True


_STAGES = (
    ("Application startup", "opening the door"),
    ("Warming up model", "compiling, a minute or two"),
    ("Loading weights", "loading weights"),
    ("Starting to load model", "loading weights"),
    ("Initializing", "starting the engine"),
)
"""Marks in vLLM's log, the latest stage first, and what they mean to a person."""


def stage(log: Path) -> str:
    """How far a start has come, in a few words."""
    text = log.read_text(errors="replace")
    return next((words for mark, words in _STAGES if mark in text), "importing vLLM")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
