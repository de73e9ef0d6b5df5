"""A scheduler's next plan, held to its contract (a broken one must not spend), and the order of its rows."""

from collections.abc import Sequence

from apo.belief import Belief
from apo.errors import RunError
from apo.history import History
from apo.plugins import foreign
from apo.schedulers import Plan, Scheduler


def planned(
    scheduler: Scheduler, cohort: Sequence[str], history: History, allowance: int, known: Belief
) -> Plan:
    """The scheduler's plan for a cohort, at most `allowance` rows, none of them met before.

    Raises:
        RunError: the scheduler failed, or its plan is none of these.
    """
    with foreign(f"The scheduler {history.spec.scheduler!r} failed", RunError):
        plan = scheduler.plan(cohort, history, allowance, known)
    again = [(c, row) for c, row in plan.assignments if row in history.evaluations(c)]
    if again or len(plan.assignments) > allowance:
        raise RunError(
            f"The scheduler {history.spec.scheduler!r} asks for {len(plan.assignments)} rows where "
            f"{allowance} calls are left, {len(again)} of them a second time."
        )
    return plan


def longest_first(assignments: Sequence[tuple[str, str]], history: History) -> list[tuple[str, str]]:
    """The same rows, those of candidates with the longest answers first, since a plan ends with its last
    answer (Graham 1969, longest processing time); else in the plan's order.

    Answers of one candidate may have 2 tokens and of another 30, as both show their exemplars' form.
    """
    length = {candidate: _length(candidate, history) for candidate, _ in assignments}
    return sorted(assignments, key=lambda assignment: -length[assignment[0]])


def _length(candidate: str, history: History) -> int:
    """Tokens of its answer to the first dev row, which is in the first block; 0 while that is asked.

    What a block's own rows say would change the order of a run that goes on in the middle of it.
    """
    done = history.evaluations(candidate).get(history.dev[0].id)
    return 0 if done is None or candidate not in history.promoted else done.usage.completion_tokens
