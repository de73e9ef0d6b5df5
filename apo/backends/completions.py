"""Completions that were paid for, kept in one SQLite file of the user for later runs to use again.

Several processes and threads may use the file at once. A request sampled at a temperature above 0
is told from others by its seed, which names the draw; without one every draw is new, so it is not kept.
"""

import hashlib
import json
import platform
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

import msgspec

from apo.backends import Completion, Request, unmarked
from apo.backends.database import alone, open_database, told
from apo.candidate import Usage
from apo.files import over_network
from apo.spec import Identity

LIMIT = 1 << 30
"""Bytes that the file may take."""
LOOK_EVERY = 64
"""How many answers are kept between two looks at the file's size."""
T = TypeVar("T")


def file_in(folder: Path) -> Path:
    """The file of apo's cache folder; where machines share that, a file for each of them.

    SQLite's write-ahead log needs memory that all its processes share.
    """
    machine = f"-{platform.node()}" if over_network(folder) else ""
    return folder / f"completions{machine}.sqlite"


@dataclass(frozen=True, slots=True)
class Stored:
    """One answer as the store holds it."""

    id: int
    """Larger than the id of everything stored before."""
    completion: Completion
    """Its usage is that of the time when the server answered, marked as cached."""


class Completions:
    """The store. Where a run uses it nothing is raised: on an error it stops keeping and answering.

    Args:
        path: the file; it is made, readable by its owner alone, if there is none.
        limit: bytes that it may take; beyond them the oldest answers are deleted.

    Raises:
        ConfigError: the file cannot be opened or written, is damaged, or is of another version.
    """

    def __init__(self, path: Path, limit: int = LIMIT) -> None:
        self.path, self.limit = path, limit
        self.problem = ""
        """Why the store has switched itself off, in a line; empty while it works."""
        self._guard = threading.RLock()
        self._described: dict[str, str] = {}
        self._kept = 0
        self._database = open_database(path)

    def __enter__(self) -> "Completions":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back; whatever is asked of the store after it is not answered."""
        # The last one to leave tidies up, and a newcomer must not open the file meanwhile.
        with self._guard, suppress(OSError), alone(self.path.parent):
            self._database.close()
        # If the folder is gone there is nobody to wait for.
        self._database.close()

    def register(self, identity: Identity) -> str:
        """The key of a server; its answers are listed with a description of it."""
        key = server_key(identity)
        self._described[key] = describe(identity)
        return key

    def newest(self) -> int:
        """The largest id so far; 0 if nothing was ever stored."""
        return self._attempt(self._newest, 0)

    def get(self, server: str, request: Request) -> Stored | None:
        """What the server with this key answered to a request that differs in its tag at most."""
        content = _content(request)
        if content is None:
            return None
        return self._attempt(lambda: self._find(_digest(server, content)), None)

    def put(self, server: str, request: Request, completion: Completion) -> None:
        """Keep an answer, in the place of the one before; a failure is not kept."""
        content = _content(request)
        if content is None or completion.failure is not None:
            return
        usage = completion.usage
        row = (
            _digest(server, content),
            server,
            time.time(),
            request.temperature > 0,
            zlib.compress(content, 1),
            completion.text,
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.seconds,
            completion.cut_off,
        )
        self._attempt(lambda: self._insert(server, row), None)

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """The database for work beside a run, where errors are told.

        Raises:
            ConfigError: the database cannot do what is asked of it in the block.
        """
        with self._guard, told(self.path):
            yield self._database

    def _attempt(self, work: Callable[[], T], otherwise: T) -> T:
        """What `work` gives, one thread at a time; an error of the database switches the store off."""
        with self._guard:
            if self.problem:
                return otherwise
            try:
                return work()
            except sqlite3.Error as error:
                self.problem = f"The cache {self.path} is not used any more: {error}."
                return otherwise

    def _newest(self) -> int:
        found = self._database.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'").fetchone()
        return int(found[0]) if found else 0

    def _find(self, digest: bytes) -> Stored | None:
        columns = "id, text, prompt_tokens, completion_tokens, seconds, cut_off"
        row = self._database.execute(f"SELECT {columns} FROM entries WHERE key = ?", (digest,)).fetchone()
        if row is None:
            return None
        number, text, asked, said, seconds, cut_off = row
        return Stored(number, Completion(text, Usage(asked, said, seconds, cached=True), bool(cut_off)))

    def _insert(self, server: str, row: tuple[object, ...]) -> None:
        columns = "key, server, created, sampled, request, text, prompt_tokens, completion_tokens"
        try:
            with self._database as database:
                database.execute("BEGIN IMMEDIATE")
                # Each time, since another process may have cleared the file.
                database.execute(
                    "INSERT OR IGNORE INTO servers VALUES (?, ?)", (server, self._described.get(server, ""))
                )
                database.execute(
                    f"INSERT OR REPLACE INTO entries ({columns}, seconds, cut_off) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    row,
                )
        except (UnicodeEncodeError, OverflowError):
            return  # half a surrogate pair, or an absurd count of tokens: not worth keeping
        if self._kept % LOOK_EVERY == 0:
            self._shrink()
        self._kept += 1

    def _shrink(self) -> None:
        """Delete the oldest answers, a tenth at a time, until the rest fits."""
        while self._used() > self.limit:
            (count,) = self._database.execute("SELECT count(*) FROM entries").fetchone()
            if not count:
                return
            self._database.execute(
                "DELETE FROM entries WHERE id IN (SELECT id FROM entries ORDER BY id LIMIT ?)",
                (max(1, count // 10),),
            )

    def _used(self) -> int:
        """Bytes of the pages that hold something."""
        names = ("page_count", "freelist_count", "page_size")
        pages, free, size = (self._database.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
        return int((pages - free) * size)


def server_key(identity: Identity) -> str:
    """What tells the answers of one server from another's: 16 hex digits over all that is known of it."""
    return hashlib.sha256(json.dumps(asdict(identity), sort_keys=True).encode()).hexdigest()[:16]


def describe(identity: Identity) -> str:
    """A server in a few words for people."""
    root = f" ({identity.root})" if identity.root not in ("", identity.model) else ""
    engine = f", {identity.engine}" if identity.engine else ""
    place = f"at {identity.base_url.replace(' ', ', ')}" if identity.base_url else "started by apo"
    return f"{identity.model}{root}{engine}, {place}"


def _content(request: Request) -> bytes | None:
    """All that decides the answer, as JSON; None if nothing can be kept for this request."""
    if request.temperature > 0 and request.seed is None:
        return None
    try:
        return msgspec.json.encode(unmarked(request))
    except (ValueError, OverflowError):
        return None  # text that is no Unicode, or a number that JSON has no place for


def _digest(server: str, content: bytes) -> bytes:
    return hashlib.sha256(server.encode() + b"\n" + content).digest()
