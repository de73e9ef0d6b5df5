"""From a model's spec to a backend that was seen to answer, and what is behind it."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

import msgspec

from apo.backends import Backend
from apo.backends.ahead import Ahead
from apo.backends.concurrency import Concurrency
from apo.backends.dealing import Server
from apo.backends.fleet import Fleet
from apo.backends.frames import Ready
from apo.backends.openai import TIMEOUT, OpenAI
from apo.backends.retries import Retries
from apo.backends.vllm import VLLM
from apo.candidate import Failure
from apo.errors import ConfigError, ServerError, SilentError
from apo.identity import check_alike, digest, identify, joined, public
from apo.serving import command, owned
from apo.serving.command import Options
from apo.serving.server import BEFORE, LOG, chosen, obtain, serve
from apo.serving.weights import Report, resolve
from apo.spec import Identity, ModelSpec

QUEUED = 3600.0
"""Seconds that an answer may take where all are asked at once, so that most wait in the server's queue."""


@dataclass(frozen=True, slots=True)
class Link:
    """A model that answers."""

    backend: Backend
    identity: Identity
    log: str | None = None
    """Path of the server's log, if apo started it."""
    revive: Callable[[], None] = lambda: None
    """Starts the server again if apo started it and it is gone."""
    ahead: Ahead | None = None
    """Takes requests that will probably be wanted, if the server's idle time costs nobody anything."""
    listen: Callable[[Report], None] = lambda _told: None
    """Names who is told when one of several servers is lost, and when it answers again."""


@contextmanager
def connect(spec: ModelSpec, report: Report) -> Iterator[Link]:
    """A checked backend, its identity, and the log of its server if apo started that.

    Several addresses are asked together. Without one a local vLLM is used for the length of the block.

    Raises:
        ConfigError: no such model, no key, or vLLM is not installed.
        ServerError: the server or engine does not start or answer, refuses the key, or does not serve the
            model.
    """
    if spec.more_urls:
        with _connect_all(spec, report) as link:
            yield link
        return
    if spec.base_url is not None:
        key = api_key(spec)
        identity = identify(spec.base_url, key, spec.model, spec.api_key_env)
        with _backend(spec.base_url, key, spec.model) as backend:
            yield Link(backend, identity)
        return
    with local(spec, chosen(spec.model, spec.context, spec.eager, report), report) as link:
        yield link


@contextmanager
def local(spec: ModelSpec, options: Options, report: Report, at_once: int | None = None) -> Iterator[Link]:
    """vLLM on this machine: an engine of this run's own, or the server that runs share.

    Args:
        spec: which model, and which of the two.
        options: how it is started, whatever settings are remembered.
        report: told what is being waited for.
        at_once: how many requests a server is sent at once; None: that is found out.

    Raises:
        ConfigError, ServerError: see `connect`.
    """
    with ExitStack() as stack:
        yield _started(spec, options, report, stack, at_once)


def _started(
    spec: ModelSpec, options: Options, report: Report, stack: ExitStack, at_once: int | None
) -> Link:
    if spec.engine != "server":
        try:
            link = stack.enter_context(_own_engine(spec, options, report))
        except ServerError as error:
            if spec.engine == "inprocess":
                raise
            report(f"{str(error).splitlines()[0]} Trying a server")
        else:
            if link is not None:
                return link
    return stack.enter_context(_served(spec, options, report, at_once))


@contextmanager
def _served(spec: ModelSpec, options: Options, report: Report, at_once: int | None) -> Iterator[Link]:
    """The server that all runs of this user share, started if it does not run."""
    with serve(spec.model, options, report) as server:
        identity = identify(server.base_url, server.api_key, server.model, spec.api_key_env)
        # The port changes with every start; what tells two such servers apart is what they serve.
        weights = command.stamp(resolve(spec.model, report))
        identity = replace(identity, base_url="", weights=weights)
        with (
            _backend(server.base_url, server.api_key, server.model, at_once=at_once) as backend,
            closing(_ahead(backend)) as ahead,
        ):

            def revive() -> None:
                again = obtain(spec.model, options, report)
                backend.move(again.base_url, again.api_key)

            yield Link(ahead, identity, server.log, revive, ahead)


@contextmanager
def _connect_all(spec: ModelSpec, report: Report) -> Iterator[Link]:
    """Several servers as one; those that do not answer now are used once they do.

    Raises:
        ServerError: none answers, one refuses the key or does not serve the model, or two differ.
    """
    key = api_key(spec)
    found: dict[str, Identity] = {}
    silent: dict[str, SilentError] = {}
    for url in spec.urls:
        try:
            found[url] = identify(url, key, spec.model, spec.api_key_env)
        except SilentError as error:
            silent[url] = error
    if not found:
        raise silent[spec.urls[0]]
    known = list(found.values())
    check_alike(known)

    def look(url: str) -> Failure | None:
        try:
            check_alike([known[0], identify(url, key, spec.model, spec.api_key_env)])
        except SilentError as error:
            return _silent(error)
        except ServerError as error:
            return Failure("model", str(error))
        return None

    with ExitStack() as stack:
        servers = []
        for url in spec.urls:
            # Another server is asked soon, so this one is not asked again and again.
            backend = stack.enter_context(_backend(url, key, spec.model, Retries(attempts=2)))
            lost = _silent(silent[url]) if url in silent else None
            servers.append(Server(public(url), backend, partial(look, url), lost))
        fleet = Fleet(servers, report)
        stack.callback(fleet.close)

        def listen(told: Report) -> None:
            fleet.tell = told

        yield Link(fleet, joined(known, spec.urls), listen=listen)


def _silent(error: SilentError) -> Failure:
    """The same as a failure, without what to do about it: the run goes on."""
    return Failure("connection", str(error).partition(". ")[0])


@contextmanager
def _own_engine(spec: ModelSpec, options: Options, report: Report) -> Iterator[Link | None]:
    """The same engine as behind a server of apo's, with the same identity, in a process of this run's own.

    None where `auto` finds the server better.
    """
    hold = owned.hold_if_faster if spec.engine == "auto" else owned.hold
    with hold(spec.model, options, report) as folder, ExitStack() as engine:
        if folder is None:
            yield None
            return
        weights = resolve(spec.model, report)

        def begin() -> tuple[Connection, Ready]:
            engine.close()  # what ran before is stopped, if it has not ended
            connection, first = engine.enter_context(owned.started(folder, spec.model, options, report))
            return connection, msgspec.msgpack.decode(first, type=Ready)

        connection, ready = begin()
        identity = Identity(
            model=weights.name,
            root=weights.source,
            weights=command.stamp(weights),
            template=digest(ready.probe) if ready.probe else "",
            engine=f"vllm {ready.version}",
            context=ready.context,
        )
        enough = busy_with(ready.batch)
        with closing(VLLM(connection, ready)) as backend, closing(Ahead(backend, lambda: enough)) as ahead:

            def revive() -> None:
                if backend.lost:
                    report(f"vLLM has ended; what it said is kept in {folder / BEFORE}")
                    backend.move(begin()[0])

            yield Link(ahead, identity, str(folder / LOG), revive, ahead)


def check(spec: ModelSpec) -> None:
    """Refuse, before anything is started, an address that is none or holds a secret, or a missing key.

    Raises:
        ConfigError: addresses are written to the journal, so secrets must not be in them.
    """
    if spec.base_url is not None and spec.engine == "inprocess":
        raise ConfigError(
            f"The engine `inprocess` is vLLM in this run's own care, and {public(spec.base_url)} is the "
            "address of a server. Leave out --engine, or --url."
        )
    for url in spec.urls:
        _check_address(url)
    if spec.urls:
        api_key(spec)


def _check_address(url: str) -> None:
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        whole = False
    if not whole or url.split() != [url]:
        raise ConfigError(f"{url!r} is no address of a server, such as http://host:8000/v1.")
    if parts.username or parts.password or parts.query:
        raise ConfigError(
            f"The address {public(url)} carries a user name, password or query. Give it "
            "without them, and the key in an environment variable (--api-key-env)."
        )


def api_key(spec: ModelSpec) -> str:
    """The key from the environment; a server on this machine may need none."""
    key = os.environ.get(spec.api_key_env, "")
    own = ("localhost", "127.0.0.1", "::1")
    far = [url for url in spec.urls if urlsplit(url).hostname not in own]
    if not key and far:
        raise ConfigError(
            f"The environment variable {spec.api_key_env} is not set, so there is no API key for "
            f"{public(far[0])}. Set it, or name another with --api-key-env."
        )
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"The API key in {spec.api_key_env} holds characters that no key has.")
    return key or "none"


def _ahead(backend: OpenAI) -> Ahead:
    """An eighth of what is in flight at most keeps a server busy, as long as prompts come in."""
    return Ahead(backend, enough=lambda: max(1, backend.concurrency.limit // 8))


def busy_with(batch: int) -> int:
    """How many requests under way keep an engine busy that computes a batch of so many at once."""
    # A CPU is busy with 8, be its batch vLLM's 256 or a smaller one that apo tune-engine found; of less than
    # 32 a quarter leaves room for what is wanted now. A GPU's batch of 1024 needs more.
    return max(1, min(8, batch // 4), batch // 32)


@contextmanager
def _backend(
    base_url: str, key: str, model: str, retries: Retries | None = None, at_once: int | None = None
) -> Iterator[OpenAI]:
    backend = OpenAI(
        base_url=base_url,
        api_key=key,
        model=model,
        retries=retries,
        concurrency=None if at_once is None else Concurrency(at_once, at_once),
        timeout=TIMEOUT if at_once is None else QUEUED,
    )
    try:
        yield backend
    finally:
        backend.close()
