"""An engine's process whose answers come from a function: a thread at the other end of a pipe."""

import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from multiprocessing import Pipe
from multiprocessing.connection import Connection

from apo.backends import Request
from apo.backends.frames import Answer, Answered, Ask, Drop, Quit, Ready, Refused, pack, to_engine
from apo.backends.vllm import VLLM
from apo.prompt import as_text

READY = Ready("0", 64, 8, [1, 2, 3])
Reply = Callable[[int, Request], Answer | Refused | None]


def said(number: int, request: Request, text: str, finish: str = "stop") -> Answer:
    """An answer whose tokens are words."""
    return Answer(number, text, len(as_text(request.rendered).split()), len(text.split()), finish)


class ScriptedEngine:
    """Answers as `reply` says; None: never; an EOFError: it dies. Keeps what it was told."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self.asked: list[Request] = []
        self.dropped: list[int] = []
        self.pipe: Connection | None = None
        """Its end of the pipe, once it was started."""
        self.ends: list[threading.Thread] = []

    def start(self) -> Connection:
        """Begin, or begin again; the owner's end of the pipe."""
        owner, own = Pipe()
        self.pipe = own
        self.ends.append(threading.Thread(target=self._run, args=(own,), daemon=True))
        self.ends[-1].start()
        return owner

    def _run(self, pipe: Connection) -> None:
        with closing(pipe):
            try:
                while True:
                    match to_engine.decode(pipe.recv_bytes()):
                        case Ask(requests):
                            for number, request in requests:
                                self.asked.append(request)
                                answer = self._reply(number, request)
                                if answer is not None:
                                    pipe.send_bytes(pack(Answered([answer])))
                        case Drop(numbers):
                            self.dropped += numbers
                        case Quit():
                            return
            except (EOFError, OSError):
                return


@contextmanager
def scripted_engine(reply: Reply, timeout: float = 20.0) -> Iterator[tuple[VLLM, ScriptedEngine]]:
    """A backend on such an engine."""
    engine = ScriptedEngine(reply)
    backend = VLLM(engine.start(), READY, timeout)
    try:
        yield backend, engine
    finally:
        backend.close()
        for thread in engine.ends:
            thread.join(10)
