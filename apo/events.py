"""Facts of a run, in the past tense; the journal is a sequence of them and state is a fold over it.

Readers ignore fields that they do not know. `SCHEMA` grows when old readers would misread.
"""

from typing import Literal

import msgspec

from apo.budget import Forecast, Spend
from apo.candidate import Candidate, Evaluation, Prediction, Side
from apo.commands import Sent
from apo.spec import Identity, RunSpec, TaskCard
from apo.statistics import EMPTY, Interval
from apo.task import Example

SCHEMA = 3


class Fact(msgspec.Struct, frozen=True, tag=True, kw_only=True):
    """The base of all events; a subclass's name is its tag in the journal."""


class RunStarted(Fact, frozen=True):
    """The first event: what was asked for, on what task and server."""

    spec: RunSpec
    task: TaskCard
    dev: tuple[Example, ...]
    """The dev rows in the run's fixed order, so that a reader can show them."""
    server: Identity
    schema: int = SCHEMA
    apo: str = ""
    """Version of apo."""


class RunResumed(Fact, frozen=True):
    """Another process goes on with the run; the time since the event before is not the run's."""

    server: Identity
    apo: str = ""
    """Version of apo."""


class ForecastMade(Fact, frozen=True):
    """What the run is expected to use, from its first rows."""

    forecast: Forecast


class ScoringChosen(Fact, frozen=True):
    """How this run scores its candidates on dev rows; the sealed test is always scored by whole answers.

    Shares are over the rows that some prompts were asked both ways; nothing was asked where `spend` is none.
    """

    way: Literal["generate", "token"]
    """`generate`: by whole answers; `token`: by the label that the first token begins."""
    reason: str
    labels: tuple[str, ...] = ()
    same: Interval = EMPTY
    """Rows whose score is the same both ways."""
    both: Interval = EMPTY
    """Of the rows that are right in one way, those that are right in both."""
    begun: float = 0.0
    """Share of first tokens that begin a label."""
    tokens: float = 0.0
    """Generated for a whole answer, on average."""
    spend: Spend = Spend()
    """Of both ways together; charged to the role `task`."""


class StepStarted(Fact, frozen=True):
    """A step moves one side of the best prompt and holds the others."""

    step: int
    side: Side | None
    """None: no side is searched; the step evaluates the seed prompt, or what people asked for."""
    component: str
    """The proposer or selector that plays, `layout`, `seed`, `human` or `promoted`."""
    width: int = 1
    """How many candidates to propose."""
    allowance: int = 0
    """Completions that the step may take, of all roles; fixed here, so that a resumed step keeps it."""
    cohort: tuple[str, ...] = ()
    """Candidates of earlier steps that this one evaluates further."""
    pool: str = ""
    """Candidate whose own outputs the step's exemplars are chosen from; empty: from all there are."""


class Discard(msgspec.Struct, frozen=True):
    """A proposal that did not become a candidate."""

    reason: str
    text: str
    """Its instruction, shortened."""


class CandidatesProposed(Fact, frozen=True):
    """All candidates of a step, at once, with what their making cost."""

    step: int
    candidates: tuple[Candidate, ...]
    discarded: tuple[Discard, ...] = ()
    spend: Spend = Spend()
    """Charged to the role `proposal`."""
    whitebox: Spend = Spend()
    """Charged to the role `whitebox`."""
    problem: str = ""
    """What went wrong while proposing, if anything did."""
    predictions: dict[str, Prediction] = {}
    """By candidate id, where a surrogate could say something; msgspec copies the empty default."""
    screened: bool = False
    """Whether the surrogate chose the candidates among more proposals."""


class EvaluationsFinished(Fact, frozen=True):
    """A chunk of evaluations, charged to the role `task`."""

    evaluations: tuple[Evaluation, ...]
    sealed: bool = False
    """True for rows of the test split, only after the search has ended."""


class CandidatesPromoted(Fact, frozen=True):
    """Candidates go on to more rows, all of a plan at once."""

    rows: dict[str, int]
    """By candidate id: how many rows it will then have met."""


class CandidatePruned(Fact, frozen=True):
    """A candidate is dropped and gets no more rows."""

    candidate: str
    reason: str


class StepFinished(Fact, frozen=True):
    """A step ended; only here may a run stop."""

    step: int
    gain: float
    """Rise of the best fully evaluated dev mean; 0 where it did not rise."""
    calls: int
    """Completions that the step took, of all roles."""


class ProblemReported(Fact, frozen=True):
    """Something that people should know; a fatal one ended the run."""

    message: str
    fatal: bool = False


class ServerLost(Fact, frozen=True):
    """The model server answers nothing any more; the run waits for it."""

    message: str


class ServerBack(Fact, frozen=True):
    """The model server answers again."""


class CommandReceived(Fact, frozen=True):
    """A person's command was read from the inbox; it is applied at the next step, or at once."""

    sent: Sent


class CommandApplied(Fact, frozen=True):
    """A received command has taken effect."""

    id: str


class CommandRefused(Fact, frozen=True):
    """A received command cannot be applied."""

    id: str
    reason: str


class RunPaused(Fact, frozen=True):
    """No more rows are asked until RunContinued."""


class RunContinued(Fact, frozen=True):
    """The pause is over."""


class TestScored(Fact, frozen=True):
    """Seed and winner on the sealed test split, once, after the search."""

    candidate: str
    score: Interval
    seed: Interval
    difference: Interval
    """Paired, over the rows that both answered: winner minus seed."""
    better: int = 0
    """Rows that the winner answered better than the seed."""
    worse: int = 0
    p_value: float = 1.0
    """Of the exact two-sided McNemar (sign) test over those rows."""


class RunFinished(Fact, frozen=True):
    """The last event of a run that ended by itself."""

    reason: str
    best: str


Event = (
    RunStarted
    | RunResumed
    | ForecastMade
    | ScoringChosen
    | StepStarted
    | CandidatesProposed
    | EvaluationsFinished
    | CandidatesPromoted
    | CandidatePruned
    | StepFinished
    | ProblemReported
    | ServerLost
    | ServerBack
    | CommandReceived
    | CommandApplied
    | CommandRefused
    | RunPaused
    | RunContinued
    | TestScored
    | RunFinished
)


class Record(msgspec.Struct, frozen=True):
    """One line of a journal: an event with its place and time, stamped by the store."""

    n: int
    """Running number from 0."""
    t: float
    """Seconds since the epoch."""
    event: Event


def to_json(record: Record) -> bytes:
    """One line, without its line end."""
    return msgspec.json.encode(record)


def from_json(line: bytes) -> Record:
    """The record of one line.

    Raises:
        msgspec.DecodeError: not a record.
    """
    return _DECODER.decode(line)


_DECODER = msgspec.json.Decoder(Record)
