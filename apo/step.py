"""One step of a search so far: which side it moves, with what, and what came of it."""

from dataclasses import dataclass

from apo.candidate import Side
from apo.events import CandidatesProposed


@dataclass(slots=True)
class Step:
    """One step so far."""

    number: int
    side: Side | None
    component: str
    width: int
    allowance: int
    returned: tuple[str, ...] = ()
    """Candidates of earlier steps that it evaluates further."""
    pool: str = ""
    """Candidate whose own outputs its exemplars are chosen from; empty: from all there are."""
    proposed: tuple[str, ...] | None = None
    """Ids of its own candidates; None until they are proposed."""
    discarded: int = 0
    """Proposals that did not become candidates."""
    writing: int = 0
    """Completions that proposing took."""
    read: int = 0
    """Tokens that a white box read for them."""
    screened: bool = False
    """Whether a surrogate chose its candidates among more proposals."""
    finished: bool = False
    gain: float = 0.0
    calls: int = 0
    """Completions that it has taken so far, of all roles."""

    @property
    def cohort(self) -> tuple[str, ...]:
        """The candidates that it evaluates."""
        return (*self.returned, *(self.proposed or ()))

    def take(self, made: CandidatesProposed) -> None:
        """Its candidates were proposed."""
        self.proposed = tuple(c.id for c in made.candidates)
        self.discarded, self.screened = len(made.discarded), made.screened
        self.writing, self.read = made.spend.calls, made.whitebox.prompt_tokens
        self.calls += self.writing
