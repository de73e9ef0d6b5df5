"""People at the helm of a scripted run: commands that come at the same place of the journal, always."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from apo import plugins
from apo.backends import Backend
from apo.backends.scripted import Scripted
from apo.commands import Order, Pause, Sent
from apo.engine import Engine
from apo.evaluation import Evaluator
from apo.events import CommandReceived, Record
from apo.history import History
from apo.spec import RunSpec
from apo.store import Store
from apo.store.memory import MemoryStore
from apo.task import Task
from tests.helpers import Answer, letters, started, toy_spec
from tests.whiteboxes import tiny

Script = tuple[tuple[int, Order], ...]
"""At which length of the journal which command is sent."""


@dataclass
class Scheduled:
    """A source that hands each command out once, in order, as soon as the journal is that long.

    A look ends with a Pause, and the next one is empty, so that the run is seen paused.
    """

    history: History
    script: Script
    given: int = 0
    resting: bool = False

    def commands(self) -> Iterator[Sent]:
        """What is due and was not handed out by this source."""
        if self.resting:
            self.resting = False
            return
        while self.given < len(self.script):
            place, command = self.script[self.given]
            if self.history.length < place:
                return
            self.given += 1
            yield Sent(f"s{self.given}", 0.0, command)
            if isinstance(command, Pause) and self.history.paused:
                self.resting = True
                return

    def interrupted(self) -> bool:
        """Nobody presses Ctrl-C."""
        return False


def heard(records: Iterable[Record]) -> Script:
    """The script that gives the commands of a journal at the very places where they stand in it."""
    return tuple((r.n, r.event.sent.command) for r in records if isinstance(r.event, CommandReceived))


@dataclass
class Limited:
    """Lets no time go by, and does not wait for ever."""

    naps: int = 0

    def __call__(self, _seconds: float) -> None:
        """One nap more."""
        self.naps += 1
        assert self.naps < 1000, "nobody will ever end this pause"


@dataclass
class Steered:
    """A run of a task with scripted models, that a script steers; each `go_on` is a process of its own."""

    task: Task
    answer: Answer
    script: Script = ()
    spec: RunSpec = field(default_factory=toy_spec)
    store: Store = field(default_factory=MemoryStore)
    backends: list[Scripted] = field(default_factory=list)

    def engine(self, backend: Backend | None = None) -> Engine:
        """An engine that begins the run, or goes on with what the store holds."""
        if not any(True for _ in self.store.read()):
            self.store.append(started(self.task, self.spec))
        history = History(self.store.read())
        self.backends.append(Scripted(self.answer))
        asked = backend or self.backends[-1]
        engine = Engine(
            task=self.task,
            history=history,
            store=self.store,
            alternation=plugins.build("alternations", self.spec.alternation),
            scheduler=plugins.build("schedulers", self.spec.scheduler),
            evaluator=Evaluator(
                asked, self.task.scorer, self.task.decoding, 8, clock=lambda: 0.0, embed=letters
            ),
            proposal_backend=asked,
            opener=tiny,
            source=Scheduled(history, self.script),
        )
        engine.steering.sleep = Limited()
        return engine

    def go_on(self) -> History:
        """Go on to the end; the state of the engine that did it."""
        engine = self.engine()
        engine.run()
        return engine.history
