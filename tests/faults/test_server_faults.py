"""What a server can do to a run: no answer is lost, and no failure is scored as a wrong answer."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from apo import events, runner, words
from apo.backends.openai import OpenAI
from apo.backends.retries import Retries
from apo.connection import Link
from apo.history import UNFIT, History
from apo.loading import load
from apo.options import RunOptions
from apo.runner import Models
from apo.spec import Identity
from apo.store.journal import read_records
from apo.store.runs import named
from tests.faults.ledger import Ledger
from tests.faults.servers import Server, UnderWay
from tests.little_server import Reply, serving
from tests.places import Done, Place, refused, well

WAY = "answers under way at that moment; they are asked again"


@dataclass(frozen=True)
class Outcome:
    """What came of a plan."""

    place: Place
    server: Server
    done: Done
    history: History

    @property
    def missing(self) -> Counter[str]:
        """Kinds of failure of the seed prompt's dev rows."""
        return kinds(self.history)

    def resume(self) -> History:
        """The run gone on with on a server that is well; no row that was held before is asked again."""
        held = set(self.history.evaluations("c0"))
        self.server.failing = lambda *_: None
        self.server.tries.clear()
        well(self.place.on_runs("resume"))
        assert not held & {f"n{row}" for row in self.server.tries}
        return self.place.run.history()


def kinds(history: History) -> Counter[str]:
    """Kinds of failure of the seed prompt's dev rows."""
    return Counter(e.failure.kind for e in history.evaluations("c0").values() if e.failure is not None)


@pytest.fixture(scope="module")
def outcomes(under_way: list[UnderWay]) -> dict[str, Outcome]:
    """What came of all plans."""
    return {
        one.name: Outcome(one.place, one.server, one.job.result(), one.place.run.history())
        for one in under_way
    }


def test_five_of_forty(outcomes: dict[str, Outcome], ledger: Ledger) -> None:
    """Five rows that are never answered are missing and shown; the score of the other 35 stands."""
    one = outcomes["five"]
    score = one.history.mean("c0")
    well(one.done)

    assert {"server": 5} == one.missing
    # Of the numbers from 45 to 79, 17 are even.
    assert (35, 17 / 35) == (len(one.history.scores("c0")), score)
    assert 5 == json.loads(one.place.on_runs("show", "--json").stdout)[0]["failures"]
    assert 12 == one.server.tries[40]  # six, and six more as a second chance
    ledger.record(
        "HTTP 503 to 5 of 40 rows, for ever",
        f"exit code 0; each was tried 12 times; the other 35 score {score:.3f}, 5 failures are shown",
        "5 rows, counted as missing",
    )


def test_twice(outcomes: dict[str, Outcome], ledger: Ledger) -> None:
    """Rows that fail for a while are tried again and all are scored."""
    one = outcomes["twice"]
    well(one.done)

    assert {} == one.missing
    assert 12 == len(one.history.scores("c0"))
    assert {3} == set(one.server.tries.values())
    ledger.record("HTTP 503 to every row, twice", "exit code 0; each row was tried 3 times, all are scored")


def test_rate_limit(outcomes: dict[str, Outcome], ledger: Ledger) -> None:
    """A server that asks for patience gets it, and all rows are scored."""
    one = outcomes["limit"]
    well(one.done)

    assert {} == one.missing
    assert 12 == len(one.history.scores("c0"))
    assert {2, 1} == set(one.server.tries.values())
    ledger.record(
        "HTTP 429 with Retry-After",
        "exit code 0; it waited as asked and tried each row again, all are scored",
    )


def test_gone_and_back(outcomes: dict[str, Outcome], ledger: Ledger) -> None:
    """While everything fails the rows are kept back; when the server answers they are all scored."""
    one = outcomes["back"]
    facts = [type(record.event) for record in read_records(one.place.run.journal)]
    well(one.done)

    assert {} == one.missing
    assert 12 == len(one.history.scores("c0"))
    assert 1 == facts.count(events.ServerLost) == facts.count(events.ServerBack)
    ledger.record(
        "the server is gone, and comes back",
        "exit code 0; the run says so and waits, asks again when it is back, and all rows are scored",
    )


@pytest.mark.parametrize(
    ("plan", "fault", "told", "lost"),
    [
        ("gone", "the server is gone for good", "The model server did not come back within 0 s", "nothing"),
        ("model", "another model answers", "The model server refuses every request: model: ", WAY),
        ("key", "the key is refused in the middle", "refuses every request: authentication: ", WAY),
    ],
)
def test_fails_for_good(
    outcomes: dict[str, Outcome], ledger: Ledger, plan: str, fault: str, told: str, lost: str
) -> None:
    """The run ends with one message; what was answered is kept, and it goes on later."""
    one = outcomes[plan]
    line = refused(one.done, 1, told, "go on with `apo resume`")
    answered = {f"n{row}" for row, times in one.server.answered.items() if times}
    held = set(one.history.evaluations("c0"))
    assert {} == one.missing
    assert held == answered if lost == "nothing" else held <= answered
    history = one.resume()

    assert 12 == len(history.scores("c0"))
    assert "finished" == words.state(history)
    ledger.record(fault, f"exit code 1: {line.removeprefix('apo: ')}", lost)


def test_html(outcomes: dict[str, Outcome], ledger: Ledger) -> None:
    """A page instead of an answer is a failure of the server, not an answer."""
    one = outcomes["html"]
    well(one.done)

    assert {"server": 2} == one.missing
    assert 10 == len(one.history.scores("c0"))
    ledger.record(
        "HTML instead of an answer",
        "exit code 0; each of 2 rows was tried 6 times; the score of the other 10 stands",
        "2 rows, counted as missing",
    )


def test_context(outcomes: dict[str, Outcome], ledger: Ledger) -> None:
    """A candidate that the context does not hold is dropped with that reason; its score is none, not 0."""
    one = outcomes["context"]
    well(one.done)
    unfit = [name for name, why in one.history.pruned.items() if why == UNFIT]

    assert "c1" in unfit
    assert {} == one.history.scores("c1")
    assert one.history.finished is not None
    assert one.history.finished.best not in unfit
    ledger.record(
        "a candidate longer than the context",
        "exit code 0; the candidate is dropped with that reason and gets no score",
        "the rows that it was asked with",
    )


def drip() -> Iterator[bytes]:
    """A body that never ends."""
    while True:
        yield b" "
        time.sleep(0.02)


def slow_run(folder: Path, failing: Reply) -> tuple[History, Server]:
    """A run in this process whose client gives up after two seconds and tries once; two rows fail."""
    place = Place.at(folder)
    server = Server(lambda row, *_: failing if row in (12, 13) else None)
    with serving(server) as http:
        options = RunOptions(
            task="parity.py", url=(http.url,), model="fake", calls=36, cache=False, patience=0
        )
        run = named(place.results, "mine", options.spec(place.path))
        once = Retries(attempts=1)
        backend = OpenAI(
            base_url=http.url, api_key="none", model="fake", retries=once, timeout=2.0, per_token=0.0
        )
        try:
            link = Link(backend, Identity("fake", base_url=http.url))
            with run.locked():
                runner.go_on(run, load(run.spec().task), Models(link, link))
        finally:
            backend.close()
    return run.history(), server


@pytest.mark.parametrize(
    ("fault", "failing", "kind"),
    [
        ("rows that are never answered", Reply(delay=5.0), "timeout"),
        ("an answer of 50 MB", Reply(parts=lambda: (b" " * 1_000_000 for _ in range(50))), "server"),
        ("an answer that never ends", Reply(parts=drip), "timeout"),
    ],
)
def test_endless(tmp_path: Path, ledger: Ledger, fault: str, failing: Reply, kind: str) -> None:
    """An answer without end, in time or in size, is a failure of its row alone."""
    history, _ = slow_run(tmp_path, failing)

    assert "finished" == words.state(history)
    assert {kind: 2} == kinds(history)
    assert 10 == len(history.scores("c0"))
    ledger.record(
        fault,
        f"the run ends well; 2 rows failed as `{kind}`; the score of the other 10 stands",
        "2 rows, counted as missing",
    )
