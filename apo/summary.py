"""What the runs of a batch came to: one line each, per task and setting, and overall."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from apo import words
from apo.batch import Cell
from apo.candidate import scored
from apo.headroom import corrected_score
from apo.history import History
from apo.statistics import EMPTY, Interval, bootstrap, mean_interval


@dataclass(frozen=True, slots=True)
class Line:
    """One run."""

    run: str
    task: str
    setting: str
    seed: int
    state: str
    """`finished`, `failed`, or what else the journal says."""
    problem: str = ""
    """Why it failed."""
    dev: Interval = EMPTY
    """Of the winner, without the luck of having been picked."""
    test: Interval = EMPTY
    """Of the winner, on the sealed test."""
    test_seed: Interval = EMPTY
    difference: Interval = EMPTY
    p_value: float = 1.0
    calls: int = 0
    tokens: int = 0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Group:
    """The finished runs of one task and setting, or of one setting over all tasks."""

    task: str
    """A task, or `all`."""
    setting: str
    runs: int
    test: Interval
    """Mean over the runs; the interval is over the test rows, the runs' scores averaged row by row."""
    difference: Interval
    """To the seed prompt, paired."""
    lowest: float
    """The worst run's test score."""
    highest: float
    calls: int
    tokens: int
    seconds: float


def line(cell: Cell, history: History | None, problem: str = "") -> Line:
    """What a run of the batch came to; `history` is None where it never began."""
    started = history is not None and history.started is not None
    if history is None or not started:
        return Line(
            cell.name, cell.task, cell.setting, cell.seed, "failed" if problem else "waiting", problem
        )
    best, tested, total = history.best(), history.tested, history.total
    state = words.state(history) if history.finished is not None or not problem else "failed"
    return Line(
        run=cell.name,
        task=cell.task,
        setting=cell.setting,
        seed=cell.seed,
        state=state,
        problem="" if state == "finished" else problem,
        dev=corrected_score(history, best.id) if best else EMPTY,
        test=tested.score if tested else EMPTY,
        test_seed=tested.seed if tested else EMPTY,
        difference=tested.difference if tested else EMPTY,
        p_value=tested.p_value if tested else 1.0,
        calls=total.calls,
        tokens=total.prompt_tokens + total.completion_tokens,
        seconds=round(history.seconds, 3),
    )


def groups(cells: Sequence[Cell], histories: Mapping[str, History]) -> list[Group]:
    """Per task and setting, then per setting over all tasks; only what has finished counts."""
    found: list[Group] = []
    settings = list(dict.fromkeys(cell.setting for cell in cells))
    for task in dict.fromkeys(cell.task for cell in cells):
        for setting in settings:
            names = [c.name for c in cells if (c.task, c.setting) == (task, setting)]
            runs = [histories[n] for n in names if n in histories and histories[n].tested is not None]
            if runs:
                found.append(_group(task, setting, runs))
    overall = [_overall(setting, [g for g in found if g.setting == setting]) for setting in settings]
    return [*found, *(one for one in overall if one is not None)]


def _group(task: str, setting: str, runs: Sequence[History]) -> Group:
    ours = [scored(run.test_evaluations(run.tested.candidate)) for run in runs if run.tested is not None]
    theirs = [scored(run.test_evaluations("c0")) for run in runs]
    gains = [
        {row: mine[row] - base[row] for row in mine.keys() & base.keys()}
        for mine, base in zip(ours, theirs, strict=True)
    ]
    means = [run.tested.score.mean for run in runs if run.tested is not None]
    differences = _by_row(gains)
    return Group(
        task=task,
        setting=setting,
        runs=len(runs),
        test=mean_interval(_by_row(ours)),
        difference=bootstrap(differences) if differences else EMPTY,
        lowest=min(means),
        highest=max(means),
        calls=sum(run.total.calls for run in runs),
        tokens=sum(run.total.prompt_tokens + run.total.completion_tokens for run in runs),
        seconds=round(sum(run.seconds for run in runs), 3),
    )


def _by_row(tables: Iterable[Mapping[str, float]]) -> list[float]:
    """Each row's mean over the runs that have it, in the order of row ids."""
    rows: dict[str, list[float]] = {}
    for table in tables:
        for row, value in table.items():
            rows.setdefault(row, []).append(value)
    return [math.fsum(rows[row]) / len(rows[row]) for row in sorted(rows)]


def _overall(setting: str, tasks: Sequence[Group]) -> Group | None:
    """The mean of the tasks' means; tasks are independent, so half-widths add in squares."""
    if not tasks:
        return None
    return Group(
        task="all",
        setting=setting,
        runs=sum(g.runs for g in tasks),
        test=_mean_of([g.test for g in tasks]),
        difference=_mean_of([g.difference for g in tasks]),
        lowest=min(g.lowest for g in tasks),
        highest=max(g.highest for g in tasks),
        calls=sum(g.calls for g in tasks),
        tokens=sum(g.tokens for g in tasks),
        seconds=round(sum(g.seconds for g in tasks), 3),
    )


def _mean_of(intervals: Sequence[Interval]) -> Interval:
    count = len(intervals)
    mean = math.fsum(i.mean for i in intervals) / count
    low = math.sqrt(math.fsum((i.mean - i.low) ** 2 for i in intervals)) / count
    high = math.sqrt(math.fsum((i.high - i.mean) ** 2 for i in intervals)) / count
    return Interval(mean, mean - low, mean + high, sum(i.n for i in intervals))


def flat(record: Line | Group) -> dict[str, object]:
    """A record with its intervals spread over columns, for CSV."""
    row: dict[str, object] = {}
    for key, value in asdict(record).items():
        if isinstance(value, dict):
            row |= {f"{key}_{part}": number for part, number in value.items()}
        else:
            row[key] = value
    return row
