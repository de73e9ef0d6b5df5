"""vLLM's engine in a process that belongs to one owner, reached over a socket that nobody else can open.

It is guarded like a server (`apo.serving.guard`): it lives while its owner holds the lease in its folder, so
it is gone half a second after an owner that was killed, and Ctrl-C does not reach it. Its folder is the
first one beside the server's that has no other owner; who that is a lock of its own says, since the lease is
given back when an engine is stuck, to have it stopped, and the guard has it meanwhile.
"""

import itertools
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from apo.errors import ServerError
from apo.serving import command, lease
from apo.serving.command import Options
from apo.serving.hardware import has_gpu
from apo.serving.server import LOG, START_SECONDS, ended, has_ended, home, launch, stage, unready
from apo.serving.weights import Report, Weights, resolve

LOOK = 0.5
"""Seconds between two looks at an engine that starts."""


@contextmanager
def hold(model: str, options: Options, report: Report) -> Iterator[Path]:
    """A folder for an engine of the caller's own, for the length of the block.

    Raises:
        ConfigError: no such model, or vLLM is not installed.
    """
    beside = home(model, options, report)
    for number in itertools.count():
        with _owner(beside / f"own-{number}") as folder:
            if folder is not None:
                yield folder
                return


@contextmanager
def hold_if_faster(model: str, options: Options, report: Report) -> Iterator[Path | None]:
    """The first such folder where an engine of one's own is faster than a server that all share; else None.

    What HTTP takes of a CPU is taken from an engine that computes there. On a GPU it is not, and a second
    engine would not find memory. A server that somebody uses is shared, and beside an engine of another
    run's a server is better, which further runs will share.

    Raises:
        ConfigError: no such model, or vLLM is not installed.
    """
    beside = home(model, options, report)
    if has_gpu() or lease.in_use(beside / "lease"):
        yield None
        return
    with _owner(beside / "own-0") as first:
        yield first


@contextmanager
def _owner(folder: Path) -> Iterator[Path | None]:
    """The folder if it has no other owner."""
    folder.mkdir(exist_ok=True, mode=0o700)
    with lease.if_unused(folder / "owner") as free:
        yield folder if free else None


@contextmanager
def started(folder: Path, model: str, options: Options, report: Report) -> Iterator[tuple[Connection, bytes]]:
    """An engine's process for the owner of a folder: the connection to it, and the first frame from it.

    It is stopped at the end of the block; what ran there before is waited for until that is gone.

    Raises:
        ConfigError: no such model.
        ServerError: the engine did not start; the message ends with its log. Or there can be no socket, or
            the engine before does not end.
    """
    weights = resolve(model, report)
    report(f"Starting {command.engine()} for {model}, for this run alone")
    if not ended(folder):
        raise ServerError(f"The engine that ran before does not end. Its log: {folder / LOG}")
    with lease.hold(folder / "lease"):
        connection = _launched(folder, weights, options, report)
        try:
            first = _first_frame(connection, folder / LOG, report)
        except BaseException:
            connection.close()
            raise
        yield connection, first


def _launched(folder: Path, weights: Weights, options: Options, report: Report) -> Connection:
    with tempfile.TemporaryDirectory(prefix="apo-") as private, _listening(f"{private}/socket") as door:
        program = command.worker(weights, options, f"{private}/socket")
        launch(folder, program, command.environment(weights, options, ""))
        return _accept(door, folder, report)


@contextmanager
def _listening(path: str) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as door:
        try:
            door.bind(path)
        except OSError as error:  # such as a path of more than 107 bytes
            raise ServerError(
                f"vLLM's engine is reached by a socket, and {path} can be none: {error}. Set TMPDIR to a "
                "folder with a shorter name, or take a server (--engine server)."
            ) from error
        door.listen(1)
        door.settimeout(LOOK)
        yield door


def _accept(door: socket.socket, folder: Path, report: Report) -> Connection:
    while True:
        try:
            accepted, _ = door.accept()
        except TimeoutError:
            if has_ended(folder):
                raise unready(folder / LOG) from None
            report(f"Waiting for vLLM: {stage(folder / LOG)}")
        else:
            accepted.setblocking(True)
            return Connection(accepted.detach())


def _first_frame(connection: Connection, log: Path, report: Report) -> bytes:
    began = time.monotonic()
    while not connection.poll(LOOK):
        if time.monotonic() - began > START_SECONDS:
            raise ServerError(f"vLLM did not start within {START_SECONDS / 60:.0f} minutes: {log}")
        report(f"Waiting for vLLM: {stage(log)}")
    try:
        return connection.recv_bytes()
    except (EOFError, OSError):
        raise unready(log) from None
