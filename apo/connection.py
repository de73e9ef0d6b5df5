"""From a model's spec to a backend that was seen to answer, and what is behind it."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from apo.backends import Backend
from apo.backends.openai import OpenAI
from apo.errors import ConfigError
from apo.identity import identify, public
from apo.serving import command
from apo.serving.command import Options
from apo.serving.server import obtain, serve
from apo.serving.weights import Report, resolve
from apo.spec import Identity, ModelSpec


@dataclass(frozen=True, slots=True)
class Link:
    """A model that answers."""

    backend: Backend
    identity: Identity
    log: str | None = None
    """Path of the server's log, if apo started it."""
    revive: Callable[[], None] = lambda: None
    """Starts the server again if apo started it and it is gone."""


@contextmanager
def connect(spec: ModelSpec, report: Report) -> Iterator[Link]:
    """A checked backend, its identity, and the log of its server if apo started that.

    Without a base URL a local vLLM server is used for the length of the block.

    Raises:
        ConfigError: no such model, no key, or vLLM is not installed.
        ServerError: the server does not answer, refuses the key, or does not serve the model.
    """
    if spec.base_url is not None:
        key = api_key(spec)
        identity = identify(spec.base_url, key, spec.model, spec.api_key_env)
        with _backend(spec.base_url, key, spec.model) as backend:
            yield Link(backend, identity)
        return
    options = Options(spec.context, spec.eager)
    with serve(spec.model, options, report) as server:
        identity = identify(server.base_url, server.api_key, server.model, spec.api_key_env)
        # The port changes with every start; what tells two such servers apart is what they serve.
        weights = command.stamp(resolve(spec.model, report))
        identity = replace(identity, base_url="", weights=weights)
        with _backend(server.base_url, server.api_key, server.model) as backend:

            def revive() -> None:
                again = obtain(spec.model, options, report)
                backend.move(again.base_url, again.api_key)

            yield Link(backend, identity, server.log, revive)


def check(spec: ModelSpec) -> None:
    """Refuse, before anything is started, an address that is none or holds a secret, or a missing key.

    Raises:
        ConfigError: addresses are written to the journal, so secrets must not be in them.
    """
    if spec.base_url is None:
        return
    try:
        parts = urlsplit(spec.base_url)
        whole = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
    except ValueError:
        whole = False
    if not whole:
        raise ConfigError(f"{spec.base_url!r} is no address of a server, such as http://host:8000/v1.")
    if parts.username or parts.password or parts.query:
        raise ConfigError(
            f"The address {public(spec.base_url)} carries a user name, password or query. Give it "
            "without them, and the key in an environment variable (--api-key-env)."
        )
    api_key(spec)


def api_key(spec: ModelSpec) -> str:
    """The key from the environment; a server on this machine may need none."""
    key = os.environ.get(spec.api_key_env, "")
    host = urlsplit(spec.base_url or "").hostname
    if not key and host not in ("localhost", "127.0.0.1", "::1"):
        raise ConfigError(
            f"The environment variable {spec.api_key_env} is not set, so there is no API key for "
            f"{public(spec.base_url)}. Set it, or name another with --api-key-env."
        )
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"The API key in {spec.api_key_env} holds characters that no key has.")
    return key or "none"


@contextmanager
def _backend(base_url: str, key: str, model: str) -> Iterator[OpenAI]:
    backend = OpenAI(base_url=base_url, api_key=key, model=model)
    try:
        yield backend
    finally:
        backend.close()
