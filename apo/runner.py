"""One run in this process: its folder, models, engine, people's commands, and the best prompt on disk."""

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial

from apo import __version__, events, plugins, trial
from apo.backends import Backend
from apo.backends.cached import Cached
from apo.backends.completions import Completions, file_in
from apo.backends.patient import Patient
from apo.budget import Forecast
from apo.commands import Sent
from apo.connection import Link, connect
from apo.connection import check as check_model
from apo.engine import Engine, Observer
from apo.errors import ConfigError, RunError
from apo.evaluation import Evaluator
from apo.export import export, write
from apo.failures import first_failure
from apo.forecasting import least_calls, test_calls
from apo.foresight import Overheard, Replies, looking_ahead
from apo.history import History
from apo.resuming import card, check_same
from apo.serving.weights import Report, cache_folder
from apo.spec import Identity, RunSpec
from apo.steering import Nobody, Source
from apo.store import Store
from apo.store.inbox import Inbox
from apo.store.journal import Journal, fold
from apo.store.memory import MemoryStore
from apo.store.runs import RunFolder
from apo.task import Task
from apo.whitebox import Opener, closed, loading

KEEPING = 0.02
"""Share of the time that writing the best prompt may take."""


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a run, ready to answer."""

    task: Link
    proposal: Link
    store: Completions | None = None
    """Answers of earlier runs."""
    opener: Opener = closed
    """Opens the white box."""
    problem: str = ""
    """Why there is no store, though one was asked for."""


@dataclass(frozen=True)
class People:
    """Commands from the run's inbox; `asked` says whether the process should end."""

    inbox: Inbox
    asked: Callable[[], bool]

    def commands(self) -> Sequence[Sent]:
        """What has come since the last look."""
        return self.inbox.new()

    def interrupted(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self.asked()


def check(spec: RunSpec, task: Task) -> None:
    """Refuse what cannot work, before a server is started.

    Raises:
        ConfigError: an unknown component or option, a model that cannot be reached like this, or a
            budget too small for seed and test.
    """
    for name in spec.selectors:
        plugins.build("exemplars", name)
    proposers = [plugins.build("proposers", name) for name in spec.proposers]
    opening = [name for name, p in zip(spec.proposers, proposers, strict=True) if _opens_weights(p)]
    if opening:
        _check_weights(spec, opening[0])
    trial.check(spec, task)
    plugins.build("alternations", spec.alternation)
    plugins.build("schedulers", spec.scheduler)
    plugins.build("surrogates", spec.surrogate)
    plugins.build("acquisitions", spec.acquisition)
    if spec.screen < 1:
        raise ConfigError(f"screen must be at least 1 (nothing is screened), not {spec.screen}.")
    for model in filter(None, (spec.model, spec.proposal_model)):
        check_model(model)
    least = least_calls(task)
    if spec.budget.calls is not None and spec.budget.calls < least:
        raise ConfigError(
            f"A budget of {spec.budget.calls} calls is too small: the seed prompt takes "
            f"{len(task.dev)} (dev) and the sealed test of seed and winner {test_calls(task)}, "
            f"together {least}. Raise --calls, or make the dev and test splits smaller."
        )


def _opens_weights(component: object) -> bool:
    return bool(getattr(component, "opens_weights", False))


def _check_weights(spec: RunSpec, component: str) -> None:
    """Refuse a component whose white box cannot be opened."""
    try:
        loading.check(spec.whitebox, spec.model.model, lambda _: None)
    except ConfigError as error:
        raise ConfigError(
            f"{component!r} looks into a model's weights, so it needs them on this machine. {error}"
        ) from error


@contextlib.contextmanager
def connected(spec: RunSpec, report: Report) -> Iterator[Models]:
    """The models that a spec names; a server that apo starts is shared by both roles.

    Raises:
        ConfigError, ServerError: see `apo.connection.connect`.
    """
    with contextlib.ExitStack() as stack:
        link = stack.enter_context(connect(spec.model, report))
        other = spec.proposal_model
        proposal = link
        if other is not None and other != spec.model:
            proposal = stack.enter_context(connect(other, report))
        store, problem = None, ""
        if spec.cache:
            try:
                store = stack.enter_context(Completions(file_in(cache_folder())))
            except ConfigError as error:
                problem = f"{error} The run goes on without it."
        weights = loading.opener(spec.whitebox, spec.model.model, report)
        yield Models(link, proposal, store, weights, problem)


def go_on(
    folder: RunFolder,
    task: Task,
    models: Models,
    *observers: Observer,
    interrupted: Callable[[], bool] = lambda: False,
) -> None:
    """Begin the run of a folder that this process has locked, or go on with it, to its end.

    Each event is shown to the observers once it is written.

    Raises:
        ConfigError: the folder cannot be written, the run has ended, or it is not the same run any more.
        RunError: the run could not go on; what was paid for is in the journal.
        KeyboardInterrupt: it was interrupted, and can be resumed.
    """
    spec = folder.spec()
    history = History()
    with closing(Journal(folder.journal, fold=partial(fold, history))) as journal:
        if history.started is not None:
            check_same(history, spec, task, models.task.identity, folder.name)
        if models.task.log is not None:
            folder.engine_log.unlink(missing_ok=True)
            folder.engine_log.symlink_to(models.task.log)
        people = People(Inbox(folder.inbox), interrupted)
        engine = _engine(spec, task, models, history, journal, _each(_KeepBest(folder), *observers), people)
        _open(engine, spec, models.task.identity)
        if models.problem:
            engine.emit(events.ProblemReported(message=models.problem))
        engine.run()


def _open(engine: Engine, spec: RunSpec, server: Identity) -> None:
    """The first event of a run, or of going on with one."""
    history, task = engine.history, engine.task
    if history.started is None:
        began = events.RunStarted(spec=spec, task=card(task), dev=task.dev, server=server, apo=__version__)
        engine.emit(began)
        return
    engine.emit(events.RunResumed(server=server, apo=__version__))
    engine.steering.catch_up()
    if history.lost:
        engine.emit(events.ServerBack())
    if history.paused:
        engine.emit(events.RunContinued())


def dry_run(spec: RunSpec, task: Task, models: Models) -> Forecast:
    """Evaluate the seed on its first rows and say what the run would use; keeps nothing."""
    live = replace(models, store=None)  # what is kept tells nothing of the server's speed
    engine = _engine(spec, task, live, History(), MemoryStore(clock=time.time), _each(), Nobody())
    _open(engine, spec, models.task.identity)
    engine.probe()
    if engine.history.forecast is None:
        why = first_failure(engine.history)
        raise RunError(f"The first rows got no answer, so there is no forecast. {why}")
    return engine.history.forecast


def _engine(
    spec: RunSpec,
    task: Task,
    models: Models,
    history: History,
    store: Store,
    observer: Observer,
    source: Source,
) -> Engine:
    def backend(link: Link) -> Backend:
        patient = Patient(link.backend, spec.patience, link.revive, tell=lambda why: engine.heed(why))
        kept = models.store
        return patient if kept is None else Cached(patient, kept.register(link.identity), kept)

    task_backend, replies = backend(models.task), Replies()
    engine = Engine(
        task=task,
        history=history,
        store=store,
        alternation=plugins.build("alternations", spec.alternation),
        scheduler=plugins.build("schedulers", spec.scheduler),
        surrogate=plugins.build("surrogates", spec.surrogate),
        evaluator=Evaluator(task_backend, task.scorer, task.decoding, ending=_ending(models.task)),
        proposal_backend=Overheard(backend(models.proposal), replies, lambda: engine.look_ahead(engine)),
        opener=models.opener,
        observer=observer,
        source=source,
        look_ahead=_look_ahead(models, task_backend, replies),
    )
    for link in (models.task, models.proposal):
        link.listen(lambda news: engine.emit(events.ProblemReported(message=news)))
    return engine


def _ending(link: Link) -> Callable[[], bool]:
    ahead = link.ahead
    return lambda: ahead is not None and ahead.ending


def _look_ahead(models: Models, backend: Backend, replies: Replies) -> Callable[[Engine], None]:
    """What is expected of a server that has time; what is kept already need not be expected."""
    ahead = models.task.ahead
    if ahead is None:
        return lambda _engine: None
    known = backend.knows if isinstance(backend, Cached) else lambda _request: False
    return looking_ahead(ahead, known, replies, alike=models.proposal is models.task)


def _each(*observers: Observer) -> Observer:
    def observe(history: History, record: events.Record) -> None:
        for one in observers:
            one(history, record)

    return observe


@dataclass
class _KeepBest:
    """Writes `best.json` as soon as anything is scored, after steps, and at the end.

    It takes a look at every candidate, so after steps that leave the same one leading it is written only as
    often as takes no more than KEEPING of the time.
    """

    folder: RunFolder
    leading: str = ""
    due: float = 0.0

    def __call__(self, history: History, record: events.Record) -> None:
        """One more event."""
        ended = isinstance(record.event, events.TestScored | events.RunFinished)
        if not ended and not isinstance(record.event, events.StepFinished) and self.folder.best.exists():
            return
        leading, now = history.leading(), time.monotonic()
        if leading is None or (leading.id == self.leading and now < self.due and not ended):
            return
        try:
            write(export(history, self.folder.name), self.folder.best)
        except ConfigError as error:
            raise RunError(f"{error} Set that right, then go on with `apo resume`.") from error
        self.leading, written = leading.id, time.monotonic()
        self.due = written + (written - now) / KEEPING
