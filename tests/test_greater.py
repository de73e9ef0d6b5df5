"""GReaTer: what it asks, what it compares, where it goes on, and what it refuses."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import pytest
import torch

from apo import plugins
from apo.backends import Request
from apo.backends.scripted import Scripted
from apo.candidate import Failure
from apo.errors import ConfigError
from apo.metering import MeteredModel
from apo.prompt import Exemplar, Prompt, as_text
from apo.proposers._examples import Examples, compare
from apo.proposers._extraction import extractor
from apo.proposers._tokens import READABLE
from apo.proposers.greater import Greater
from apo.scorers import Choice
from apo.step import Step
from apo.view import SearchView
from apo.whitebox import Opened, WhiteBox
from apo.whitebox.framing import survives, tokens
from tests.helpers import evaluation, toy_task
from tests.searches import outcome, searched
from tests.whiteboxes import box, tiny

SEED = Prompt("Name the colour.")
SMALL = Greater(positions=4, rows=4, reasoning=30, check="loss")


def thinking(request: Request) -> str:
    """Reasoning that is another one for each prompt."""
    return f"I think of {len(as_text(request.rendered)) % 7} balls."


def view(prompt: Prompt = SEED, allowance: int = 1000, **changes: Any) -> tuple[SearchView, Scripted]:
    """A search whose seed is measured, and who answers as its task model."""
    backend = Scripted(thinking)
    found = replace(searched([prompt], [0.5]), whitebox=box(), scorer=Choice(("red", "blue")))
    silent = Scripted(lambda _: Failure("connection", "the proposal model must not be asked"))
    return replace(found, model=MeteredModel(silent, allowance, backend), **changes), backend


def test_every_proposal_has_a_lower_loss() -> None:
    """Computed anew on the same rows, with the reasoning that the task model gives for it."""
    search, _ = view()
    proposals = SMALL.propose(search, 8, Random("1"))
    rows = tuple(Random("1").sample(search.train, 4))
    said = extractor(search.scorer)
    again = Examples(view()[0], tiny(), SEED, rows, said, 30)
    prompts = [tokens(tiny(), p.prompt.instruction) for p in proposals]
    found = compare(again, [tokens(tiny(), SEED.instruction), *prompts], 0.2, 1.0, "loss")

    assert proposals
    assert all(value < found.values[0] for value in found.values[1:])
    assert sorted(found.values[1:]) == found.values[1:]


def test_reasoning_is_the_task_models_and_fresh() -> None:
    """Every prompt that is compared is answered once on each row; the proposal model is never asked."""
    search, backend = view()
    SMALL.propose(search, 8, Random("1"))
    asked = [as_text(request.rendered) for request in backend.requests]
    prompts = {text.partition("\n")[0] for text in asked}

    assert len(asked) == len(set(asked)) == 4 * len(prompts) == search.model.spend.calls
    assert SEED.instruction in prompts
    assert len(prompts) > 4
    assert {0.0} == {request.temperature for request in backend.requests}
    assert {30} == {request.max_tokens for request in backend.requests}


def test_prompts_survive_the_tokenizer() -> None:
    """Their tokens are the tokens of their text."""
    search, _ = view()
    for proposal in SMALL.propose(search, 8, Random("3")):
        text = proposal.prompt.instruction
        assert text == text.strip()
        assert survives(tiny(), tokens(tiny(), text))
        assert "would not survive" in proposal.note


def test_positions_go_round_over_the_turns() -> None:
    """Two turns of two positions from one prompt look at other tokens; none is looked at twice."""
    changed = []
    for turns in (0, 1):
        search, _ = view()
        step = search.history.steps[0]
        step.component, step.proposed = ("greater:positions=2" if turns else "seed"), ()
        found = replace(SMALL, positions=2, truncate=False, reasoning=0).propose(search, 8, Random("1"))
        texts = [proposal.prompt.instruction for proposal in found]
        places = {
            n for text in texts for n in range(len(text)) if text[n : n + 1] != SEED.instruction[n : n + 1]
        }
        changed.append(places)

    assert changed[0] <= {0, 1}
    assert changed[1] <= {2, 3}
    assert changed[0] | changed[1]


@pytest.mark.parametrize(
    ("scores", "pruned", "origin"),
    [((0.5, 0.5), "", "c1"), ((0.5, 0.4), "", "c0"), ((0.5, 0.6), "worse", "c0"), ((0.5, 0.6), "", "c1")],
)
def test_where_a_turn_goes_on(scores: tuple[float, float], pruned: str, origin: str) -> None:
    """From what the last turn ended with, which as good scores may hide, unless that was worse or dropped."""
    search, _ = view()
    history = searched([SEED, Prompt("Name the best colour.")], scores).history
    history.steps.append(Step(1, "instruction", "greater", 1, 100, proposed=("c1",)))
    if pruned:
        history.pruned["c1"] = pruned
    found = SMALL.propose(replace(search, history=history), 8, Random("1"))

    assert {(origin,)} == {proposal.parents for proposal in found}


@pytest.mark.parametrize(("words", "asks"), [("red", False), ("I think that it is red. " * 12, True)])
def test_answers_alone_are_no_reasoning(words: str, asks: bool) -> None:
    """Where the model writes nothing but answers, it is not asked; the white box knows all there is."""
    search, backend = view()
    done = [evaluation("c0", row.id, 0.5, output=words) for row in search.dev]
    seed = search.history.candidates["c0"]
    history = outcome(toy_task(), [seed], done).history
    found = replace(SMALL, reasoning=None).propose(replace(search, history=history), 8, Random("1"))

    assert found
    assert asks == bool(backend.requests)


@pytest.mark.parametrize("kind", ["random", "errors", "none", "union", "no reasoning"])
def test_ablations(kind: str) -> None:
    """Each gives prompts that differ from the seed; without a comparison nothing but the first is asked."""
    options = {
        "random": replace(SMALL, rank="random"),
        "errors": replace(SMALL, check="errors", normalise=True, shortlist=12, positions=9),
        "none": replace(SMALL, check="none"),
        "union": replace(SMALL, candidates="union"),
        "no reasoning": replace(SMALL, reasoning=0),
    }
    search, backend = view()
    found = options[kind].propose(search, 8, Random("1"))

    assert found
    assert all(p.prompt.instruction != SEED.instruction for p in found)
    assert (kind == "no reasoning") == (not backend.requests)


def test_empty_instruction_is_extended() -> None:
    """Nothing becomes a token, never the other way round."""
    exemplars = (Exemplar("Which colour has ball 0000?", "red", "row-0"),)
    search, _ = view(Prompt("", exemplars))
    found = replace(SMALL, fluency=0.0).propose(search, 8, Random("1"))

    assert all(proposal.prompt.instruction for proposal in found)
    assert all(proposal.prompt.exemplars == exemplars for proposal in found)


@pytest.mark.parametrize("allowance", [0, 15, 17, 40])
def test_calls_are_for_whole_comparisons(allowance: int) -> None:
    """A position whose comparison cannot be paid is not begun."""
    search, backend = view(allowance=allowance)
    SMALL.propose(search, 8, Random("1"))

    assert len(backend.requests) % 4 == 0
    assert len(backend.requests) <= allowance
    assert bool(backend.requests) == (allowance >= 16)


def test_answers_that_do_not_come() -> None:
    """A task model that is down brings nothing, and it is said."""
    search, _ = view()
    down = MeteredModel(Scripted(lambda _: Failure("timeout", "slow")), 1000)
    search = replace(search, model=down)

    assert SMALL.propose(search, 8, Random("1")) == []
    assert "no reasoning" in search.whitebox.problem


def test_reasoning_longer_than_the_context() -> None:
    """It says what to set."""
    search, _ = view(context=60)

    assert SMALL.propose(search, 8, Random("1")) == []
    assert "context of 60 tokens" in search.whitebox.problem


@dataclass
class Bent:
    """A model whose logits are changed."""

    model: Any
    bend: Callable[[torch.Tensor], torch.Tensor]

    def __call__(self, **inputs: Any) -> Any:
        """What the model gives, bent."""
        out = self.model(**inputs)
        out.logits = self.bend(out.logits)
        return out

    def __getattr__(self, name: str) -> Any:
        """All else is the model's own."""
        return getattr(self.model, name)


def bent(bend: Callable[[torch.Tensor], torch.Tensor]) -> WhiteBox:
    """A white box with such a model."""
    opened = Opened(Bent(tiny().model, bend), tiny().tokenizer, "bent", 1 << 30)
    return WhiteBox(lambda: opened)


def test_no_finite_loss() -> None:
    """It says so, and nothing is proposed."""
    search, _ = view(whitebox=bent(lambda logits: logits * float("nan")))

    assert SMALL.propose(search, 8, Random("1")) == []
    assert "not finite" in search.whitebox.problem


def test_no_common_candidate() -> None:
    """A model that expects signs only leaves nothing to put in a prompt."""
    every = range(len(tiny().tokenizer))
    signs = [token for token in every if not READABLE.fullmatch(tiny().tokenizer.decode([token]))]
    bias = torch.zeros(len(tiny().tokenizer))
    bias[signs] = 10_000
    search, _ = view(whitebox=bent(lambda logits: logits + bias))

    assert replace(SMALL, top=3).propose(search, 8, Random("1")) == []
    assert "no token that all 4 examples expect" in search.whitebox.problem


def test_without_weights() -> None:
    """It says what to set."""
    with pytest.raises(ConfigError, match="--whitebox-model"):
        SMALL.propose(view(whitebox=WhiteBox())[0], 8, Random("1"))


@pytest.mark.parametrize("options", ["rows=0", "temperature=0", "fluency=-1", "check=vibes", "reasoning=-1"])
def test_options(options: str) -> None:
    """What cannot be is refused."""
    with pytest.raises(ConfigError):
        plugins.build("proposers", f"greater:{options}")
