"""Any OpenAI-compatible server (vLLM, or a hosted one) through the `openai` client.

The client is asynchronous; one background thread runs its event loop, so that the rest of apo
need not know. Single failures become values, each with its kind.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any

import openai

from apo.backends import Completion, Request
from apo.backends.concurrency import Concurrency
from apo.candidate import Failure, FailureKind, Usage

TIMEOUT = 300.0
"""Seconds that one answer may take."""
Answer = tuple[Request, Completion]


class OpenAI:
    """Streams requests to one model of one server.

    Args:
        base_url: the server's address, ending in /v1 for most; None for the client's default.
        api_key: sent with every request; never logged.
        model: the name that the server knows the model by.
        concurrency: how many requests are in flight; it learns over the life of this object.
    """

    def __init__(
        self,
        *,
        base_url: str | None,
        api_key: str,
        model: str,
        concurrency: Concurrency | None = None,
    ) -> None:
        self.model = model
        self._key = api_key
        self.concurrency = concurrency or Concurrency()
        self._client = openai.AsyncOpenAI(base_url=base_url, api_key=api_key, timeout=TIMEOUT, max_retries=3)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="openai", daemon=True)
        self._thread.start()

    def stream(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every request, as answers arrive."""
        answers: queue.SimpleQueue[Answer | BaseException | None] = queue.SimpleQueue()
        work = asyncio.run_coroutine_threadsafe(self._pump(iter(requests), answers), self._loop)
        try:
            while (answer := answers.get()) is not None:
                if isinstance(answer, BaseException):
                    raise answer
                yield answer
        finally:
            work.cancel()

    def close(self) -> None:
        """Give the connections back and end the thread."""
        asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _pump(
        self,
        requests: Iterator[Request],
        answers: "queue.SimpleQueue[Answer | BaseException | None]",
    ) -> None:
        """Keep `concurrency.limit` requests in flight until there are no more."""
        under_way: set[asyncio.Task[Completion]] = set()
        asked: dict[asyncio.Task[Completion], Request] = {}
        exhausted = False
        try:
            while not exhausted or under_way:
                while not exhausted and len(under_way) < self.concurrency.limit:
                    request = next(requests, None)
                    if request is None:
                        exhausted = True
                        break
                    task = asyncio.ensure_future(self._complete(request))
                    asked[task] = request
                    under_way.add(task)
                if not under_way:
                    break
                done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    answers.put((asked.pop(task), task.result()))
                    self.concurrency.finished(time.monotonic(), not exhausted)
            answers.put(None)
        except BaseException as error:
            answers.put(error)
            raise
        finally:
            for task in under_way:
                task.cancel()

    async def _complete(self, request: Request) -> Completion:
        began = time.monotonic()
        try:
            reply = await self._ask(request)
        except (openai.OpenAIError, ValueError) as error:
            # A ValueError: the reply is no JSON, or the request no UTF-8.
            failure = classify(error, secret=self._key)
            if failure.kind == "rate_limit":
                self.concurrency.refused(time.monotonic())
            return Completion("", Usage(seconds=time.monotonic() - began), failure=failure)
        return _read(reply, time.monotonic() - began)

    async def _ask(self, request: Request) -> Any:
        # Every sampling parameter is sent: a server fills gaps from the model's own defaults.
        common: dict[str, Any] = {
            "model": self.model,
            "temperature": request.temperature,
            "top_p": 1.0,
            "max_tokens": request.max_tokens,
        }
        if request.seed is not None:
            common["seed"] = request.seed
        if request.stop:
            common["stop"] = list(request.stop)
        if request.choices:
            common["extra_body"] = {"structured_outputs": {"choice": list(request.choices)}}
        if isinstance(request.rendered, str):
            return await self._client.completions.create(prompt=request.rendered, **common)
        messages: Any = [asdict(message) for message in request.rendered]
        return await self._client.chat.completions.create(messages=messages, **common)


def _read(reply: Any, seconds: float) -> Completion:
    """The completion in a reply; a reply of another shape is a failure of the server."""
    try:
        usage, choice = reply.usage, reply.choices[0]
        counted = Usage(*_tokens(usage), seconds)
        cut_off = choice.finish_reason == "length"
        refused = choice.finish_reason == "content_filter"
        text = choice.text if hasattr(choice, "text") else choice.message.content
        # Half a surrogate pair cannot be written as UTF-8, so it would break the journal.
        whole = (text or "").encode("utf-8", "replace").decode("utf-8")
    except (AttributeError, IndexError, TypeError) as error:
        failure = Failure("server", f"the reply is not that of an OpenAI-compatible server: {error}")
        return Completion("", Usage(seconds=seconds), failure=failure)
    if refused:
        return Completion("", counted, failure=Failure("refusal", "stopped by a content filter"))
    return Completion(whole, counted, cut_off=cut_off)


def _tokens(usage: Any) -> tuple[int, int]:
    """Prompt and completion tokens; 0 where a server does not count them."""
    return (usage.prompt_tokens or 0, usage.completion_tokens or 0) if usage else (0, 0)


def classify(error: Exception, secret: str = "") -> Failure:
    """What kind of failure an error of the client is; a server may repeat the key, we do not."""
    message = str(error).splitlines()[0][:500] if str(error) else type(error).__name__
    if secret:
        message = message.replace(secret, "***")
    kinds: tuple[tuple[type[Exception], FailureKind], ...] = (
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
    if isinstance(error, openai.BadRequestError) and (
        "context length" in message or error.code == "context_length_exceeded"
    ):
        return Failure("context", message)
    if isinstance(error, openai.APIStatusError):
        return Failure("request", message)
    return Failure("server", message)
