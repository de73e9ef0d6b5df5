"""One run in this process: task, server, folder, engine, and the best prompt always on disk."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass

from apo import __version__, events, plugins
from apo.backends import Backend
from apo.budget import Forecast
from apo.connection import check as check_model
from apo.connection import connect
from apo.engine import Engine, Observer
from apo.errors import ConfigError, RunError
from apo.evaluation import Evaluator
from apo.export import export, write
from apo.forecasting import least_calls, test_calls
from apo.history import History
from apo.serving.command import Options
from apo.serving.weights import Report
from apo.spec import Identity, RunSpec, TaskCard
from apo.store import Store
from apo.store.journal import Journal
from apo.store.memory import MemoryStore
from apo.store.runs import RunFolder
from apo.task import Task


@dataclass(frozen=True, slots=True)
class Connection:
    """The models of a run, ready to answer."""

    task_backend: Backend
    proposal_backend: Backend
    server: Identity
    log: str | None


def check(spec: RunSpec, task: Task) -> None:
    """Refuse what cannot work, before a server is started.

    Raises:
        ConfigError: an unknown component or option, a model that cannot be reached like this, or a
            budget too small for seed and test.
    """
    for name in spec.selectors:
        plugins.build("exemplars", name)
    for name in spec.proposers:
        plugins.build("proposers", name)
    plugins.build("schedulers", spec.scheduler)
    for model in filter(None, (spec.model, spec.proposal_model)):
        check_model(model)
    least = least_calls(task)
    if spec.budget.calls is not None and spec.budget.calls < least:
        raise ConfigError(
            f"A budget of {spec.budget.calls} calls is too small: the seed prompt takes "
            f"{len(task.dev)} (dev) and the sealed test of seed and winner {test_calls(task)}, "
            f"together {least}. Raise --calls, or make the dev and test splits smaller."
        )


@contextlib.contextmanager
def connected(spec: RunSpec, options: Options, report: Report) -> Iterator[Connection]:
    """The models that a spec names; a server that apo starts is shared by both roles.

    Raises:
        ConfigError, ServerError: see `apo.connection.connect`.
    """
    with contextlib.ExitStack() as stack:
        backend, server, log = stack.enter_context(connect(spec.model, options, report))
        other = spec.proposal_model
        proposal = backend
        if other is not None and other != spec.model:
            proposal, _, _ = stack.enter_context(connect(other, options, report))
        yield Connection(backend, proposal, server, log)


def start(spec: RunSpec, task: Task, connection: Connection, folder: RunFolder, *observers: Observer) -> None:
    """Do a whole run in a new folder; each event is shown to the observers once it is written.

    Raises:
        ConfigError: the folder cannot be written.
        RunError: the run began and could not go on.
    """
    lock = folder.lock()
    journal = Journal(folder.journal)
    try:
        if connection.log is not None:
            folder.engine_log.symlink_to(connection.log)
        _engine(spec, task, connection, journal, _each(_keep_best(folder), *observers)).run()
    finally:
        journal.close()
        os.close(lock)


def dry_run(spec: RunSpec, task: Task, connection: Connection) -> Forecast:
    """Evaluate the seed on its first rows and say what the run would use; keeps nothing."""
    engine = _engine(spec, task, connection, MemoryStore(clock=time.time), _each())
    engine.probe()
    if engine.history.forecast is None:
        raise RunError(f"The first rows got no answer, so there is no forecast. {engine.first_failure()}")
    return engine.history.forecast


def _engine(spec: RunSpec, task: Task, connection: Connection, store: Store, observer: Observer) -> Engine:
    history = History()
    started = events.RunStarted(
        spec=spec, task=card(task), dev=task.dev, server=connection.server, apo=__version__
    )
    record = store.append(started)
    history.apply(record)
    observer(history, record)
    return Engine(
        task=task,
        history=history,
        store=store,
        scheduler=plugins.build("schedulers", spec.scheduler),
        evaluator=Evaluator(connection.task_backend, task.scorer, task.decoding),
        proposal_backend=connection.proposal_backend,
        observer=observer,
    )


def card(task: Task) -> TaskCard:
    """A task in brief, for the journal."""
    return TaskCard(
        task.name,
        task.description,
        task.fingerprint,
        task.seed,
        (len(task.train), len(task.dev), len(task.test)),
        task.decoding.max_tokens,
        task.decoding.choices,
    )


def _each(*observers: Observer) -> Observer:
    def observe(history: History, record: events.Record) -> None:
        for one in observers:
            one(history, record)

    return observe


def _keep_best(folder: RunFolder) -> Observer:
    """Write `best.json` after each chunk, from the first scored candidate on."""
    telling = (events.EvaluationsFinished, events.TestScored, events.RunFinished)

    def observe(history: History, record: events.Record) -> None:
        if isinstance(record.event, telling) and history.leading() is not None:
            write(export(history, folder.name), folder.best)

    return observe
