"""Whether the first token of an answer scores as the whole answer does: both are asked, then compared.

Done once, before the search begins, and journaled: all candidates of a run are scored in the same way.
"""

from collections.abc import Sequence
from dataclasses import replace

import msgspec

from apo.candidate import Candidate, Evaluation, cost
from apo.closed import labels
from apo.errors import ConfigError
from apo.evaluation import Evaluator
from apo.events import ScoringChosen
from apo.exemplars._draw import draw
from apo.layouts import FORMS
from apo.prompt import Prompt
from apo.seeding import rng
from apo.spec import RunSpec
from apo.statistics import EMPTY, Interval, wilson
from apo.task import Task, as_exemplars

ROWS = 12
"""First dev rows that each prompt is asked."""
SHOWN = (5, 12)
"""Exemplars of the lists that are tried."""
SAME, BOTH = 0.9, 0.75
"""The least that the lower ends of two intervals (95 %) must reach: of the share of rows that score the same,
and of those that are right in one way the share that is right in both. The first alone would pass where
nothing is right anyway."""
MOST = 0.15
"""Of the calls left, what comparing may take."""


def check(spec: RunSpec, task: Task) -> None:
    """Refuse scoring by one token where answers are open.

    Raises:
        ConfigError: it says what a closed task is.
    """
    if spec.scoring == "token" and not labels(task):
        raise ConfigError(
            f"--scoring token needs a task with a few fixed answers, and {task.name!r} has none: its scorer "
            "is neither `choice`, nor `exact` with at most 20 answers that repeat. Use --scoring generate, "
            "or give the task `labels` and the scorer `choice`."
        )


def choose(spec: RunSpec, task: Task, evaluator: Evaluator, calls_left: int) -> ScoringChosen:
    """How a run with `scoring` other than `generate` scores its candidates.

    Args:
        spec: `auto` takes the first token where the comparison holds, `token` whatever it says.
        task: the first rows of its dev split are asked.
        evaluator: scores generated answers.
        calls_left: for the search, before the comparison.

    Raises:
        RunError: the server is lost or refuses.
    """
    known, asked = labels(task), spec.scoring == "token"
    if not known:
        return ScoringChosen(way="generate", reason="the task is open: its answers are no fixed labels")
    prompts, rows = _prompts(spec, task), task.dev[:ROWS]
    calls = 2 * len(prompts) * len(rows)
    if calls > min(MOST * calls_left, calls_left - len(task.dev)):
        reason = (
            f"nothing was compared: that takes {calls} calls, more than {100 * MOST:.0f} % of those left, or "
            "than the seed prompt's rows leave"
        )
        return ScoringChosen(way="token" if asked else "generate", reason=reason, labels=known)
    pairs = [(Candidate(f"trial{n}", prompt), row) for n, prompt in enumerate(prompts) for row in rows]
    whole = [one for chunk in evaluator.evaluate(pairs) for one in chunk]
    first = [one for chunk in replace(evaluator, labels=known).evaluate(pairs) for one in chunk]
    found = compare(known, whole, first)
    return msgspec.structs.replace(found, way="token") if asked else found


def scoring(evaluator: Evaluator, chosen: ScoringChosen | None) -> Evaluator:
    """The evaluator that scores as was chosen."""
    if chosen is None or chosen.way == "generate":
        return evaluator
    return replace(evaluator, labels=chosen.labels)


def compare(
    known: tuple[str, ...], whole: Sequence[Evaluation], first: Sequence[Evaluation]
) -> ScoringChosen:
    """What two evaluations of the same prompts and rows say: by whole answers, and by their first tokens.

    Rows that one of the two did not answer are left out.
    """
    answers = {(e.candidate, e.example): e for e in whole if e.score is not None}
    tokens = {(e.candidate, e.example): e for e in first if e.score is not None}
    pairs = [(answers[key], tokens[key]) for key in answers if key in tokens]
    scores = [(a.score.value, t.score.value) for a, t in pairs if a.score and t.score]
    right = [score for score in scores if max(score) > 0]
    same, both = (_share([a == b for a, b in some]) for some in (scores, right))
    holds = same.low >= SAME and both.low >= BOTH
    return ScoringChosen(
        way="token" if holds else "generate",
        reason=_reason(same, both),
        labels=known,
        same=same,
        both=both,
        begun=sum(t.output in known for _, t in pairs) / max(1, len(pairs)),
        tokens=sum(a.usage.completion_tokens for a, _ in pairs) / max(1, len(pairs)),
        spend=cost((*whole, *first)),
    )


def _share(hits: Sequence[bool]) -> Interval:
    return wilson(sum(hits), len(hits)) if hits else EMPTY


def _reason(same: Interval, both: Interval) -> str:
    if same.low < SAME:
        return f"too few rows score the same: the share may be below {100 * SAME:.0f} %"
    if both.low < BOTH:
        return f"too few right answers are right both ways: the share may be below {100 * BOTH:.0f} %"
    return "the first token scores as the whole answer does"


def _prompts(spec: RunSpec, task: Task) -> list[Prompt]:
    """The seed, and with it some lists of exemplars, the first one in every form of layout."""
    pool = as_exemplars(task.train)
    draws = rng(spec.seed, 0, "trial")
    sizes = dict.fromkeys(min(size, spec.max_exemplars) for size in SHOWN)
    lists = [draw(pool, size, draws, balanced=True) for size in sizes if size]
    layout = task.seed.layout
    shown = [replace(task.seed, exemplars=one, nearest=None) for one in lists]
    formed = [replace(one, layout=replace(layout, form=form)) for one in shown[:1] for form in FORMS]
    found = {prompt.digest: prompt for prompt in (task.seed, *shown, *formed)}
    return list(found.values())
