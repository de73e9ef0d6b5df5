"""A batch on a Ray cluster, one of whose two nodes is killed in the middle.

The same batch is done once on this machine and once on a cluster of two nodes with one CPU each. When a
third of the runs has ended and both nodes are at work, one node is killed with all that runs there. Both
times a scripted server answers, and no answer comes from a cache, so each request is seen. A request was
asked again if the server got it and no journal holds its answer.
"""

import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from apo.events import EvaluationsFinished
from apo.store.runs import RunFolder
from tests.benchmarks.page import publish
from tests.components.helpers import fake_server
from tests.places import Place, ended, rows_asked, until
from tests.ray_cluster import two_nodes
from tests.test_cli_batch import CALLS, cells, held, summary, write
from tests.test_cli_run import even

RUNS = 16
DELAY = 0.2
"""Seconds that the server takes for an answer, or a run would end before anybody saw it in its middle."""
LONGEST = 1500
"""Seconds that a batch may take."""
OUTPUT = Path("results/benchmarks/ray.md")


@dataclass(frozen=True)
class Outcome:
    """What one way to do the batch came to."""

    summary: dict[str, Any]
    asked: int
    held: int
    twice: int
    """Rows that a candidate met more than once, by the journals."""
    moved: int = 0
    """Runs that went on elsewhere."""


def main() -> None:
    """Do the batch both ways, print, and write the table."""
    with tempfile.TemporaryDirectory() as scratch:
        here, there = (Path(scratch) / name for name in ("here", "there"))
        here.mkdir()
        there.mkdir()
        one, other = _local(Place.at(here)), _cluster(Place.at(there))
    text = _table(one, other)
    publish(OUTPUT, text)
    if one.summary != other.summary or one.twice or other.twice:
        sys.exit("The batches differ.")


def slow(body: dict[str, Any]) -> tuple[int, str]:
    """A model that always says the same, after a while."""
    time.sleep(DELAY)
    return even(body)


def _local(place: Place) -> Outcome:
    with fake_server(slow) as server:
        write(place, server, seeds=list(range(RUNS)), parallel=2)
        process = place.start("batch", "mine.yaml", "--results", str(place.results))
        ended(process, LONGEST)
        return _outcome(place, rows_asked(server))


def _cluster(place: Place) -> Outcome:
    with two_nodes({**os.environ, **place.environment}) as nodes, fake_server(slow) as server:
        write(place, server, seeds=list(range(RUNS)))
        line = ("--results", str(place.results), "--ray", nodes.address)
        process = place.start("batch", "mine.yaml", *line)
        until(lambda: _in_the_middle(place), process, LONGEST)
        nodes.kill()
        said = ended(process, LONGEST).stderr
        return _outcome(place, rows_asked(server), said.count(": goes on, on "))


def _in_the_middle(place: Place) -> bool:
    """Whether a third has ended, and two runs have scored something and have not ended."""
    histories = [run.history() for run in cells(place).values()]
    over = sum(history.finished is not None for history in histories)
    busy = sum(history.finished is None and history.total.calls > 0 for history in histories)
    return over >= RUNS // 3 and busy == 2


def _outcome(place: Place, asked: int, moved: int = 0) -> Outcome:
    twice = sum(count - 1 for run in cells(place).values() for count in met(run).values())
    return Outcome(untimed(summary(place)), asked, held(place), twice, moved)


def met(run: RunFolder) -> Counter[tuple[str, str]]:
    """How often each candidate met each row, by the run's journal."""
    facts = [record.event for record in run.records()]
    done = [e for fact in facts if isinstance(fact, EvaluationsFinished) for e in fact.evaluations]
    return Counter((one.candidate, one.example) for one in done)


def untimed(content: dict[str, Any]) -> dict[str, Any]:
    """A summary without what a clock says."""
    lines = [*content["runs"], *content["groups"]]
    return {"lines": [{k: v for k, v in line.items() if k != "seconds"} for line in lines]}


def _table(here: Outcome, there: Outcome) -> str:
    head = ["# A batch on a Ray cluster", "", (__doc__ or "").partition("\n\n")[2].strip(), ""]
    head += [
        f"{RUNS} runs of {CALLS} calls:",
        "",
        "| | here | two nodes, one killed |",
        "| --- | --- | --- |",
    ]
    rows = [
        ("runs that finished", *(_finished(one) for one in (here, there))),
        ("runs that went on elsewhere", here.moved, there.moved),
        ("evaluations in the journals", here.held, there.held),
        ("of these, more than once", here.twice, there.twice),
        ("evaluations that the server was asked for", here.asked, there.asked),
        ("asked again", here.asked - here.held, there.asked - there.held),
    ]
    same = "the same" if here.summary == there.summary else "DIFFERENT"
    end = ["", f"The summaries, but for seconds: {same}.", ""]
    return "\n".join([*head, *(f"| {name} | {one} | {other} |" for name, one, other in rows), *end])


def _finished(outcome: Outcome) -> int:
    return sum(line.get("state") == "finished" for line in outcome.summary["lines"])


if __name__ == "__main__":
    main()
