"""What a scheduler says next, if it keeps to its contract: a broken one must not spend."""

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
