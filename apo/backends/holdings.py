"""What the store of completions holds, for people: per server, a sample of it, and its removal."""

import sqlite3
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from apo.backends import Request
from apo.backends.completions import Completions


@dataclass(frozen=True, slots=True)
class Holding:
    """What the store holds of one server."""

    key: str
    description: str
    entries: int
    oldest: float
    """Seconds since the epoch."""
    newest: float


def holdings(store: Completions) -> list[Holding]:
    """Every server with answers, the one that answered last first.

    Raises:
        ConfigError: the file cannot be read.
    """
    with store.database() as database:
        rows = database.execute(
            "SELECT servers.key, description, count(*), min(created), max(created) "
            "FROM entries JOIN servers ON servers.key = server GROUP BY server ORDER BY max(created) DESC"
        ).fetchall()
    return [Holding(*row) for row in rows]


def sample(store: Completions, server: str, count: int) -> list[tuple[Request, str]]:
    """Up to `count` of a server's requests by chance, each with its answer; sampled ones come last.

    Raises:
        ConfigError: the file cannot be read.
    """
    with store.database() as database:
        rows = database.execute(
            "SELECT request, text FROM entries WHERE server = ? ORDER BY sampled, random() LIMIT ?",
            (server, count),
        ).fetchall()
        return [(msgspec.json.decode(zlib.decompress(request), type=Request), text) for request, text in rows]


def clear(store: Completions, server: str | None = None) -> int:
    """Delete the answers of one server, or all; says how many there were.

    Raises:
        ConfigError: the file cannot be written.
    """
    where, given = ("WHERE server = ?", (server,)) if server else ("", ())
    with store.database() as database:
        with database:
            database.execute("BEGIN IMMEDIATE")
            count = database.execute(f"DELETE FROM entries {where}", given).rowcount
            database.execute(f"DELETE FROM servers {where.replace('server', 'key')}", given)
        # Gives the space back to the disk; a run that uses the file may be in the way of it.
        with suppress(sqlite3.Error):
            database.execute("VACUUM")
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return count


def size(path: Path) -> int:
    """Bytes on the disk, with the files that SQLite keeps beside its own."""
    return sum(file.stat().st_size for file in _files(path) if file.is_file())


def remove(path: Path) -> int:
    """Delete a file that cannot be opened; says how many bytes it took."""
    freed = size(path)
    for file in _files(path):
        file.unlink(missing_ok=True)
    return freed


def _files(path: Path) -> list[Path]:
    return [path, *(path.with_name(path.name + end) for end in ("-wal", "-shm"))]
