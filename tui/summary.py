"""Runs in a line each, from the small files of their folders: a journal may have gigabytes."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from apo.errors import ApoError
from apo.store.runs import RunFolder, list_runs

MOST = 500
"""Runs that are listed: the newest."""


@dataclass(frozen=True, slots=True)
class Summary:
    """One run."""

    folder: RunFolder
    state: str
    """`running`, `stopped`, `finished`, or `unreadable`."""
    model: str = ""
    calls: str = ""
    dev: str = ""
    test: str = ""


class _Mean(msgspec.Struct):
    mean: float


class _Pair(msgspec.Struct):
    winner: _Mean
    seed: _Mean


class _Scores(msgspec.Struct):
    dev: _Pair
    test: _Pair | None = None


class _Calls(msgspec.Struct):
    calls: int = 0


class _Spend(msgspec.Struct):
    task: _Calls
    proposal: _Calls
    test: _Calls


class _Best(msgspec.Struct):
    """What is read of a `best.json`."""

    status: str
    scores: _Scores
    spend: _Spend


def summarise(folder: RunFolder) -> Summary:
    """A run as its specification, its exported best prompt and its lock tell."""
    live = folder.is_live()
    try:
        model = folder.spec().model.model
        best = msgspec.json.decode(folder.best.read_bytes(), type=_Best) if folder.best.exists() else None
    except (ApoError, OSError, msgspec.DecodeError) as error:
        return Summary(folder, "unreadable", str(error))
    if best is None:
        return Summary(folder, "running" if live else "stopped", model)
    spend, test = best.spend, best.scores.test
    return Summary(
        folder,
        "running" if live else "finished" if best.status == "finished" else "stopped",
        model,
        str(spend.task.calls + spend.proposal.calls + spend.test.calls),
        f"{best.scores.dev.winner.mean:.3f}",
        f"{test.winner.mean:.3f} (seed {test.seed.mean:.3f})" if test else "",
    )


def summaries(results: Path) -> list[Summary]:
    """The runs of a results folder, the newest first."""
    return [summarise(folder) for folder in list_runs(results)[:MOST]]
