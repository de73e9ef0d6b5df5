"""`vllm bench serve`, the serving benchmark of vLLM itself, on requests of our own."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from apo.serving.server import Server
from apo.serving.weights import Weights

PROGRAM = """
from vllm.benchmarks.serve import add_cli_args, main
from vllm.utils.argparse_utils import FlexibleArgumentParser
parser = FlexibleArgumentParser()
add_cli_args(parser)
main(parser.parse_args())
"""
"""What the console script does, which the CPU build of vLLM lacks."""


def bench_serve(server: Server, weights: Weights, texts: list[str], max_tokens: int, limit: int) -> float:
    """Requests a second, each text one user turn, with at most `limit` at once."""
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "requests.jsonl"
        data.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts), encoding="utf-8")
        options = {
            "backend": "openai-chat",
            "endpoint": "/v1/chat/completions",
            "base-url": server.base_url.removesuffix("/v1"),
            "model": server.model,
            "tokenizer": weights.source,
            "dataset-name": "custom",
            "dataset-path": str(data),
            "custom-output-len": str(max_tokens),
            "num-prompts": str(len(texts)),
            "max-concurrency": str(limit),
            "temperature": "0",
            "top-p": "1",
            "result-dir": folder,
            "result-filename": "result.json",
        }
        flags = ["--skip-chat-template", "--disable-shuffle", "--disable-tqdm", "--save-result"]
        subprocess.run(
            [sys.executable, "-c", PROGRAM, *(f"--{k}={v}" for k, v in options.items()), *flags],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "OPENAI_API_KEY": server.api_key},
        )
        result = json.loads((Path(folder) / "result.json").read_text(encoding="utf-8"))
    if result["completed"] != len(texts):
        raise RuntimeError(f"vllm bench serve completed {result['completed']} of {len(texts)} requests")
    return float(result["request_throughput"])
