"""What every proposer keeps to; a new file in a proposers folder is tested as soon as it is there."""

from dataclasses import fields, is_dataclass
from random import Random
from typing import Any

import pytest

from apo import plugins
from apo.backends.scripted import Scripted
from apo.candidate import Proposal
from apo.metering import MeteredModel
from tests.components.helpers import STAGES, down, instructing, state, view_at
from tests.helpers import folded, toy_task

NAMES = plugins.names("proposers")
SMALL = {"greater": "greater:positions=2,rows=2", "segments": "segments:rounds=2,rows=2"}
"""Options where the default ones compute long on a processor."""
REPLIES = {
    "empty": "",
    "space": " \n\t ",
    "long": "word " * 20_000,
    "one_long_word": "x" * 100_000,
    "control": "Say\x00 the \x1b[31mcolour\x07\r\n\u2028\ufeff.",
    "lone_surrogate_escape": "Say \\ud800 the colour.",
    "open_mark": "<INS>Say the colour.",
    "only_close": "Say the colour.</INS>",
    "reversed_marks": "</INS>Say the colour.<INS>",
    "many_marks": "<INS>" * 500,
    "thinking": "<think>What is a ball?</think>Say the colour.",
    "unclosed_thinking": "<think>What is a ball? " * 200,
    "braces": "{0} {input} {{}} %s %(x)s $x \\g<0>",
    "fence": "```\nSay the colour.\n```",
    "quotes": '"',
    "list": "1. Say it.\n2. Name it.\n" * 50,
}


def proposer(name: str) -> Any:
    """The component, with its default options unless they are slow."""
    return plugins.build("proposers", SMALL.get(name, name))


@pytest.mark.parametrize("name", NAMES)
def test_is_frozen_dataclass(name: str) -> None:
    """A proposer is a frozen dataclass with a line that says what it does, and options with defaults."""
    found = proposer(name)

    assert is_dataclass(found)
    assert type(found).__doc__
    for option in fields(found):
        with pytest.raises(AttributeError):
            setattr(found, option.name, getattr(found, option.name))


@pytest.mark.parametrize("count", [0, 1, 3, 8])
@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", NAMES)
def test_at_most_count(name: str, stage: str, count: int) -> None:
    """No more proposals come than were asked for, at any point of a search."""
    proposals = proposer(name).propose(view_at(stage), count, Random("1"))

    assert len(proposals) <= count
    assert all(isinstance(p, Proposal) for p in proposals)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", NAMES)
def test_repeatable(name: str, stage: str) -> None:
    """The same view, replies and draws give the same proposals."""
    first = proposer(name).propose(view_at(stage), 6, Random("7"))
    again = proposer(name).propose(view_at(stage), 6, Random("7"))

    assert first == again


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", NAMES)
def test_view_unchanged(name: str, stage: str) -> None:
    """Proposing leaves the history as it was."""
    view = view_at(stage)
    before = state(view.history)
    proposer(name).propose(view, 6, Random("2"))

    assert before == folded(view.history)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", NAMES)
def test_other_sides(name: str, stage: str) -> None:
    """The layout is that of a parent that exists; so are the exemplars, or they are drawn from the pool."""
    view = view_at(stage, max_exemplars=5)
    pool = set(view.pool())
    for proposal in proposer(name).propose(view, 6, Random("3")):
        prompts = [view.history.candidates[parent].prompt for parent in proposal.parents]
        exemplars = proposal.prompt.exemplars

        assert proposal.prompt.layout in [prompt.layout for prompt in prompts]
        if exemplars not in [prompt.exemplars for prompt in prompts]:
            assert set(exemplars) <= pool.union(*(prompt.exemplars for prompt in prompts))
            assert len(exemplars) == len({exemplar.source for exemplar in exemplars}) <= 5


@pytest.mark.parametrize("name", NAMES)
def test_improves_on_exemplars(name: str) -> None:
    """Where the best prompt has exemplars, proposals made from it alone are not without them."""
    view = view_at("shown")
    proposals = proposer(name).propose(view, 6, Random("3"))

    assert "c1" == view.best.id
    for proposal in proposals:
        if proposal.parents == ("c1",):
            assert set(view.best.prompt.exemplars) & set(proposal.prompt.exemplars)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("name", NAMES)
def test_all_calls_fail(name: str, stage: str) -> None:
    """A model that answers nothing gives fewer proposals, no error."""
    view = view_at(stage, down)
    proposals = proposer(name).propose(view, 6, Random("4"))

    assert len(proposals) <= 6


@pytest.mark.parametrize("name", NAMES)
def test_some_calls_fail(name: str) -> None:
    """Replies that came are used where others failed."""
    view = view_at("searched", lambda r: instructing(r) if (r.seed or 0) % 2 else down(r))
    proposals = proposer(name).propose(view, 8, Random("5"))

    assert len(proposals) <= 8
    assert all("<INS>" not in p.prompt.instruction for p in proposals)


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
@pytest.mark.parametrize("name", NAMES)
def test_hostile_reply(name: str, reply: str) -> None:
    """Whatever the model writes, proposing goes on."""
    proposals = proposer(name).propose(view_at("searched", lambda _: reply), 3, Random("6"))

    assert len(proposals) <= 3
    assert all(isinstance(p.prompt.instruction, str) for p in proposals)


@pytest.mark.parametrize("allowance", [0, 1, 3, 5])
@pytest.mark.parametrize("stage", ["scored", "searched"])
@pytest.mark.parametrize("name", NAMES)
def test_allowance_kept(name: str, stage: str, allowance: int) -> None:
    """No more calls are made than allowed, and fewer proposals are no error."""
    backend = Scripted(instructing)
    view = view_at(stage, model=MeteredModel(backend, allowance))
    proposals = proposer(name).propose(view, 8, Random("8"))

    assert len(backend.requests) <= allowance
    assert view.model.spend.calls == len(backend.requests)
    assert len(proposals) <= 8


@pytest.mark.parametrize("name", NAMES)
def test_smallest_task(name: str) -> None:
    """A task with one train row and no description can be searched."""
    view = view_at("scored", description="", train=toy_task().train[:1])
    proposals = proposer(name).propose(view, 4, Random("9"))

    assert len(proposals) <= 4
