"""Reading what the `openai` client brings back: replies become completions, errors become failures."""

from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import httpx2
import openai

from apo.backends import Completion
from apo.candidate import Failure, FailureKind, Usage

MOST_BYTES = 16 * 1024 * 1024
"""Of one reply; an answer of a model is far shorter."""
MOST_PACKED = 256
"""A compressed reply may be so much shorter: its bytes are counted as they come, and may unpack to many."""

UNFINISHED = ("abort", "error")
"""How vLLM says that it gave an answer up, as it does with all of them when it is told to stop."""

LEAST_SECRET = 16
"""Characters of a key that is looked for in answers too; a shorter one may be a word that models say."""


class TooLargeError(httpx2.TransportError):
    """A reply is larger than any answer; an error of the transport, as the client expects them."""


class _Bounded(httpx2.AsyncByteStream):
    """A body that ends with an error where it grows too large, so that it never fills the memory."""

    def __init__(self, body: Any, most: int) -> None:
        self._body, self._most = body, most

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for part in self._body:
            size += len(part)
            if size > self._most:
                raise TooLargeError(f"more than {self._most} bytes")
            yield part

    async def aclose(self) -> None:
        await self._body.aclose()


async def bound(response: httpx2.Response) -> None:
    """A hook for the client: replies larger than MOST_BYTES fail while they are read."""
    packed = "content-encoding" in response.headers
    response.stream = _Bounded(response.stream, MOST_BYTES // MOST_PACKED if packed else MOST_BYTES)


def hide(text: str, secret: str) -> str:
    """A text without the key that a server, or a model, may repeat; what is kept must not hold it."""
    return text.replace(secret, "***") if secret else text


def hide_long(text: str, secret: str) -> str:
    """The same for texts that are not to be changed by chance: only a key that is no word is hidden."""
    return hide(text, secret) if len(secret) >= LEAST_SECRET else text


def read(reply: Any, model: str, seconds: float, secret: str = "") -> Completion:
    """The completion in a reply of `model`; a reply of another shape is a failure of the server."""
    try:
        usage, choice = reply.usage, reply.choices[0]
        counted = Usage(*_tokens(usage), seconds)
        ended = choice.finish_reason
        text = choice.text if hasattr(choice, "text") else choice.message.content
        # Half a surrogate pair cannot be written as UTF-8, so it would break the journal.
        whole = hide_long((text or "").encode("utf-8", "replace").decode("utf-8"), secret)
        answered = hide_long(str(reply.model or ""), secret)
    except (AttributeError, IndexError, TypeError) as error:
        failure = Failure("server", f"the reply is not that of an OpenAI-compatible server: {error}")
        return Completion("", Usage(seconds=seconds), failure=failure)
    if not _same_model(model, answered):
        failure = Failure("model", f"the server answered as {answered[:200]!r} instead of {model!r}")
        return Completion("", counted, failure=failure)
    if ended == "content_filter":
        return Completion("", counted, failure=Failure("refusal", "stopped by a content filter"))
    if ended in UNFINISHED:
        return Completion("", counted, failure=Failure("server", f"the server gave up: {ended}"))
    return Completion(whole, counted, cut_off=ended == "length")


def _same_model(asked: str, answered: str) -> bool:
    """Whether a reply is the asked model's: hosts add a date to a name, or leave the folder before it out."""
    dated = answered.startswith(f"{asked}-")
    return not answered or dated or answered.rpartition("/")[2] == asked.rpartition("/")[2]


def _tokens(usage: Any) -> tuple[int, int]:
    """Prompt and completion tokens; 0 where a server does not count them."""
    return (usage.prompt_tokens or 0, usage.completion_tokens or 0) if usage else (0, 0)


def classify(error: Exception, secret: str = "") -> Failure:
    """What kind of failure an error of the client is; a server may repeat the key, we do not."""
    # The key goes before the cut, which may fall into it.
    message = hide(str(error), secret).splitlines()[0][:500] if str(error) else type(error).__name__
    if isinstance(error, TooLargeError) or isinstance(error.__cause__, TooLargeError):
        return Failure("server", f"the reply is larger than {MOST_BYTES >> 20} MB")
    if _unconnected(error):
        return Failure("connection", "Connection error.")
    kinds: tuple[tuple[type[Exception], FailureKind], ...] = (
        (TimeoutError, "timeout"),
        (openai.APITimeoutError, "timeout"),
        (openai.APIConnectionError, "connection"),
        (openai.RateLimitError, "rate_limit"),
        (openai.AuthenticationError, "authentication"),
        (openai.PermissionDeniedError, "authentication"),
        (openai.InternalServerError, "server"),
        (UnicodeEncodeError, "request"),
    )
    for cls, kind in kinds:
        if isinstance(error, cls):
            return Failure(kind, message)
    if isinstance(error, openai.BadRequestError) and error.code == "context_length_exceeded":
        return Failure("context", message)
    if isinstance(error, openai.BadRequestError):
        return unfit(message)
    if isinstance(error, openai.APIStatusError):
        return Failure("request", message)
    return Failure("server", message)


def _unconnected(error: BaseException | None) -> bool:
    """Whether aiohttp lost the server; the `openai` client calls some of it a timeout, or lets it by."""
    while error is not None and not isinstance(error, aiohttp.ClientError):
        error = error.__cause__
    return error is not None and not isinstance(error, TimeoutError)


def unfit(message: str) -> Failure:
    """What kind of failure vLLM's message about a request is: too long, or else wrong."""
    return Failure("context" if "context length" in message else "request", message[:500])


def retry_after(error: Exception) -> float | None:
    """Seconds that a server asks to wait (Retry-After as a number or a date); None if it does not say."""
    if not isinstance(error, openai.APIStatusError):
        return None
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        try:
            return max(0.0, float(headers[name]) / unit)
        except (KeyError, ValueError):
            continue
    try:
        when = parsedate_to_datetime(headers["retry-after"])
        now = parsedate_to_datetime(headers["date"])
        return max(0.0, (when - now).total_seconds())
    except (KeyError, ValueError, TypeError):
        return None


def is_final(error: Exception) -> bool:
    """Whether the server itself says that another try is of no use."""
    if not isinstance(error, openai.APIStatusError):
        return False
    return bool(error.response.headers.get("x-should-retry") == "false")
