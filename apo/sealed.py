"""What the sealed test says: winner against seed, each row met by both, once."""

from apo.candidate import Candidate, scored
from apo.events import TestScored
from apo.history import History
from apo.statistics import mean_interval, paired_difference, sign_test


def compare(history: History, winner: Candidate) -> TestScored:
    """The scores of winner and seed on the sealed rows that were answered, and what tells them apart."""
    ours, theirs = (scored(history.test_evaluations(c)) for c in (winner.id, "c0"))
    sign = sign_test(ours, theirs)
    return TestScored(
        candidate=winner.id,
        score=mean_interval(list(ours.values())),
        seed=mean_interval(list(theirs.values())),
        difference=paired_difference(ours, theirs),
        better=sign.wins,
        worse=sign.losses,
        p_value=sign.p,
    )
