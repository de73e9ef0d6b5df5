"""A component or task is added by adding one file: the command line and these tests find it."""

import json
import os
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest

from tests.components.helpers import fake_server

ROOT = Path(__file__).resolve().parents[2]
APO = Path(sys.executable).with_name("apo")
FILES = {
    "proposers/shouting.py": '''
        """Write the best instruction in capitals."""

        from dataclasses import dataclass, replace
        from random import Random

        from apo.candidate import Proposal
        from apo.view import SearchView


        @dataclass(frozen=True)
        class Shouting:
            """Adds an exclamation mark and a number of `digits` digits."""

            digits: int = 6

            def propose(self, view: SearchView, count: int, rng: Random) -> list[Proposal]:
                best = view.best
                text = best.prompt.instruction.upper()
                texts = [f"{text}! {rng.randrange(10 ** self.digits)}" for _ in range(count)]
                return [Proposal(replace(best.prompt, instruction=t), (best.id,)) for t in texts]
        ''',
    "exemplars/first_rows.py": '''
        """Show the first rows of the pool."""

        from dataclasses import dataclass
        from random import Random

        from apo.candidate import Candidate
        from apo.prompt import Exemplar
        from apo.view import SearchView


        @dataclass(frozen=True)
        class FirstRows:
            """Lists of 1, 2, 3 and more first rows."""

            def select(
                self, view: SearchView, parent: Candidate, count: int, rng: Random
            ) -> list[tuple[Exemplar, ...]]:
                rows = list({e.source: e for e in view.pool()}.values())
                most = min(view.max_exemplars, len(rows), count)
                return [tuple(rows[:size]) for size in range(1, most + 1)]
        ''',
    "schedulers/one_by_one.py": '''
        """All rows for one candidate after the other."""

        from collections.abc import Sequence
        from dataclasses import dataclass

        from apo.belief import Belief
        from apo.history import History
        from apo.schedulers import Plan, untried


        @dataclass(frozen=True)
        class OneByOne:
            """The first candidate that lacks rows gets them all."""

            def plan(self, cohort: Sequence[str], history: History, allowance: int, belief: Belief) -> Plan:
                for candidate in cohort:
                    missing = untried(candidate, history, len(history.dev))
                    if missing and candidate not in history.pruned and len(missing) <= allowance:
                        return Plan(tuple(missing))
                return Plan()
        ''',
    "alternations/round_robin.py": '''
        """One component after the other."""

        from dataclasses import dataclass

        from apo.alternations import WIDTHS, Move, arms, opening
        from apo.history import History


        @dataclass(frozen=True)
        class RoundRobin:
            """The opening, then all components in turn."""

            def next_move(self, history: History) -> Move | None:
                able = arms(history)
                move = opening(history, able)
                if move is not None or not able:
                    return move
                side, component = able[len(history.steps) % len(able)]
                return Move(side, component, WIDTHS[side])
        ''',
    "tasks/parity.py": '''
        """Say whether a number is even or odd."""

        from apo.prompt import Prompt
        from apo.scorers import Exact
        from apo.task import Example, Task


        def load() -> Task:
            rows = [Example(f"n{n}", f"Number {n}?", "odd" if n % 2 else "even") for n in range(30)]
            splits = tuple(rows[:10]), tuple(rows[10:20]), tuple(rows[20:])
            return Task("parity", "Even or odd.", Prompt("Even or odd?"), Exact(), *splits)
        ''',
    "tasks/size.yaml": """
        description: Say whether a number is big or small.
        data: {path: size.csv}
        columns: {input: number, target: kind}
        scorer: exact
        instruction: Big or small?
        """,
    "tasks/size.csv": "number,kind\n" + "\n".join(f"{n},{'big' if n > 20 else 'small'}" for n in range(40)),
}
NEW = {
    "proposers": "shouting",
    "exemplars": "first_rows",
    "alternations": "round_robin",
    "schedulers": "one_by_one",
}
KINDS = ("proposers", "selectors", "alternations", "schedulers")
TESTS = [f"tests/components/test_{kind}.py" for kind in KINDS]
OPTIONS = [
    *("--proposer", "shouting:digits=9", "--selector", "first_rows", "--scheduler", "one_by_one"),
    *("--alternation", "round_robin", "--model", "fake", "--calls", "300", "--max-exemplars", "4", "--json"),
]


@pytest.fixture(scope="module")
def extra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of components and tasks that somebody else wrote."""
    folder = tmp_path_factory.mktemp("extra")
    for name, text in FILES.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(dedent(text).lstrip(), encoding="utf-8")
    return folder


def call(extra: Path, *command: str | Path, cwd: Path = ROOT) -> str:
    """Standard output of a command that knows the folder."""
    done = subprocess.run(
        command,
        env={**os.environ, "APO_PATH": str(extra), "COLUMNS": "200"},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("what", "name", "said"),
    [
        ("proposers", "shouting", "Adds an exclamation mark and a number of `digits` digits."),
        ("selectors", "first_rows", "Lists of 1, 2, 3 and more first rows."),
        ("alternations", "round_robin", "The opening, then all components in turn."),
        ("schedulers", "one_by_one", "The first candidate that lacks rows gets them all."),
    ],
)
def test_listed(extra: Path, what: str, name: str, said: str) -> None:
    """A new component is listed with its docstring, beside those that are shipped."""
    listed = json.loads(call(extra, APO, "list", what, "--json"))

    assert said == listed[name]
    assert len(listed) > 1


def test_tasks_listed(extra: Path) -> None:
    """New tasks, with and without code, are listed with their first line."""
    listed = json.loads(call(extra, APO, "tasks", "--json"))

    assert "Say whether a number is even or odd." == listed["parity"]
    assert "Say whether a number is big or small." == listed["size"]


@pytest.mark.parametrize("task", ["parity", "size"])
def test_run(extra: Path, tmp_path: Path, task: str) -> None:
    """A run of a new task with the new components ends, and its candidates come from them."""
    with fake_server(lambda _: (200, "even")) as server:
        best = json.loads(call(extra, APO, "run", task, "--url", server.url, *OPTIONS, cwd=tmp_path))
    rows = json.loads(call(extra, APO, "show", "--json", cwd=tmp_path))

    assert (task, "finished") == (best["task"]["name"], best["status"])
    assert {"seed", "layout", "uniform", "first_rows", "shouting"} == {
        row["candidate"]["origin"] for row in rows
    }


@pytest.fixture(scope="module")
def tested(extra: Path) -> str:
    """What the conformance tests say of the new components."""
    options = ["-q", "-rA", "-p", "no:cacheprovider", "-k", " or ".join(NEW.values())]
    return call(extra, sys.executable, "-m", "pytest", *TESTS, *options)


@pytest.mark.parametrize("name", NEW.values())
def test_conformance(tested: str, name: str) -> None:
    """The conformance tests run over a new component, and it passes them."""
    lines = [line for line in tested.splitlines() if name in line]

    assert len(lines) >= 8
    assert all(line.startswith("PASSED") for line in lines)


def test_collected(extra: Path) -> None:
    """Every new component stands in the ids of the conformance tests, the shipped ones too."""
    pytest_ = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--collect-only"]
    said = call(extra, *pytest_, *TESTS)

    assert [] == [name for name in NEW.values() if f"[{name}" not in said]
    assert "[opro" in said
