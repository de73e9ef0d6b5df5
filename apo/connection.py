"""From a model's spec to a backend that was seen to answer, and what is behind it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx

from apo.backends.openai import OpenAI
from apo.errors import ConfigError, ServerError, unknown
from apo.serving.command import Options
from apo.serving.server import serve
from apo.serving.weights import Report
from apo.spec import Identity, ModelSpec


@contextmanager
def connect(
    spec: ModelSpec, options: Options, report: Report
) -> Iterator[tuple[OpenAI, Identity, str | None]]:
    """A checked backend, its identity, and the log of its server if apo started that.

    Without a base URL a local vLLM server is used for the length of the block.

    Raises:
        ConfigError: no such model, no key, or vLLM is not installed.
        ServerError: the server does not answer, refuses the key, or does not serve the model.
    """
    if spec.base_url is None:
        with (
            serve(spec.model, options, report) as server,
            _backend(server.base_url, server.api_key, server.model, spec.api_key_env) as (
                backend,
                identity,
            ),
        ):
            yield backend, identity, server.log
    else:
        key = api_key(spec)
        with _backend(spec.base_url, key, spec.model, spec.api_key_env) as (backend, identity):
            yield backend, identity, None


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
            f"The address {_public(spec.base_url)} carries a user name, password or query. Give it "
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
            f"{_public(spec.base_url)}. Set it, or name another with --api-key-env."
        )
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"The API key in {spec.api_key_env} holds characters that no key has.")
    return key or "none"


@contextmanager
def _backend(base_url: str, key: str, model: str, variable: str) -> Iterator[tuple[OpenAI, Identity]]:
    identity = identify(base_url, key, model, variable)
    backend = OpenAI(base_url=base_url, api_key=key, model=model)
    try:
        yield backend, identity
    finally:
        backend.close()


def identify(base_url: str, key: str, model: str, variable: str) -> Identity:
    """What answers at `base_url` under the name `model`.

    Raises:
        ServerError: nothing answers, the key is refused, or the model is not served there.
    """
    where = _public(base_url)
    reply = _get(f"{base_url.rstrip('/')}/models", key, where)
    if reply.status_code in (401, 403):
        raise ServerError(
            f"The server at {where} refuses the API key from {variable} "
            f"(HTTP {reply.status_code}). Set the right key in that variable."
        )
    if reply.status_code != 200:
        raise ServerError(
            f"The server at {where} answers HTTP {reply.status_code} to a list of its models. Is "
            "this an OpenAI-compatible address? It usually ends in /v1."
        )
    try:
        served = {str(entry["id"]): entry for entry in reply.json()["data"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ServerError(
            f"The server at {where} does not answer like an OpenAI-compatible one: its list of "
            "models cannot be read. Check the address; it usually ends in /v1."
        ) from error
    if model not in served:
        raise ServerError(str(unknown(f"model at {where} named", model, served)))
    entry: dict[str, Any] = served[model]
    context = entry.get("max_model_len")
    return Identity(
        model,
        str(entry.get("root") or ""),
        _engine(base_url, key, str(entry.get("owned_by") or "")),
        where,
        context if isinstance(context, int) else None,
    )


def _get(url: str, key: str, where: str) -> httpx.Response:
    try:
        return httpx.get(url, headers={"Authorization": f"Bearer {key}"}, timeout=20)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        raise ServerError(
            f"No model server answers at {where} ({type(error).__name__}). Start it, correct --url, "
            "or leave --url out and apo starts one itself."
        ) from error


def _engine(base_url: str, key: str, owner: str) -> str:
    """The server's software and version; vLLM tells its version beside /v1."""
    if owner != "vllm":
        return owner
    root = base_url.rstrip("/").removesuffix("/v1")
    try:
        reply = httpx.get(f"{root}/version", headers={"Authorization": f"Bearer {key}"}, timeout=20)
        return f"vllm {reply.json()['version']}"
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return owner


def _public(url: str | None) -> str:
    """An address without user name, password or query, which may hold secrets."""
    parts = urlsplit(url or "")
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))
