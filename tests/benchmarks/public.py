"""Runs on public data with the default model, one after the other; their reports are kept.

Needs local copies: python -m tests.benchmarks.public DATA_DIR
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from apo.progress import Lines
from apo.serving.command import Options
from apo.serving.server import serve
from apo.serving.weights import DEFAULT
from tests.benchmarks.page import public_data

TASKS = (
    "instruction_induction/sentiment",
    "instruction_induction/active_to_passive",
    "bbh/boolean_expressions",
)
CALLS = 1500
OUTPUT = Path("results/benchmarks")


def main() -> None:
    """Run each task and write its report."""
    data = public_data()
    apo = str(Path(sys.executable).with_name("apo"))
    # Holding the lease keeps one server for all runs.
    with serve(DEFAULT, Options(), Lines().waiting), tempfile.TemporaryDirectory() as results:
        for task in TASKS:
            command = [apo, "run", task, "--data-dir", str(data), "--calls", str(CALLS)]
            subprocess.run([*command, "--results", results], check=True)
            report = subprocess.run(
                [apo, "show", "last", "--markdown", "--results", results],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            name = f"run-{task.replace('/', '-')}.md"
            (OUTPUT / name).write_text(report, encoding="utf-8")
            print(f"{OUTPUT / name} written")


if __name__ == "__main__":
    main()
