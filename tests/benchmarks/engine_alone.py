"""Seconds that vLLM's engine takes for batches of requests, in a process of its own.

Once it knows all requests beforehand, and if there are several batches once each begins when the one before
has ended.

    python -m tests.benchmarks.engine_alone MODEL BATCHES_JSON SECONDS_JSON
"""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from apo.backends import Request
from apo.progress import Lines
from apo.prompt import Rendered
from apo.serving.command import Options, environment, settings
from apo.serving.weights import resolve
from tests.benchmarks.llm_chat import loaded


def main() -> None:
    """Write the times, in seconds, into the second file."""
    batches = msgspec.json.decode(Path(sys.argv[2]).read_bytes(), type=list[list[Request]])
    weights = resolve(sys.argv[1], Lines().waiting)
    os.environ.update(environment(weights, Options(), "none"))
    from transformers import AutoTokenizer

    llm = loaded(settings(weights, Options()))
    tokenizer = AutoTokenizer.from_pretrained(weights.source)
    prepared = [_prepared(batch, tokenizer) for batch in batches]
    every = _prepared([request for batch in batches for request in batch], tokenizer)
    llm.generate(every[0][:4], every[1][:4], use_tqdm=False)
    found = []
    for parts in ([every], prepared) if len(batches) > 1 else ([every],):
        llm.reset_prefix_cache()
        began = time.monotonic()
        for prompts, sampling in parts:
            llm.generate(prompts, sampling, use_tqdm=False)
        found.append(time.monotonic() - began)
    Path(sys.argv[3]).write_bytes(msgspec.json.encode(found))


def _prepared(asked: Sequence[Request], tokenizer: Any) -> tuple[list[str], list[Any]]:
    """The texts of requests and how each is sampled; this is not timed."""
    from vllm import SamplingParams

    prompts = [written(request.rendered, tokenizer) for request in asked]
    sampling = [
        SamplingParams(max_tokens=r.max_tokens, temperature=r.temperature, seed=r.seed, stop=list(r.stop))
        for r in asked
    ]
    return prompts, sampling


def written(rendered: Rendered, tokenizer: Any) -> str:
    """The text that a server would make of it."""
    if isinstance(rendered, str):
        return rendered
    chat = [{"role": message.role, "content": message.content} for message in rendered]
    return str(tokenizer.apply_chat_template(chat, add_generation_prompt=True, tokenize=False))


if __name__ == "__main__":
    main()
