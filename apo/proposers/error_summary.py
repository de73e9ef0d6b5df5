"""Sum up failures by kind, then write an instruction (PROMST, Chen et al. EMNLP 2024).

The best prompt's errors are grouped by kind, and the model says what goes wrong; from that, and from the
earlier versions with their scores, it writes a new instruction. Right answers are shown too, so that
what works is kept (StraGo, Wu et al. 2024). Deviations: kinds are read off answers and need no rules
written by hand; one call sums up all kinds instead of one for each; nothing filters by a predicted
score, which is the surrogate's business; the second request holds no rows, so that none can be copied.
"""

from dataclasses import dataclass
from random import Random

from apo.candidate import Candidate, Proposal
from apo.prompt import Message
from apo.proposers._errors import Case, by_kind, labels
from apo.proposers._writing import ANSWER_ONLY, about, ask, chat, clip, proposals
from apo.view import SearchView

MOST_KINDS = 4
"""The most frequent kinds of errors are shown with examples, the others are only counted."""
MOST_NAMED = 12
"""Kinds that are counted one by one; a closed task with many labels has hundreds."""
LONGEST_CASES = 6000
"""Characters of all cases of a request together; they share them evenly."""
LONGEST_TEXT = 4000
"""Characters of an instruction or a summary that are shown."""
MOST_ANCESTORS, LONGEST_ANCESTOR = 4, 500
"""Earlier versions that are shown, and characters of each."""


@dataclass(frozen=True)
class ErrorSummary:
    """Each summary looks at `cases` errors of each of the most frequent kinds, and as many right answers."""

    cases: int = 2

    def __post_init__(self) -> None:
        """Check the options."""
        if self.cases < 1:
            raise ValueError(f"cases must be at least 1, not {self.cases}")

    def propose(self, view: SearchView, count: int, rng: Random) -> list[Proposal]:
        """Two calls for each proposal; none where the best prompt makes no error."""
        best = view.best
        groups = by_kind(view.failures(best.id), labels((*view.train, *view.dev)))
        if not groups:
            return []
        right = _right(view, best)
        # A summary without the call for its instruction would be wasted.
        affordable = min(count, view.model.left // 2)
        requests = [self._sum_up(view, groups, right, rng) for _ in range(affordable)]
        summaries = [reply.text.strip() for reply in ask(view, requests, rng) if reply is not None]
        told = [clip(summary, LONGEST_TEXT) for summary in summaries if summary]
        return proposals(ask(view, [_write(view, best, summary) for summary in told], rng), best, told)

    def _sum_up(
        self, view: SearchView, groups: dict[str, list[Case]], right: list[Case], rng: Random
    ) -> tuple[Message, ...]:
        """The request for a summary, with cases drawn for it."""
        drawn = {kind: _some(cases, self.cases, rng) for kind, cases in list(groups.items())[:MOST_KINDS]}
        worked = _some(right, self.cases, rng)
        room = LONGEST_CASES // (len(worked) + sum(map(len, drawn.values())))
        wrong = [_shown(case, room, kind) for kind, cases in drawn.items() for case in cases]
        return chat(
            "A language model was given this instruction:",
            _instruction(view.best),
            about(view.description),
            _counted(groups, len(right)),
            "Some of the errors:",
            *wrong,
            "Some of the right answers:" if worked else "",
            *(_shown(case, room) for case in worked),
            "Sum up in a few sentences what goes wrong and why, what goes right, and what the instruction "
            "should say so that the errors stop and the right answers stay right.",
        )


def _right(view: SearchView, candidate: Candidate) -> list[Case]:
    """The dev rows that a candidate answered fully right."""
    done = view.history.evaluations(candidate.id)
    rows = [(row, done[row.id]) for row in view.dev if row.id in done]
    return [(row, one) for row, one in rows if one.score is not None and one.score.value >= 1]


def _some(cases: list[Case], count: int, rng: Random) -> list[Case]:
    return rng.sample(cases, min(count, len(cases)))


def _counted(groups: dict[str, list[Case]], right: int) -> str:
    """How often each kind came about."""
    counts = [(clip(kind, 100), len(cases)) for kind, cases in groups.items()]
    named, others = counts[:MOST_NAMED], counts[MOST_NAMED:]
    lines = [f"{number} times: {kind}" for kind, number in named]
    lines += [f"{sum(number for _, number in others)} times: other errors"] if others else []
    wrong = sum(number for _, number in counts)
    return "\n".join([f"It was right {right} times and wrong {wrong} times. The errors by kind:", *lines])


def _shown(case: Case, room: int, kind: str = "") -> str:
    """A case in about `room` characters: half for the input, a quarter for each answer."""
    row, done = case
    head = f"Error: {clip(kind, 100)}\n" if kind else ""
    return (
        f"{head}Input: {clip(row.input, room // 2)}\nRight answer: {clip(row.target, room // 4)}\n"
        f"Its answer: {clip(done.output, room // 4)}"
    )


def _instruction(candidate: Candidate) -> str:
    return clip(candidate.prompt.instruction, LONGEST_TEXT) or "(no instruction)"


def _write(view: SearchView, best: Candidate, summary: str) -> tuple[Message, ...]:
    earlier = _earlier(view, best)
    return chat(
        "A language model was given this instruction:",
        _instruction(best),
        about(view.description),
        "What was found of its answers:",
        summary,
        "Earlier versions with the scores that they reached, from 0 to 100, the oldest first:"
        if earlier
        else "",
        *earlier,
        "Write a new instruction that follows what was found. State general rules; do not repeat inputs.",
        ANSWER_ONLY,
    )


def _earlier(view: SearchView, candidate: Candidate) -> list[str]:
    """The instructions that a candidate's came from, the oldest first, each once."""
    line: dict[str, Candidate] = {candidate.prompt.instruction: candidate}
    while candidate.parents:
        candidate = view.history.candidates[candidate.parents[0]]
        line.setdefault(candidate.prompt.instruction, candidate)
    ancestors = list(line.values())[1 : MOST_ANCESTORS + 1]
    return [
        f"Instruction: {clip(ancestor.prompt.instruction, LONGEST_ANCESTOR)}\n"
        f"Score: {round(100 * view.history.mean(ancestor.id))}"
        for ancestor in reversed(ancestors)
    ]
