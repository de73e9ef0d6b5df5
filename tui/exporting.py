"""Files for people: a prompt as text, a candidate as JSON, the whole board as CSV."""

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from apo import words
from apo.candidate import Candidate
from apo.files import write_private
from apo.prompt import PLACEHOLDER, Prompt, render
from apo.store.runs import RunFolder
from tui.watched import Watched


def export(
    folder: RunFolder, watched: Watched, candidate: Candidate, content: Mapping[str, Any]
) -> tuple[Path, ...]:
    """Write them into the run's folder, readable by the owner alone; `content` is the candidate's export.

    Raises:
        ConfigError: a file cannot be written.
    """
    texts = {
        f"{candidate.id}.txt": as_text(candidate.prompt),
        f"{candidate.id}.json": json.dumps(content, ensure_ascii=False, indent=2) + "\n",
        "board.csv": board_csv(watched),
    }
    for name, text in texts.items():
        write_private(folder.path / name, text.encode("utf-8", "replace"))
    return tuple(folder.path / name for name in texts)


def as_text(prompt: Prompt) -> str:
    """A prompt as the model receives it, as one text; of one that shows the nearest, with its whole pool."""
    rendered, note = render(prompt, PLACEHOLDER), words.nearest(prompt)
    head = f"{note}\n\n" if note else ""
    if isinstance(rendered, str):
        return head + rendered
    return head + "\n\n".join(f"[{message.role}]\n{message.content}" for message in rendered) + "\n"


def board_csv(watched: Watched) -> str:
    """The whole board with exact numbers, and without the texts of prompts."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(
        [
            "rank",
            "id",
            "status",
            "dev",
            "low",
            "high",
            "rows",
            "to_seed",
            "origin",
            "exemplars",
            "tokens",
            "failed",
        ]
    )
    board = watched.board
    for place, row in enumerate(board.rows(board.order()), 1):
        score, prompt = row.score, row.candidate.prompt
        writer.writerow(
            [
                place,
                row.candidate.id,
                row.status,
                score.mean,
                score.low,
                score.high,
                score.n,
                row.difference.mean,
                row.candidate.origin,
                words.exemplars(prompt),
                row.tokens,
                row.failures,
            ]
        )
    return out.getvalue()
