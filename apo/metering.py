"""A model for components to ask, with its spend counted and bounded."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from apo.backends import Backend, Request
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
    """Asks a backend for texts, up to `allowance` calls; `spend` says what they took."""

    def __init__(self, backend: Backend, allowance: int) -> None:
        self._backend = backend
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
        requests = [
            Request(chat, max_tokens, temperature, rng.getrandbits(31), tag=str(place))
            for place, chat in enumerate(allowed)
        ]
        replies: list[Reply | None] = [None] * len(chats)
        for request, completion in self._backend.stream(requests):
            usage = completion.usage
            self.spend += Spend(1, usage.prompt_tokens, usage.completion_tokens)
            if completion.failure is not None:
                self.failures.append(completion.failure)
            else:
                replies[int(request.tag)] = Reply(completion.text, completion.cut_off)
        return replies
