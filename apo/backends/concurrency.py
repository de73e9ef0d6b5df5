"""How many requests to keep in flight: more for as long as more answers come per second.

A server's best concurrency depends on the model, the machine and the prompts, so it is found by
climbing: double while a level answers faster than the one before, settle on the last that paid.
"""

from dataclasses import dataclass

GROWTH = 1.05
"""A level must beat the one before by this factor to be worth its doubling."""
REST = 5.0
"""Seconds in which a burst of refusals counts as one."""


@dataclass
class Concurrency:
    """The current limit of requests in flight; `finished` and `refused` move it."""

    limit: int = 64
    most: int = 512
    _settled: bool = False
    _best_rate: float = 0.0
    _window_start: float | None = None
    _window_count: int = 0
    _rest_until: float = float("-inf")

    def finished(self, now: float, backlog: bool) -> None:
        """One answer arrived at `now` (seconds); `backlog` says whether more requests wait.

        Without a backlog the rate tells nothing of the server, so the window starts anew.
        """
        if self._settled:
            return
        if not backlog:
            self._window_start = None
            return
        if self._window_start is None:
            self._window_start, self._window_count = now, 0
            return
        self._window_count += 1
        # Two rounds of answers: the first still holds those asked at the level before.
        if self._window_count >= 2 * self.limit and now > self._window_start:
            self._judge(self._window_count / (now - self._window_start))
            self._window_start = None

    def _judge(self, rate: float) -> None:
        if rate < self._best_rate * GROWTH:
            self._settled = True
            # More in flight than needed costs a local server nothing, but less may.
            return
        self._best_rate = rate
        self.limit = min(self.limit * 2, self.most)
        self._settled = self.limit == self.most

    def refused(self, now: float) -> None:
        """The server asked for fewer requests (HTTP 429) at `now`: halve and stay below.

        Those that were under way together are refused together, which counts once.
        """
        if now < self._rest_until:
            return
        self._rest_until = now + REST
        self.limit = max(1, self.limit // 2)
        self.most = max(1, self.limit)
        self._settled = True
