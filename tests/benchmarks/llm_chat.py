"""`vllm.LLM.chat` in a process of its own, as a bare loop that the evaluator is held against.

Run as a program it loads the model with the arguments of its command line, and for each line on stdin, the
path of a JSON file with conversations and a token limit, answers all of them and prints how long it took.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from apo.serving import command
from apo.serving.command import Options
from apo.serving.weights import Weights

MARK = "seconds:"
"""Begins the lines that are meant for the owner; the engine prints others."""


@contextmanager
def llm_chat(weights: Weights, options: Options, requests: Path) -> Iterator[Callable[[], float]]:
    """A function that answers all requests of a file once and gives the seconds; the model is loaded."""
    program = [sys.executable, "-m", "tests.benchmarks.llm_chat", *command.settings(weights, options)]
    with subprocess.Popen(
        program,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=command.environment(weights, options, ""),
    ) as process:

        def answer() -> float:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(f"{requests}\n")
            process.stdin.flush()
            for line in process.stdout:
                if line.startswith(MARK):
                    return float(line.removeprefix(MARK))
            raise RuntimeError("vllm.LLM ended before it answered")

        try:
            yield answer
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


def loaded(arguments: Sequence[str]) -> Any:
    """An engine with what apo gives its own."""
    from vllm import LLM
    from vllm.engine.arg_utils import EngineArgs
    from vllm.utils.argparse_utils import FlexibleArgumentParser

    parser = EngineArgs.add_cli_args(FlexibleArgumentParser())
    parsed = parser.parse_args([*arguments, "--disable-log-stats"])
    return LLM.from_engine_args(EngineArgs.from_cli_args(parsed))


def main(arguments: Sequence[str]) -> None:
    """Load the model, then answer what stdin names until it ends."""
    from vllm import SamplingParams

    model = loaded(arguments)
    for line in sys.stdin:
        asked = json.loads(Path(line.strip()).read_text(encoding="utf-8"))
        sampling = SamplingParams(temperature=0.0, max_tokens=asked["max_tokens"])
        began = time.monotonic()
        model.chat(asked["conversations"], sampling, use_tqdm=False)
        print(f"{MARK} {time.monotonic() - began}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
