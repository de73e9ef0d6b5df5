"""What answers at an address: model, weights, engine, chat template; enough to tell two servers apart."""

import hashlib
import json
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx2
from msgspec.structs import asdict

from apo.backends.frames import PROBE
from apo.backends.replies import LEAST_SECRET
from apo.errors import ServerError, SilentError, unknown
from apo.spec import Identity, difference

SECONDS = 20.0
"""Most time for a question about the server itself."""
MOST_BYTES = 4 * 1024 * 1024


def identify(base_url: str, key: str, model: str, variable: str) -> Identity:
    """What answers at `base_url` under the name `model`.

    Raises:
        SilentError: nothing answers.
        ServerError: the key is refused, or the model is not served there.
    """
    where = public(base_url)
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
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ServerError(
            f"The server at {where} does not answer like an OpenAI-compatible one: its list of "
            "models cannot be read. Check the address; it usually ends in /v1."
        ) from error
    if model not in served:
        raise ServerError(str(unknown(f"model at {where} named", model, served)))
    entry: dict[str, Any] = served[model]
    context = entry.get("max_model_len")
    owner = str(entry.get("owned_by") or "")
    return Identity(
        model=model,
        root=str(entry.get("root") or ""),
        base_url=where,
        template=_template(base_url, key, model) if owner == "vllm" else "",
        engine=_engine(base_url, key) if owner == "vllm" else owner,
        context=context if isinstance(context, int) else None,
    )


def check_alike(servers: Sequence[Identity]) -> None:
    """Refuse servers that do not all serve the same model.

    Raises:
        ServerError: naming the first one that differs, and in what.
    """
    for server in servers[1:]:
        found = difference(*(replace(s, base_url="", engine="", context=None) for s in (servers[0], server)))
        if found is not None:
            here = found.replace(" there and ", f" at {servers[0].base_url} and ").removesuffix(" here")
            raise ServerError(
                f"All servers of a run must serve the same model, but {here} at {server.base_url}. Leave one "
                "of the two out, or let it serve what the other does."
            )


def joined(servers: Sequence[Identity], urls: Sequence[str]) -> Identity:
    """Several servers of one model as one, at all the addresses of a run, whichever of them answer now.

    In whatever order they are named, it is the same identity.
    """
    contexts = [server.context for server in servers if server.context is not None]
    return replace(
        servers[0],
        base_url=" ".join(sorted(map(public, urls))),
        engine=", ".join(sorted({server.engine for server in servers})),
        context=min(contexts) if contexts else None,
    )


def _get(url: str, key: str, where: str) -> httpx2.Response:
    try:
        return _fetch("GET", url, key)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise SilentError(
            f"No model server answers at {where} ({type(error).__name__}). Start it, correct --url, "
            "or leave --url out and apo starts one itself."
        ) from error
    except EndlessError as error:
        raise ServerError(
            f"The server at {where} sends a list of its models that is {error}. Is this an "
            "OpenAI-compatible address? It usually ends in /v1."
        ) from error


class EndlessError(Exception):
    """A reply goes on and on."""


def _fetch(method: str, url: str, key: str, body: Any = None) -> httpx2.Response:
    """One reply, read up to a size and a time that no such reply needs.

    Raises:
        httpx2.HTTPError, httpx2.InvalidURL: no reply.
        EndlessError: more than MOST_BYTES, or more than SECONDS.
    """
    headers, deadline = {"Authorization": f"Bearer {key}"}, time.monotonic() + SECONDS
    with (
        httpx2.Client(timeout=SECONDS) as client,
        client.stream(method, url, headers=headers, json=body) as reply,
    ):
        content = bytearray()
        for part in reply.iter_raw():
            content += part
            if len(content) > MOST_BYTES:
                raise EndlessError(f"larger than {MOST_BYTES >> 20} MB")
            if time.monotonic() > deadline:
                raise EndlessError(f"not complete after {SECONDS:.0f} seconds")
        # What a server says of itself is kept, and a server may repeat the key.
        told = bytes(content).replace(key.encode(), b"***") if len(key) >= LEAST_SECRET else bytes(content)
        return httpx2.Response(reply.status_code, headers=reply.headers, content=told)


def _engine(base_url: str, key: str) -> str:
    """vLLM with its version, which it tells beside /v1."""
    try:
        return f"vllm {_fetch('GET', f'{_root(base_url)}/version', key).json()['version']}"
    except (httpx2.HTTPError, EndlessError, ValueError, KeyError, TypeError, RecursionError):
        return "vllm"


def _template(base_url: str, key: str, model: str) -> str:
    """Digest of the tokens that vLLM makes of a fixed chat, or nothing."""
    messages = [asdict(message) for message in PROBE]
    body = {"model": model, "messages": messages, "add_generation_prompt": True}
    try:
        return digest(_fetch("POST", f"{_root(base_url)}/tokenize", key, body).json()["tokens"])
    except (httpx2.HTTPError, EndlessError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def digest(tokens: Sequence[int]) -> str:
    """What tells chat template and tokenizer, from the tokens of PROBE: 16 hex digits."""
    return hashlib.sha256(json.dumps(tokens).encode()).hexdigest()[:16]


def _root(base_url: str) -> str:
    return base_url.rstrip("/").removesuffix("/v1")


def public(url: str | None) -> str:
    """An address without user name, password or query, which may hold secrets."""
    parts = urlsplit(url or "")
    host = parts.hostname or ""
    port = f":{parts.port}" if parts.port else ""
    return urlunsplit((parts.scheme, host + port, parts.path, "", ""))
