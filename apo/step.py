"""One step of a search so far: which side it moves, with what, and what came of it."""

from dataclasses import dataclass

from apo.candidate import Side


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
    finished: bool = False
    gain: float = 0.0
    calls: int = 0
    """Completions that it has taken so far, of all roles."""

    @property
    def cohort(self) -> tuple[str, ...]:
        """The candidates that it evaluates."""
        return (*self.returned, *(self.proposed or ()))
