"""Any OpenAI-compatible server (vLLM, or a hosted one) through the `openai` client.

The client is asynchronous; one background thread runs its event loop, so that the rest of apo
need not know. Single failures become values, each with its kind.
"""

import asyncio
import itertools
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import aiohttp
import msgspec
import openai
from openai.types import Completion as Completed
from openai.types.chat import ChatCompletion

from apo.backends import Answer, Completion, Request
from apo.backends.concurrency import Concurrency
from apo.backends.replies import TooLargeError, bound, classify, is_final, read, retry_after
from apo.backends.retries import Retries
from apo.candidate import Usage

TIMEOUT = 300.0
"""Seconds that one answer may take, to its last byte, whatever its length."""
PER_TOKEN = 0.1
"""Seconds more for each token that it may have."""
TROUBLE = (
    openai.OpenAIError,
    aiohttp.ClientError,
    TimeoutError,
    TooLargeError,
    ValueError,  # the reply is no JSON, or the request no UTF-8
    RecursionError,  # it is nested
)
"""What asking may end with; anything else is a defect of apo."""
Answers = queue.SimpleQueue[Answer | BaseException | None]
"""None follows the last."""


class OpenAI:
    """Streams requests to one model of one server.

    Args:
        base_url: the server's address, ending in /v1 for most; None for the client's default.
        api_key: sent with every request; never logged.
        model: the name that the server knows the model by.
        concurrency: how many requests are in flight; it learns over the life of this object.
        retries: which failures are tried again, and when.
        timeout: seconds that one answer may take, to its last byte, whatever its length.
        per_token: seconds more for each token that it may have.
    """

    def __init__(
        self,
        *,
        base_url: str | None,
        api_key: str,
        model: str,
        concurrency: Concurrency | None = None,
        retries: Retries | None = None,
        timeout: float = TIMEOUT,
        per_token: float = PER_TOKEN,
    ) -> None:
        self.model = model
        self.concurrency = concurrency or Concurrency()
        self._retries, self._timeout, self._per_token = retries or Retries(), timeout, per_token
        self._client = openai.AsyncOpenAI(
            base_url=base_url,
            api_key=api_key,
            timeout=None,  # its own would be the same for all requests
            max_retries=0,
            http_client=openai.DefaultAioHttpClient(event_hooks={"response": [bound]}),
        )
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="openai", daemon=True)
        self._thread.start()

    def stream(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer every request, as answers arrive; any thread may close the stream."""
        answers: Answers = queue.SimpleQueue()
        work = asyncio.run_coroutine_threadsafe(self._pump(iter(requests), answers), self._loop)
        return _Stream(answers, work.cancel)

    def move(self, base_url: str, api_key: str) -> None:
        """Ask from now on at another address: the server was started again."""
        self._client.base_url = base_url
        self._client.api_key = api_key

    def close(self) -> None:
        """Drop what is under way, give the connections back and end the thread."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()

    async def _end(self) -> None:
        # What is under way ends first: it would fail, unheard, over connections closed beneath it.
        await _drop(asyncio.all_tasks() - {asyncio.current_task()})
        await self._client.close()

    async def _pump(
        self,
        requests: Iterator[Request],
        answers: "Answers",
    ) -> None:
        """Keep `concurrency.limit` requests in flight until there are no more."""
        asked: dict[asyncio.Task[Completion], Request] = {}
        # Whoever waits for a set of tasks looks at all of them each time that one ends.
        ended: asyncio.Queue[asyncio.Task[Completion]] = asyncio.Queue()
        exhausted = False
        try:
            while not exhausted or asked:
                while not exhausted and len(asked) < self.concurrency.limit:
                    request = next(requests, None)
                    if request is None:
                        exhausted = True
                        break
                    task = asyncio.ensure_future(self._complete(request))
                    task.add_done_callback(ended.put_nowait)
                    asked[task] = request
                if not asked:
                    break
                task = await ended.get()
                answers.put((asked.pop(task), task.result()))
                self.concurrency.finished(time.monotonic(), not exhausted)
            answers.put(None)
        except BaseException as error:
            answers.put(error)
            raise
        finally:
            await _drop(asked)

    async def _complete(self, request: Request) -> Completion:
        began = time.monotonic()
        for attempt in itertools.count(1):
            try:
                async with asyncio.timeout(self._timeout + self._per_token * request.max_tokens):
                    reply = await self._ask(request)
            except TROUBLE as error:
                failure = classify(error, secret=self._client.api_key)
                if failure.kind == "rate_limit":
                    self.concurrency.refused(time.monotonic())
                pause = self._retries.pause(attempt, failure, retry_after(error))
                if pause is None or is_final(error):
                    break
                await asyncio.sleep(pause)
            else:
                return read(reply, self.model, time.monotonic() - began, self._client.api_key)
        return Completion("", Usage(seconds=time.monotonic() - began), failure=failure)

    async def _ask(self, request: Request) -> Any:
        # Every sampling parameter is sent: a server fills gaps from the model's own defaults.
        body: dict[str, Any] = {
            "model": self.model,
            "temperature": request.temperature,
            "top_p": 1.0,
            "max_tokens": request.max_tokens,
        }
        if request.seed is not None:
            body["seed"] = request.seed
        if request.stop:
            body["stop"] = list(request.stop)
        if request.choices:
            body["structured_outputs"] = {"choice": list(request.choices)}
        # `create` would look through each part of a body for what it may have to rename, a third of its time.
        if isinstance(request.rendered, str):
            body["prompt"] = request.rendered
            return await self._client.post("/completions", body=body, cast_to=Completed)
        body["messages"] = [msgspec.structs.asdict(message) for message in request.rendered]
        return await self._client.post("/chat/completions", body=body, cast_to=ChatCompletion)


async def _drop(tasks: Iterable["asyncio.Task[Any]"]) -> None:
    """Cancel tasks and wait until they have ended, however they end."""
    dropped = list(tasks)
    for task in dropped:
        task.cancel()
    await asyncio.gather(*dropped, return_exceptions=True)


class _Stream(Iterator[Answer]):
    """Answers as they arrive. Unlike a generator it can be closed while another thread reads it."""

    def __init__(self, answers: Answers, cancel: Callable[[], object]) -> None:
        self._answers, self._cancel = answers, cancel
        self._ended = False

    def __next__(self) -> Answer:
        try:
            answer = None if self._ended else self._answers.get()
        except KeyboardInterrupt:
            self.close()  # now: this object may outlive the loop that it would be cancelled in
            raise
        if answer is None or self._ended:
            self._ended = True
            raise StopIteration
        if isinstance(answer, BaseException):
            self.close()
            raise answer
        return answer

    def close(self) -> None:
        """Drop what is under way."""
        self._ended = True
        self._cancel()
        self._answers.put(None)

    __del__ = close
