"""What the tests of faults write down: each fault, what happened, what was lost."""

from dataclasses import dataclass, field
from pathlib import Path

FILE = Path(__file__).parent.parent.parent / "results" / "benchmarks" / "faults.md"
HEAD = """# Faults

Each fault is brought about by a test in `tests/faults/`, most of them with `apo run` and `apo resume` in
processes of their own; the tests write this table when all of them pass. "Nothing" lost: no answer that was
paid for is asked again, and none is scored as wrong.

| fault | what happened | what was lost |
| --- | --- | --- |
"""
FAULTS = (
    "HTTP 503 to 5 of 40 rows, for ever",
    "HTTP 503 to every row, twice",
    "HTTP 429 with Retry-After",
    "the server is gone, and comes back",
    "the server is gone for good",
    "rows that are never answered",
    "HTML instead of an answer",
    "an answer of 50 MB",
    "an answer that never ends",
    "another model answers",
    "a candidate longer than the context",
    "the key is refused in the middle",
    "another model is served when the run goes on",
    "the last line of the journal is torn",
    "a line in the middle of the journal is broken",
    "a journal of a newer version",
    "a folder without a journal",
    "a folder with half a specification",
    "a second process",
    "the disk is full",
    "the best prompt cannot be written",
    "results that cannot be written",
    "the task's data have changed",
    "the clock jumps by a day",
    "kill -9",
)


@dataclass
class Ledger:
    """The rows so far."""

    rows: dict[str, tuple[str, str]] = field(default_factory=dict)

    def record(self, fault: str, happened: str, lost: str = "nothing") -> None:
        """Write a fault down; the last thing that its test does."""
        assert fault in FAULTS
        self.rows[fault] = (happened, lost)

    def write(self, path: Path = FILE) -> None:
        """Write the table, if every fault is in it and anything has changed."""
        if set(FAULTS) != self.rows.keys():
            return
        lines = [f"| {fault} | {' | '.join(self.rows[fault])} |\n" for fault in FAULTS]
        text = HEAD + "".join(lines)
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
