"""A run, as asked for: everything that decides what it will do, and what identifies what answers it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import msgspec

from apo.budget import Budget
from apo.prompt import Prompt

PROPOSERS = ("induction", "opro", "reflection")
SELECTORS = ("random_search", "mutation")
SCHEDULER = "racing"
DEFAULT_MODEL = "smollm2-135m-instruct"
DEFAULT_CALLS = 2000
MOST_EXEMPLARS = 32
"""Exemplars that a prompt may hold, unless somebody asks for more or fewer."""
KEY = "OPENAI_API_KEY"
"""The environment variable that holds an API key, unless another is named."""
PATIENCE = 600.0
"""Seconds that a run waits for a lost server."""


Engine = Literal["auto", "server", "inprocess"]
"""How vLLM is reached where apo starts it; `auto`: see `apo.serving.owned.hold_if_faster`."""


@dataclass(frozen=True, slots=True)
class TaskSource:
    """Where a task comes from: enough to load it again."""

    name: str = ""
    """A task's name or the path of its file; with `data`, nothing."""
    data: str | None = None
    """Path of a data file that makes a task by itself."""
    columns: tuple[str, str] = ("input", "target")
    """Input and target columns of `data`."""
    data_dir: str | None = None
    """Folder with local copies of public data."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Replace the task file's own."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Split sizes that replace the task file's own."""


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which model answers, and where. The API key itself is never here, only its variable's name."""

    model: str
    """The name that the server knows it by."""
    base_url: str | None = None
    """An OpenAI-compatible endpoint; None: apo starts vLLM."""
    api_key_env: str = KEY
    """Environment variable that holds the key."""
    context: int | None = None
    """Most tokens of prompt and answer together, where apo starts vLLM."""
    eager: bool = False
    """Let the vLLM that apo starts skip compiling: ready sooner, slower afterwards."""
    more_urls: tuple[str, ...] = ()
    """Further endpoints that serve the same model; the requests are shared among all."""
    engine: Engine = field(default="auto", compare=False)
    """What apo starts: a server that runs share, an engine of this run's own, or the faster. Both give the
    same answers, so two specifications that differ in this alone are equal."""

    @property
    def urls(self) -> tuple[str, ...]:
        """All endpoints; none where apo starts vLLM."""
        return () if self.base_url is None else (self.base_url, *self.more_urls)


@dataclass(frozen=True, slots=True)
class WhiteBoxSpec:
    """The model whose weights components may look into, opened only if one of them does."""

    model: str = ""
    """A model folder or a hub id; empty: the weights of the task model."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """`auto`: cuda where there is one."""
    memory: float | None = None
    """GiB that weights and work may take together; None: half of what is free."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What answered: enough to tell two servers apart and to repeat a run."""

    model: str
    root: str = ""
    """The weights behind the name, as the server says."""
    base_url: str = ""
    """Where it answers, several addresses with spaces between; empty for a server that apo starts, whose
    port changes."""
    weights: str = ""
    """Digest of the model's files, for a server that apo starts from a folder."""
    template: str = ""
    """Digest of the tokens that a fixed chat becomes: chat template and tokenizer, if the server tells."""
    engine: str = ""
    """The server's software and version."""
    context: int | None = None
    """Most tokens of prompt and answer together, if the server says."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run. Components are written `name` or `name:option=value,option=value`."""

    task: TaskSource
    model: ModelSpec
    proposal_model: ModelSpec | None = None
    """Who writes instructions; None: the task model itself."""
    whitebox: WhiteBoxSpec = WhiteBoxSpec()
    proposers: tuple[str, ...] = PROPOSERS
    selectors: tuple[str, ...] = SELECTORS
    alternation: str = "learned"
    scheduler: str = SCHEDULER
    surrogate: str = "gaussian_process"
    """What predicts untried prompts, for screening and for schedulers that ask what is believed."""
    acquisition: str = "log_nei"
    """What chooses among proposals by these predictions."""
    screen: int = 1
    """Exemplar lists proposed for each that becomes a candidate; 1: nothing is screened."""
    layouts: bool = True
    """Whether the layout is searched too."""
    max_exemplars: int = MOST_EXEMPLARS
    budget: Budget = field(default_factory=lambda: Budget(calls=DEFAULT_CALLS))
    seed: int = 0
    scoring: Literal["generate", "token", "auto"] = "generate"
    """By whole answers, by their first token (closed tasks), or by that where it scores the same."""
    cache: bool = True
    """Whether answers may come from earlier runs on the same server."""
    patience: float = PATIENCE
    """Seconds that the run waits for a lost server before it gives up."""


@dataclass(frozen=True, slots=True)
class TaskCard:
    """What a reader of the journal needs to know of the task, without loading it."""

    name: str
    description: str
    fingerprint: str
    seed: Prompt
    sizes: tuple[int, int, int]
    """Rows of train, dev and test."""
    max_tokens: int
    choices: tuple[str, ...] = ()
    """The only answers that the server may give, if decoding is constrained."""


def at(spec: RunSpec, there: RunSpec) -> RunSpec:
    """A run asked of the servers of another, where both have one in common: others change no answer."""

    def moved(own: ModelSpec | None, other: ModelSpec | None) -> ModelSpec | None:
        if own is None or other is None or not set(own.urls) & set(other.urls):
            return own
        return replace(own, base_url=other.base_url, more_urls=other.more_urls)

    model = moved(spec.model, there.model) or spec.model
    return replace(spec, model=model, proposal_model=moved(spec.proposal_model, there.proposal_model))


def difference(there: object, here: object) -> str | None:
    """The first field in which two records of one type differ, as `budget.calls is 600 there and 900 here`.

    None if they are the same. Fields are compared in the order of their definition.
    """
    return _differs("", msgspec.to_builtins(there), msgspec.to_builtins(here))


def _differs(path: str, there: Any, here: Any) -> str | None:
    if isinstance(there, dict) and isinstance(here, dict):
        for key in {**there, **here}:
            inside = f"{path}.{key}" if path else str(key)
            found = _differs(inside, there.get(key), here.get(key))
            if found is not None:
                return found
        return None
    if there == here:
        return None
    return f"{path} is {_short(there)} there and {_short(here)} here"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
