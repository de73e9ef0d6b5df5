"""Scoring an exported prompt again on a live server: does it still do what its file says?"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import msgspec

from apo.backends import Backend
from apo.candidate import Candidate
from apo.embedding import Embed, SentenceEmbedder
from apo.errors import ConfigError
from apo.evaluation import Evaluator
from apo.export import schema
from apo.prompts import prompt_of
from apo.spec import TaskSource
from apo.statistics import Interval, mean_interval
from apo.task import Example, Task, with_sources


@dataclass(frozen=True, slots=True)
class Rescored:
    """What an export says and what the server says now, on the same rows."""

    split: str
    """`test` or `dev`."""
    exported: Interval | None
    """None: the export was not scored on these rows, so there is nothing to compare."""
    now: Interval
    missing: int
    """Rows that got no answer; they are no part of the score."""

    @property
    def agrees(self) -> bool | None:
        """Whether the score lies in the exported interval; None if there is nothing to compare."""
        if self.exported is None or self.now.n == 0:
            return None
        return self.exported.low <= self.now.mean <= self.exported.high


def read_export(path: Path) -> dict[str, Any]:
    """An export, checked against its schema.

    Raises:
        ConfigError: the file cannot be read or is no export of this version.
    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.validate(content, json.loads(schema()))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} is no JSON: {error}.") from error
    except jsonschema.ValidationError as error:
        where = "/".join(map(str, error.absolute_path)) or "the top"
        raise ConfigError(
            f"{path} is no export of this version of apo: at {where}: {error.message[:200]}. "
            "`apo export` writes one; `apo export --schema` says what it holds."
        ) from error
    return content


def source_of(content: dict[str, Any], path: Path) -> TaskSource:
    """Where an export's task comes from.

    Raises:
        ConfigError: the export does not say it as apo does.
    """
    try:
        return msgspec.convert(content["task"]["source"], TaskSource)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path} is no export of apo: at task/source: {error}. Name the --task.") from error


def rows_of(content: dict[str, Any], task: Task) -> tuple[str, tuple[Example, ...]]:
    """The rows that an export is scored again on: the sealed test if it was scored there, else dev."""
    if content["scores"]["test"] is not None:
        return "test", task.test
    return "dev", task.dev


def rescore(content: dict[str, Any], task: Task, backend: Backend, embed: Embed | None = None) -> Rescored:
    """Ask every row once more, past any cache.

    Raises:
        ConfigError: the export holds no prompt.
        RunError: the server is lost or refuses.
    """
    split, rows = rows_of(content, task)
    prompt = with_sources(prompt_of(content, task.seed.layout, "The export"), (*task.train, *task.dev))
    candidate = Candidate(content["candidate"], prompt)
    evaluator = Evaluator(backend, task.scorer, task.decoding, embed=embed or SentenceEmbedder())
    pairs = [(candidate, row) for row in rows]
    evaluator.prepare(pairs)
    done = [e for chunk in evaluator.evaluate(pairs) for e in chunk]
    values = [e.score.value for e in done if e.score is not None]
    scores = content["scores"]
    exported = Interval(**(scores["test"] or scores["dev"])["winner"])
    same = content["task"]["fingerprint"] == task.fingerprint
    if split == "dev" and scores["dev"].get("scoring") == "token":
        same = False  # whole answers are asked here
    return Rescored(split, exported if same else None, mean_interval(values), len(done) - len(values))
