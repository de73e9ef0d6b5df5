"""vLLM's engine in a process of this run's own, without a server between them.

The engine keeps its own queue, so there is no concurrency to find. It is given two batches: where answers are
short most of a batch ends in one step, and the next begins before anything can be asked for them.
"""

import itertools
import os
import queue
import socket
import struct
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from multiprocessing.connection import Connection

import msgspec

from apo.backends import Completion, Request
from apo.backends.frames import (
    Answer,
    Ask,
    Drop,
    FromEngine,
    Quit,
    Ready,
    Refused,
    from_engine,
    pack,
)
from apo.backends.replies import unfit
from apo.candidate import Failure, Usage

TIMEOUT = 600.0
"""Seconds without a word from the engine, after which what is under way is given up, and the process."""
PARTS = 10
"""Of a timeout: how often it is looked whether the engine has said anything."""
SENDING = 60
"""Seconds that the process has to take a frame; its loop reads them as they come."""
LEAVING = 10.0
"""Seconds that the process has to say goodbye."""
GROUP = 64
"""Most requests in one frame: what makes them may be slow."""
Result = Answer | Refused | Failure
Answers = queue.SimpleQueue[tuple[int, Result]]
Numbered = list[tuple[int, Request]]
Asked = dict[int, tuple[Request, float]]
"""Requests under way, and when they were asked."""


class VLLM:
    """Streams requests to one engine.

    Args:
        connection: to its process, which has said that it is ready.
        ready: how it said so.
        timeout: seconds without a word from it, after which what is under way is given up, and the process.
    """

    def __init__(self, connection: Connection, ready: Ready, timeout: float = TIMEOUT) -> None:
        self._line, self._room, self._timeout = _Line(connection), 2 * ready.batch, timeout
        self._numbers = itertools.count()

    @property
    def lost(self) -> bool:
        """Whether the process has ended."""
        return self._line.lost

    def move(self, connection: Connection) -> None:
        """Ask from now on another process with the same engine: this one was started again."""
        self._line = _Line(connection)

    def close(self) -> None:
        """Tell the process to end, and wait for its goodbye."""
        self._line.close()

    def stream(self, requests: Iterable[Request]) -> Iterator[tuple[Request, Completion]]:
        """Answer every request, as answers arrive; requests are taken in the asker's thread."""
        answers: Answers = queue.SimpleQueue()
        asked: Asked = {}
        rest = iter(requests)
        line = self._line
        try:
            while True:
                for new in self._groups(rest, asked):
                    line.ask(new, answers)
                if not asked:
                    return
                for number, result in self._next(line, answers, asked):
                    if number in asked:  # else it was given up before
                        request, began = asked.pop(number)
                        yield request, _completion(result, time.monotonic() - began)
        finally:
            line.drop([*asked])

    def _groups(self, rest: Iterator[Request], asked: Asked) -> Iterator[Numbered]:
        """As many requests as there is room for, taken down as asked."""
        while True:
            taken = itertools.islice(rest, min(GROUP, self._room - len(asked)))
            new = [(next(self._numbers), request) for request in taken]
            if not new:
                return
            now = time.monotonic()
            asked.update((number, (request, now)) for number, request in new)
            yield new

    def _next(self, line: "_Line", answers: Answers, asked: Iterable[int]) -> list[tuple[int, Result]]:
        """The next answers, or if the engine says nothing for too long, failures of all that were asked."""
        silent, words = 0, line.words
        # In parts, of which the time that this process was suspended is only one.
        while silent < PARTS:
            try:
                came = [answers.get(timeout=self._timeout / PARTS)]
            except queue.Empty:
                silent, words = (silent + 1 if words == line.words else 0), line.words
                continue
            with suppress(queue.Empty):
                while True:
                    came.append(answers.get_nowait())
            return came
        line.end()
        late = Failure("timeout", f"the engine said nothing for {self._timeout:.0f} seconds")
        return [(number, late) for number in asked]


class _Line:
    """The connection to one process; a thread reads it and hands each answer to whoever waits for it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: dict[int, Answers] = {}
        self._guard = threading.Lock()
        # Apart from the other: the reader must never wait for a writer who waits for the process to read.
        self._writing = threading.Lock()
        self.lost = False
        self.words = 0
        """How often the process has said something."""
        with self._socket() as own:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("@ll", SENDING, 0))
        self._reader = threading.Thread(target=self._read, name="engine", daemon=True)
        self._reader.start()

    def ask(self, requests: Numbered, answers: Answers) -> None:
        """Send requests; their answers, or failures, will be put into `answers`."""
        try:
            packed = pack(Ask(requests))
        except UnicodeEncodeError as error:
            if len(requests) > 1:
                for one in requests:
                    self.ask([one], answers)
                return
            ((number, _),) = requests
            answers.put((number, Refused(number, str(error))))
            return
        with self._guard:
            lost = self.lost
            if not lost:
                self._waiting.update((number, answers) for number, _ in requests)
        if lost:
            for number, _ in requests:
                answers.put((number, _GONE))
        else:
            self._send(packed)

    def drop(self, numbers: list[int]) -> None:
        """Nobody waits for these any more."""
        with self._guard:
            known = [number for number in numbers if self._waiting.pop(number, None) is not None]
        if known:
            self._send(pack(Drop(known)))

    def end(self) -> None:
        """Hang up on a process that is stuck; it ends, and `lost` tells that it may be started again."""
        with suppress(OSError), self._socket() as own:
            own.shutdown(socket.SHUT_RDWR)
        self._reader.join(LEAVING)

    def _socket(self) -> socket.socket:
        return socket.socket(fileno=os.dup(self._connection.fileno()))

    def close(self) -> None:
        """Ask the process to end, and wait until it has let go."""
        self._send(pack(Quit()))
        self._reader.join(LEAVING)

    def _send(self, packed: bytes) -> None:
        try:
            with self._writing:
                self._connection.send_bytes(packed)
        except OSError:
            # The process is gone, or stuck with half a frame. The reader sees the end, and tells everybody.
            self.end()

    def _read(self) -> None:
        try:
            while True:
                frame = from_engine.decode(self._connection.recv_bytes())
                self.words += 1
                self._hand(frame)
        except (EOFError, OSError, msgspec.MsgspecError):
            with self._guard:
                self.lost = True
                waiting, self._waiting = self._waiting, {}
            for number, answers in waiting.items():
                answers.put((number, _GONE))

    def _hand(self, frame: FromEngine) -> None:
        if isinstance(frame, Ready):
            return
        with self._guard:
            askers = [(self._waiting.pop(result.number, None), result) for result in frame.results]
        for answers, result in askers:
            if answers is not None:
                answers.put((result.number, result))


_GONE = Failure("connection", "the engine's process has ended")


def _completion(result: Result, seconds: float) -> Completion:
    if isinstance(result, Failure):
        return Completion("", Usage(seconds=seconds), failure=result)
    if isinstance(result, Refused):
        return Completion("", Usage(seconds=seconds), failure=unfit(result.message))
    usage = Usage(result.prompt_tokens, result.completion_tokens, seconds)
    if result.finish not in ("stop", "length"):
        return Completion("", usage, failure=Failure("server", f"the engine gave up: {result.finish}"))
    return Completion(result.text, usage, cut_off=result.finish == "length")
