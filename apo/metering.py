"""The models that components may ask, with what they spend counted and bounded."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from msgspec.structs import replace

from apo.backends import Backend, Completion, Request
from apo.budget import Spend
from apo.candidate import Failure
from apo.prompt import Message


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a metered model."""

    text: str
    cut_off: bool = False
    """The model was stopped by the token limit."""


class MeteredModel:
    """Asks backends for texts, up to `allowance` calls together; `spend` says what they took.

    `backend` writes proposals; `answering` is the task model, where that is another.
    """

    def __init__(self, backend: Backend, allowance: int, answering: Backend | None = None) -> None:
        self._backend, self._answering = backend, answering or backend
        self._allowance = allowance
        self.spend = Spend()
        self.failures: list[Failure] = []

    @property
    def problem(self) -> str:
        """What went wrong, in a line; empty if nothing did."""
        if not self.failures:
            return ""
        first = self.failures[0]
        return f"{len(self.failures)} proposal calls failed, the first with {first.kind}: {first.message}"

    @property
    def left(self) -> int:
        """Calls that may still be made."""
        return max(0, self._allowance - self.spend.calls)

    def ask(
        self,
        chats: Sequence[tuple[Message, ...]],
        rng: Random,
        *,
        max_tokens: int = 512,
        temperature: float = 1.0,
    ) -> list[Reply | None]:
        """One reply for each chat, in order; None where the call failed or was not allowed any more."""
        allowed = list(chats)[: self.left]
        requests = [Request(chat, max_tokens, temperature, rng.getrandbits(31)) for chat in allowed]
        return self._read(self._backend, requests, len(chats))

    def answers(self, requests: Sequence[Request]) -> list[Reply | None]:
        """What the task model says to each request, in order; None as for `ask`. Tags are not kept."""
        return self._read(self._answering, requests[: self.left], len(requests))

    def _read(self, backend: Backend, requests: Sequence[Request], count: int) -> list[Reply | None]:
        replies: list[Reply | None] = [None] * count
        tagged = [replace(request, tag=str(place)) for place, request in enumerate(requests)]
        for request, completion in backend.stream(tagged):
            self._charge(completion)
            if completion.failure is None:
                replies[int(request.tag)] = Reply(completion.text, completion.cut_off)
        return replies

    def _charge(self, completion: Completion) -> None:
        usage = completion.usage
        self.spend += Spend(1, usage.prompt_tokens, usage.completion_tokens, int(usage.cached))
        if completion.failure is not None:
            self.failures.append(completion.failure)
