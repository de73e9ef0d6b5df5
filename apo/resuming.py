"""Whether a run that is to be gone on with is still the same run."""

from dataclasses import replace

from apo.errors import ConfigError
from apo.history import History
from apo.spec import Identity, RunSpec, TaskCard, at, difference
from apo.task import Task


def card(task: Task) -> TaskCard:
    """A task in brief, for the journal."""
    return TaskCard(
        name=task.name,
        description=task.description,
        fingerprint=task.fingerprint,
        seed=task.seed,
        sizes=(len(task.train), len(task.dev), len(task.test)),
        max_tokens=task.decoding.max_tokens,
        choices=task.decoding.choices,
    )


def check_same(history: History, spec: RunSpec, task: Task, server: Identity, name: str) -> None:
    """Refuse to go on with a run that has ended, or whose options, task or model have changed.

    Raises:
        ConfigError: naming the first difference.
    """
    if history.finished is not None:
        raise ConfigError(f"The run {name} has finished ({history.finished.reason}); start a new one.")
    check_spec(history.spec, spec, name)
    _check_task(history, task, name)
    found = difference(_decisive(history.server, server), _decisive(server, server))
    if found is not None:
        raise ConfigError(
            f"The run {name} cannot go on: another model answers now. Its {found}. Serve the one that it "
            "began with, or start a new run."
        )


def check_spec(there: RunSpec, here: RunSpec, name: str) -> None:
    """Refuse other options than those that a run began with; how vLLM is reached may change, and where.

    Raises:
        ConfigError: naming the first option that differs.
    """
    found = difference(*map(_without_engine, (at(there, here), here)))
    if found is not None:
        raise ConfigError(
            f"The run {name} was begun with other options: {found}. Use the same ones, or give the new run "
            "another name."
        )


def _without_engine(spec: RunSpec) -> RunSpec:
    other = spec.proposal_model and replace(spec.proposal_model, engine="server")
    return replace(spec, model=replace(spec.model, engine="server"), proposal_model=other)


def _check_task(history: History, task: Task, name: str) -> None:
    there, here = history.task, card(task)
    if there == here:
        return
    found = difference(replace(there, fingerprint=""), replace(here, fingerprint=""))
    if there.sizes != here.sizes:
        found = f"rows of train, dev and test: {there.sizes} there and {here.sizes} here"
    elif found is None:
        changed = [(old, new) for old, new in zip(history.dev, task.dev, strict=True) if old != new]
        found = "train rows, test rows, or how they are scored"
        if changed:
            found = f"dev row {changed[0][0].id!r}: {difference(*changed[0])}"
    raise ConfigError(
        f"The run {name} cannot go on: its task has changed ({found}). Its scores would mix two tasks. "
        "Restore the data, or start a new run."
    )


def _decisive(server: Identity, now: Identity) -> Identity:
    """What must not change; a newer engine, a longer context, and more or fewer servers may."""
    common = set(server.base_url.split()) & set(now.base_url.split())
    where = now.base_url if common else server.base_url
    return Identity(server.model, server.root, where, server.weights, server.template)
