"""The file of the store: made private, opened safely beside other processes, errors that say what to do."""

import fcntl
import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from apo.errors import ConfigError

VERSION = 1
"""Grows when the tables change; files of other versions are refused."""
PATIENCE = 10.0
"""Seconds to wait for another process that writes."""
SETTINGS = {
    "journal_mode": "WAL",
    "synchronous": "NORMAL",
    "foreign_keys": "ON",
    # What a large deletion wrote beside the file is cut off again, in bytes.
    "journal_size_limit": 1 << 24,
}
_TABLES = (
    "CREATE TABLE servers (key TEXT PRIMARY KEY, description TEXT NOT NULL)",
    # AUTOINCREMENT: an id is never given twice, so a larger one was always stored later.
    """CREATE TABLE entries (
        id INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE,
        server TEXT NOT NULL REFERENCES servers (key), created REAL NOT NULL,
        sampled INTEGER NOT NULL, request BLOB NOT NULL, text TEXT NOT NULL,
        prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL,
        seconds REAL NOT NULL, cut_off INTEGER NOT NULL)""",
    "CREATE INDEX entries_of_server ON entries (server)",
    f"PRAGMA user_version = {VERSION}",
)


class UnreadableError(ConfigError):
    """The file is damaged, of another version or something else, so only its removal helps."""


def open_database(path: Path) -> sqlite3.Connection:
    """The file's database, for several threads; file, tables and folder are made if there are none.

    Raises:
        UnreadableError: it is damaged, of another version or something else.
        ConfigError: it cannot be opened or written.
    """
    with told(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with alone(path.parent):
            return _open(path)


def _open(path: Path) -> sqlite3.Connection:
    """A connection to the file, made with its tables if there is none."""
    # Only a file that is not there is opened here: to close a second descriptor of one that this
    # process has open would release SQLite's locks on it. The files beside it take its mode.
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    database = sqlite3.connect(path, PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        _prepare(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if version != VERSION and (version or tables):
        raise _unreadable(path, f"it has the format {version}, and this apo writes {VERSION}")
    for name, value in SETTINGS.items():
        database.execute(f"PRAGMA {name} = {value}")
    if version != VERSION:
        with database:
            database.execute("BEGIN IMMEDIATE")
            for statement in _TABLES:
                database.execute(statement)


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Nobody else opens or closes a database of this folder meanwhile.

    SQLite answers "locked" without waiting to some of what happens only then.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def told(path: Path) -> Iterator[None]:
    """Errors of the file and its database as messages that say what to do."""
    try:
        yield
    except (OSError, sqlite3.OperationalError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigError(
            f"The cache {str(path)!r} cannot be used: {why}. Make its folder writable, or set "
            "XDG_CACHE_HOME to one that is."
        ) from error
    except (sqlite3.Error, zlib.error, msgspec.MsgspecError) as error:
        raise _unreadable(path, str(error)) from error


def _unreadable(path: Path, why: str) -> UnreadableError:
    return UnreadableError(
        f"The cache {str(path)!r} cannot be read: {why}. Empty it with `apo cache clear`, or remove it."
    )
