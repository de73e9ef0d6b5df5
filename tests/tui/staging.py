"""Runs in every state, as events, and an application that shows them without a folder or a clock."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from apo import events
from apo.budget import Budget, Forecast
from apo.candidate import Candidate
from apo.events import Event, Record, to_json
from apo.export import export
from apo.export import write as write_export
from apo.history import History
from apo.prompt import Exemplar, Prompt
from apo.spec import Identity
from apo.store.memory import MemoryStore
from apo.store.runs import RunFolder
from apo.task import Example, Score
from tests.helpers import evaluation, run_engine, skilled, started, toy_spec, toy_task
from tui.app import Apo
from tui.run_screen import RunScreen
from tui.tail import Batch
from tui.watched import Facts
from tui.watching import Found

SIZES = {"wide": (120, 40), "narrow": (80, 24)}
FOLDER = RunFolder(Path("results/2026-11-20-toy-01"))
LIVE = Facts(live=True)
HOSTILE = (
    "Answer [/foo] in list[int], [bold red]not markup[/bold red] [link=file:///x]y[/link]\n"
    "\x1b[31mred\x1b]0;title\x07 \x9b2J nul\x00 bell\x07 back\x08\r over\n"
    "bidi \u202eevil\u202c zero\u200bwidth \ufeff wide 日本語 emoji 👩‍👩‍👧 é e\u0301 {braces} $vars \\[/]"
)
"""All that could be mistaken for something else than text."""


class Ticking:
    """A clock that moves a little at each look."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        """The next time."""
        self.now += 1.7
        return self.now


@cache
def whole() -> tuple[Record, ...]:
    """The journal of a whole search, 40 rows a split."""
    task, store = toy_task(120), MemoryStore(clock=Ticking())
    run_engine(task, toy_spec(budget=Budget(calls=900)), skilled(task), store)
    return tuple(store.records)


@cache
def half() -> tuple[Record, ...]:
    """The same, cut in the middle of a step."""
    place = next(r.n for r in whole() if isinstance(r.event, events.StepStarted) and r.event.step == 5)
    return whole()[: place + 6]


def after(records: Sequence[Record], *facts: Event) -> tuple[Record, ...]:
    """Records with more events behind them."""
    last = records[-1] if records else Record(-1, 1_000_000.0, events.RunPaused())
    more = (Record(last.n + n, last.t + 2 * n, fact) for n, fact in enumerate(facts, 1))
    return (*records, *more)


@cache
def failing() -> tuple[Record, ...]:
    """A run in which requests fail."""
    seed = toy_task().seed
    one = Candidate("c1", Prompt("Say the colour of the ball."), ("c0",), "opro", "instruction", "A hunch.")
    done = [evaluation(c, row.id, 1.0) for c in ("c0", "c1") for row in toy_task().dev[:12]]
    lost = [evaluation("c1", row.id, None) for row in toy_task().dev[12:15]]
    return after(
        (),
        started(toy_task(), toy_spec()),
        events.StepStarted(step=0, side=None, component="seed"),
        events.CandidatesProposed(step=0, candidates=(Candidate("c0", seed), one)),
        events.EvaluationsFinished(evaluations=(*done, *lost)),
        events.ProblemReported(message="3 requests timed out [/oops]"),
    )


@cache
def hostile() -> tuple[Record, ...]:
    """A run whose every text tries to be something else than text."""
    task = toy_task()
    rows = (Example("row-[/a]", HOSTILE, "[/b]\x1b[2J"), *task.dev[1:])
    seed = Prompt(HOSTILE, (Exemplar(HOSTILE, "x" * 200_000), Exemplar(HOSTILE, HOSTILE)))
    child = Candidate("c1", Prompt(HOSTILE * 2, seed.exemplars[:1]), ("c0",), "[/o]", "instruction", HOSTILE)
    long = evaluation("c1", rows[0].id, 0.0, output="y\x1b[5m" * 50_000)
    done = [evaluation(c, row.id, 1.0, output=HOSTILE) for c in ("c0", "c1") for row in rows[1:]]
    first = evaluation("c0", rows[0].id, 0.5, score=Score(0.5, HOSTILE, HOSTILE))
    begun = started(replace(task, dev=rows, name="toy[/]\x1b[31m"), toy_spec())
    return after(
        (),
        msg(begun),
        events.StepStarted(step=0, side=None, component="seed"),
        events.CandidatesProposed(step=0, candidates=(Candidate("c0", seed), child), problem=HOSTILE),
        events.EvaluationsFinished(evaluations=(first, long, *done)),
        events.StepFinished(step=0, gain=0.0, calls=40),
        events.ProblemReported(message=HOSTILE),
        events.ServerLost(message=HOSTILE),
    )


def msg(begun: events.RunStarted) -> events.RunStarted:
    """The first event with a server whose name is hostile too."""
    return events.RunStarted(
        spec=begun.spec, task=begun.task, dev=begun.dev, server=Identity("m[/x]\x1b[1m"), apo="test"
    )


def forecast() -> events.ForecastMade:
    """A forecast."""
    return events.ForecastMade(forecast=Forecast(600, 60_000, 600, 300.0, 16))


STATES: dict[str, Callable[[], tuple[tuple[Record, ...], Facts]]] = {
    "starting": lambda: ((), replace(LIVE, output="Waiting for vLLM: loading the weights")),
    "begun": lambda: (half()[:2], LIVE),
    "running": lambda: (half(), LIVE),
    "paused": lambda: (after(half(), events.RunPaused()), LIVE),
    "waiting": lambda: (after(half(), events.ServerLost(message="Connection refused.")), LIVE),
    "stopped": lambda: (half(), Facts(log=("INFO loading", "ERROR out of memory"))),
    "unbegun": lambda: ((), Facts(log=("apo: no such model",))),
    "finished": lambda: (whole(), Facts()),
    "gone": lambda: (half(), Facts(there=False)),
    "failing": lambda: (failing(), LIVE),
    "hostile": lambda: (hostile(), LIVE),
}
"""Every state of a run, with what its folder tells."""

DIALOGS = {
    "stop": "x",
    "ban": "j,B",
    "budget": "b",
    "edit": "e",
    "help": "question_mark",
    "detail": "j,enter",
    "examples": "j,3",
    "diff": "j,d",
    "plot": "4",
    "events": "5",
    "filter": "slash,c,1",
}
"""Keys that open what is shown over, or instead of, a running search."""


class Staged(Apo):
    """Shows records at the time of the last one; nothing moves by itself."""

    def __init__(
        self, records: Sequence[Record], facts: Facts = LIVE, folder: RunFolder = FOLDER, light: bool = False
    ) -> None:
        self.records, self.facts, self.shown = tuple(records), facts, folder
        now = self.records[-1].t if self.records else 1_000_000.0
        super().__init__(folder, light=light, clock=lambda: now)
        self.animation_level = "none"

    def first(self) -> RunScreen:
        """A screen that follows nothing."""
        return RunScreen(self.shown, None, self.clock, follow=False)

    @property
    def run_screen(self) -> RunScreen:
        """The run's screen, whatever is in front of it."""
        return next(s for s in self.screen_stack if isinstance(s, RunScreen))

    def open_first(self) -> None:
        """Not yet: `on_ready` does it, which a test waits for."""

    async def on_ready(self) -> None:
        """Show what there is."""
        await self.push_screen(self.first(), self.exit)
        self.feed(self.records, self.facts)

    def feed(self, records: Sequence[Record], facts: Facts | None = None) -> None:
        """More events."""
        self.run_screen.take(Found(Batch(tuple(records)), facts))
        self.run_screen.draw_status()
        self.run_screen.draw()


def staged(state: str, folder: RunFolder = FOLDER) -> Staged:
    """The application in a state."""
    return Staged(*STATES[state](), folder=folder)


def text_of(app: Apo) -> str:
    """What is on the screen, as text."""
    width, height = app.size
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(s.text for s in strip)[:width].rstrip() for strip in strips[:height])


def fill(results: Path) -> None:
    """Write a finished run, a stopped one, one that never began, and a broken one, the last the newest."""
    for name, records in (("done", whole()), ("cut", half())):
        folder = RunFolder(results / name)
        folder.path.mkdir(parents=True)
        folder.write_spec(toy_spec())
        folder.journal.write_bytes(b"".join(to_json(r) + b"\n" for r in records))
        write_export(export(History(records), name), folder.best)
    for name in ("unbegun", "broken"):
        folder = RunFolder(results / name)
        folder.path.mkdir()
        folder.write_spec(toy_spec())
    (results / "broken" / "best.json").write_text("[/nonsense]", encoding="utf-8")
