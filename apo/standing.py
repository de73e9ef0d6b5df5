"""What is computed of candidates, kept until they change; a part of the history that can be made anew."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice

from apo.candidate import Candidate, Evaluation, scored
from apo.outputs import RightOutputs
from apo.ranking import Key, Ranking


@dataclass(slots=True)
class Tried:
    """What candidates so far read like, to tell what is new."""

    instructions: set[str] = field(default_factory=set)
    digests: set[str] = field(default_factory=set)
    _seen: int = 0

    def branch(self) -> "Tried":
        """A copy that can be taken further without changing this one."""
        return Tried(self.instructions.copy(), self.digests.copy(), self._seen)

    def catch_up(self, candidates: Mapping[str, Candidate]) -> None:
        """Take in those that have come since; candidates never change and none goes."""
        for candidate in islice(candidates.values(), self._seen, None):
            self.instructions.add(candidate.prompt.instruction)
            self.digests.add(candidate.prompt.digest)
        self._seen = len(candidates)


@dataclass(slots=True)
class Standing:
    """Values by candidate id. Only the history changes it."""

    scores: dict[str, dict[str, float]] = field(default_factory=dict)
    """Dev scores by example id."""
    places: dict[str, Key | None] = field(default_factory=dict)
    """None for a candidate that cannot win."""
    moved: set[str] = field(default_factory=set)
    """Candidates that have changed since the best one was found."""
    best: str | None = None
    """The best one when it was last looked for."""
    unranked: set[str] = field(default_factory=set)
    """Candidates that have changed since they were ranked."""
    ranking: Ranking = field(default_factory=Ranking)
    """Candidates with scores, the best first."""
    right: RightOutputs = field(default_factory=RightOutputs)
    tried: Tried = field(default_factory=Tried)

    def branch(self) -> "Standing":
        """A copy that can be taken further without changing this one."""
        twin = replace(self, scores=self.scores.copy(), places=self.places.copy(), moved=self.moved.copy())
        twin.unranked, twin.ranking = self.unranked.copy(), self.ranking.branch()
        twin.right, twin.tried = self.right.branch(), self.tried.branch()
        return twin

    def forget(self, candidates: Collection[str]) -> None:
        """These candidates have changed."""
        for candidate in candidates:
            self.scores.pop(candidate, None)
            self.places.pop(candidate, None)
        self.moved.update(candidates)
        self.unranked.update(candidates)

    def rivals(self, everybody: Collection[str]) -> list[str]:
        """Those among whom the best one is now: only those that moved can have overtaken it."""
        known = self.best is not None and self.best not in self.moved
        rivals = [c for c in (self.best, *self.moved) if c in everybody] if known else list(everybody)
        self.moved.clear()
        return [c for c in rivals if c is not None]

    def scores_of(self, candidate: str, evaluations: Mapping[str, Evaluation]) -> dict[str, float]:
        """The scores of its evaluations, the same object until it changes."""
        if candidate not in self.scores:
            self.scores[candidate] = scored(evaluations)
        return self.scores[candidate]

    def place(self, candidate: str, find: Callable[[str], Key | None]) -> Key | None:
        """Where a candidate that could win stands, as `find` says, kept until it changes."""
        if candidate not in self.places:
            self.places[candidate] = find(candidate)
        return self.places[candidate]

    def ranked(self, find: Callable[[str], Key | None]) -> Iterable[str]:
        """Candidates in order; `find` says where those stand that have changed."""
        for candidate in self.unranked:
            self.ranking.place(candidate, find(candidate))
        self.unranked.clear()
        return self.ranking
