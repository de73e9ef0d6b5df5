"""Which failures are worth another try, and how long to wait before it."""

from dataclasses import dataclass
from random import uniform

from apo.candidate import Failure, FailureKind

TRANSIENT: frozenset[FailureKind] = frozenset({"timeout", "connection", "server", "rate_limit"})
"""Kinds that another try can heal; what else fails would fail again."""
LONGEST_ASKED = 120.0
"""Seconds of a server's own Retry-After that are honoured."""


@dataclass(frozen=True, slots=True)
class Retries:
    """Exponential backoff with jitter, so that clients that failed together do not come back together."""

    attempts: int = 6
    """Tries in all. A timeout is tried twice at most: it has cost its whole time."""
    first: float = 0.5
    """Seconds before the second try; doubled for each further one."""
    most: float = 20.0

    def pause(self, attempt: int, failure: Failure, asked: float | None = None) -> float | None:
        """Seconds to wait after try number `attempt` (from 1) failed; None: do not try again.

        `asked` is what the server's Retry-After says, in seconds; the wait is never shorter.
        """
        attempts = min(self.attempts, 2) if failure.kind == "timeout" else self.attempts
        if failure.kind not in TRANSIENT or attempt >= attempts:
            return None
        own = min(self.most, self.first * 2.0 ** (attempt - 1)) * uniform(0.5, 1.0)
        if asked is None:
            return own
        return max(own, min(asked, LONGEST_ASKED) * uniform(1.0, 1.1))
