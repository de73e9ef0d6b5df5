"""A run, as asked for: everything that decides what it will do."""

from dataclasses import dataclass, field

from apo.budget import Budget
from apo.prompt import Prompt

PROPOSERS = ("induction", "opro", "reflection")
SELECTORS = ("random_search", "mutation")


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """Which model answers, and where. The API key itself is never here, only its variable's name."""

    model: str
    """The name that the server knows it by."""
    base_url: str | None = None
    """An OpenAI-compatible endpoint; None: a vLLM server that apo starts."""
    api_key_env: str = "OPENAI_API_KEY"
    """Environment variable that holds the key."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What answered: enough to tell two servers apart and to repeat a run."""

    model: str
    root: str = ""
    """The weights behind the name, as the server says."""
    engine: str = ""
    """The server's software and version."""
    base_url: str = ""
    context: int | None = None
    """Most tokens of prompt and answer together, if the server says."""


@dataclass(frozen=True, slots=True)
class RunSpec:
    """One run. Components are written `name` or `name:option=value,option=value`."""

    task: str
    model: ModelSpec
    proposal_model: ModelSpec | None = None
    """Who writes instructions; None: the task model itself."""
    proposers: tuple[str, ...] = PROPOSERS
    selectors: tuple[str, ...] = SELECTORS
    scheduler: str = "successive_halving"
    layouts: bool = True
    """Whether the layout is searched too."""
    max_exemplars: int = 16
    budget: Budget = field(default_factory=lambda: Budget(calls=1500))
    seed: int = 0


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
