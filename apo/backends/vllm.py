"""vLLM's engine in a process of this run's own, without a server between them.

The engine keeps its own queue, so there is no concurrency to find. It is given a batch and a quarter: there
is always another request when one ends, and a stream that is closed has little to drop.
"""

import itertools
import queue
import threading
import time
from collections.abc import Iterable, Iterator
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
    ToEngine,
    from_engine,
    pack,
)
from apo.backends.replies import unfit
from apo.candidate import Failure, Usage

TIMEOUT = 300.0
"""Seconds without any answer, after which those under way are given up."""
LEAVING = 10.0
"""Seconds that the process has to say goodbye."""
Result = Answer | Refused | Failure
Answers = queue.SimpleQueue[tuple[int, Result]]


class VLLM:
    """Streams requests to one engine.

    Args:
        connection: to its process, which has said that it is ready.
        ready: how it said so.
        timeout: seconds without any answer, after which those under way are given up.
    """

    def __init__(self, connection: Connection, ready: Ready, timeout: float = TIMEOUT) -> None:
        self._line, self._room, self._timeout = _Line(connection), ready.batch + ready.batch // 4, timeout
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
        asked: dict[int, tuple[Request, float]] = {}
        rest = iter(requests)
        line = self._line
        try:
            while True:
                for request in itertools.islice(rest, max(0, self._room - len(asked))):
                    number = next(self._numbers)
                    asked[number] = (request, time.monotonic())
                    line.ask(number, request, answers)
                if not asked:
                    return
                for number, result in self._next(line, answers, asked):
                    request, began = asked.pop(number)
                    yield request, _completion(result, time.monotonic() - began)
        finally:
            line.drop([*asked])

    def _next(self, line: "_Line", answers: Answers, asked: Iterable[int]) -> list[tuple[int, Result]]:
        """The next answer, or if there is none for too long, failures of all that were asked."""
        try:
            return [answers.get(timeout=self._timeout)]
        except queue.Empty:
            numbers = [*asked]
            line.drop(numbers)
            late = Failure("timeout", f"the engine answered nothing for {self._timeout:.0f} seconds")
            return [(number, late) for number in numbers]


class _Line:
    """The connection to one process; a thread reads it and hands each answer to whoever waits for it."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._waiting: dict[int, Answers] = {}
        self._guard = threading.Lock()
        # Apart from the other: the reader must never wait for a writer who waits for the process to read.
        self._writing = threading.Lock()
        self.lost = False
        self._reader = threading.Thread(target=self._read, name="engine", daemon=True)
        self._reader.start()

    def ask(self, number: int, request: Request, answers: Answers) -> None:
        """Send a request; its answer, or failure, will be put into `answers`."""
        with self._guard:
            lost = self.lost
            if not lost:
                self._waiting[number] = answers
        if lost:
            answers.put((number, _GONE))
            return
        try:
            self._send(Ask(number, request))
        except UnicodeEncodeError as error:
            with self._guard:
                self._waiting.pop(number, None)
            answers.put((number, Refused(number, str(error))))

    def drop(self, numbers: list[int]) -> None:
        """Nobody waits for these any more."""
        with self._guard:
            known = [number for number in numbers if self._waiting.pop(number, None) is not None]
        if known:
            self._send(Drop(known))

    def close(self) -> None:
        """Ask the process to end, and wait until it has let go."""
        self._send(Quit())
        self._reader.join(LEAVING)

    def _send(self, frame: ToEngine) -> None:
        packed = pack(frame)
        try:
            with self._writing:
                self._connection.send_bytes(packed)
        except OSError:
            # The process is gone: the reader sees it too, and tells everybody.
            return

    def _read(self) -> None:
        try:
            while True:
                self._hand(from_engine.decode(self._connection.recv_bytes()))
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
            answers = self._waiting.pop(frame.number, None)
        if answers is not None:
            answers.put((frame.number, frame))


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
