"""A backend whose answers come from a function: for tests and documentation."""

from collections.abc import Callable, Iterable, Iterator

from apo.backends import Answer, Completion, Request
from apo.candidate import Failure, Usage
from apo.prompt import as_text


class Scripted:
    """Answers each request with what `answer` says; a Failure stands for itself.

    Tokens are counted as words, so budgets can be tested. `requests` keeps what was asked, if it is to.
    """

    def __init__(self, answer: Callable[[Request], str | Failure | Completion], keep: bool = True) -> None:
        self._answer, self._keep = answer, keep
        self.requests: list[Request] = []

    def stream(self, requests: Iterable[Request]) -> Iterator[Answer]:
        """Answer in the order asked."""
        for request in requests:
            if self._keep:
                self.requests.append(request)
            yield request, self._complete(request)

    def _complete(self, request: Request) -> Completion:
        answer = self._answer(request)
        if isinstance(answer, Completion):
            return answer
        prompt_tokens = len(as_text(request.rendered).split())
        if isinstance(answer, Failure):
            return Completion("", Usage(prompt_tokens), failure=answer)
        words = answer.split(" ")
        kept = " ".join(words[: request.max_tokens])
        usage = Usage(prompt_tokens, min(len(words), request.max_tokens))
        return Completion(kept, usage, cut_off=len(words) > request.max_tokens)
