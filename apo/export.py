"""The best prompt as JSON: everything needed to use it, to check it and to know where it came from.

The JSON Schema of the file is `export_schema.json` beside this module.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path
from typing import Any

import msgspec

from apo import __version__, words
from apo.candidate import Candidate
from apo.embedding import HUB_ID, Embed, SentenceEmbedder
from apo.errors import ConfigError, unknown
from apo.files import write_private
from apo.headroom import corrected_score
from apo.history import History
from apo.nearest import resolve
from apo.prompt import PLACEHOLDER, Layout, Prompt, Rendered, render, stops
from apo.prompts import prompt_of
from apo.statistics import mean_interval, paired_difference

SCHEMA_VERSION = 3
DEV_NOTE = (
    "The winner was picked as the best of many on these rows, so its dev score is optimistic; `corrected` "
    "takes that luck out by empirical Bayes. The test score needs no correction."
)
NEAREST_NOTE = (
    "Each input has a body of its own. Embed it and the input of every exemplar of `prompt` with `encoder`, "
    "take the `count` exemplars of the highest cosine similarity, and add them to the body as "
    "`prompt.layout` says, the most similar last. In Python: apo.export.fill(export, input)."
)


def schema() -> str:
    """The JSON Schema of an export, as text."""
    return files("apo").joinpath("export_schema.json").read_text(encoding="utf-8")


def chosen(history: History, candidate: str | None = None) -> Candidate:
    """The candidate to export: one by id, or the best, or while none is complete the one that leads.

    Raises:
        ConfigError: no such candidate, or nothing is scored yet.
    """
    if candidate is not None:
        if candidate not in history.candidates:
            raise unknown("candidate", candidate, history.candidates)
        return history.candidates[candidate]
    leading = history.leading()
    if leading is None:
        raise ConfigError("No candidate has a score yet, so there is no prompt to export.")
    return leading


def export(history: History, run: str, candidate: str | None = None) -> dict[str, Any]:
    """The export of one candidate of a run, as plain JSON data."""
    winner = chosen(history, candidate)
    prompt = winner.prompt
    return {
        "schema_version": SCHEMA_VERSION,
        "apo": __version__,
        "run": run,
        "status": words.state(history),
        "candidate": winner.id,
        "task": {
            "name": history.task.name,
            "description": history.task.description,
            "fingerprint": history.task.fingerprint,
            "sizes": list(history.task.sizes),
            "source": msgspec.json.decode(msgspec.json.encode(history.spec.task)),
        },
        "prompt": {
            "instruction": prompt.instruction,
            "exemplars": [{"input": e.input, "output": e.output} for e in prompt.exemplars],
            "layout": asdict(prompt.layout),
            "nearest": prompt.nearest,
        },
        "request": request(prompt, history),
        "model": asdict(history.server),
        "scores": {"dev": _dev(history, winner), "test": _test(history, winner)},
        "spend": {
            **{role: asdict(spend) for role, spend in history.spend.items()},
            "seconds": round(history.seconds, 3),
        },
        "lineage": _lineage(history, winner),
    }


def request(prompt: Prompt, history: History) -> dict[str, Any]:
    """What to send for one input: replace `placeholder` by it wherever it stands, and post.

    Where each input is shown the exemplars nearest to it, the body lacks the prompt; see `fill`.
    """
    placeholder = _placeholder(prompt)
    body: dict[str, Any] = {
        "model": history.server.model,
        "temperature": 0.0,
        "top_p": 1.0,
        "max_tokens": history.task.max_tokens,
    }
    if prompt.nearest is None:
        body.update(_written(render(prompt, placeholder)))
    if stop := stops(prompt):
        body["stop"] = list(stop)
    if history.task.choices:
        body["structured_outputs"] = {"choice": list(history.task.choices)}
    return {
        "endpoint": "/v1/completions" if prompt.layout.form == "completion" else "/v1/chat/completions",
        "placeholder": placeholder,
        "body": body,
        "nearest": _nearest(prompt),
    }


def _nearest(prompt: Prompt) -> dict[str, Any] | None:
    if prompt.nearest is None:
        return None
    return {"count": prompt.nearest, "encoder": HUB_ID, "note": NEAREST_NOTE}


def _written(rendered: Rendered) -> dict[str, Any]:
    """A prompt as the part of a body that holds it."""
    if isinstance(rendered, str):
        return {"prompt": rendered}
    return {"messages": [msgspec.structs.asdict(message) for message in rendered]}


def fill(content: Mapping[str, Any], text: str, embed: Embed | None = None) -> dict[str, Any]:
    """The whole body to post for one input, from an export; any prompt's, with `embed` or the own encoder.

    Raises:
        ConfigError: the export holds no prompt.
        OSError: see `apo.embedding.SentenceEmbedder`.
    """
    prompt = prompt_of(dict(content), Layout(), "The export")
    shown = resolve(prompt, text, "", embed or SentenceEmbedder())
    return {**content["request"]["body"], **_written(render(shown, text))}


def _placeholder(prompt: Prompt) -> str:
    """A mark for the input that stands nowhere in the prompt itself."""
    rendered = render(prompt, "")
    written = [rendered] if isinstance(rendered, str) else [message.content for message in rendered]
    placeholder, number = PLACEHOLDER, 1
    while any(placeholder in text for text in written):
        number += 1
        placeholder = PLACEHOLDER.replace("}}", f"-{number}}}}}")
    return placeholder


def _dev(history: History, winner: Candidate) -> dict[str, Any]:
    scores, seed = history.scores(winner.id), history.scores("c0")
    return {
        "winner": asdict(mean_interval(list(scores.values()))),
        "corrected": asdict(corrected_score(history, winner.id)),
        "seed": asdict(mean_interval(list(seed.values()))),
        "difference": asdict(paired_difference(scores, seed)),
        "candidates": len(history.candidates),
        "note": DEV_NOTE,
        "scoring": history.scoring.way if history.scoring else "generate",
    }


def _test(history: History, winner: Candidate) -> dict[str, Any] | None:
    tested = history.tested
    if tested is None or tested.candidate != winner.id:
        return None
    return {
        "winner": asdict(tested.score),
        "seed": asdict(tested.seed),
        "difference": asdict(tested.difference),
        "better": tested.better,
        "worse": tested.worse,
        "p_value": tested.p_value,
    }


def _lineage(history: History, winner: Candidate) -> list[dict[str, Any]]:
    """The winner and its ancestors, youngest first, each once."""
    line: dict[str, Candidate] = {}
    waiting = [winner.id]
    while waiting:
        candidate = history.candidates[waiting.pop(0)]
        if candidate.id not in line:
            line[candidate.id] = candidate
            waiting += candidate.parents
    return [
        {
            "id": c.id,
            "origin": c.origin,
            "side": c.side,
            "parents": list(c.parents),
            "note": c.note,
            "dev": asdict(mean_interval(list(history.scores(c.id).values()))),
        }
        for c in line.values()
    ]


def write(content: Mapping[str, Any], path: Path) -> None:
    """Write an export so that a reader finds the old file or the new one, never half of one.

    Raises:
        ConfigError: the file cannot be written.
    """
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    write_private(path, text.encode())
