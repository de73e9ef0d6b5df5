"""CAPO: whose exemplars a child shows, how they change, and what the model is asked."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apo import plugins
from apo.backends import Request
from apo.candidate import Failure
from apo.errors import ConfigError
from apo.prompt import Exemplar, Layout, Prompt, as_text
from apo.proposers.capo import Capo, crossed, mutated
from apo.task import as_exemplars
from tests.helpers import toy_task
from tests.searches import asked, searched

POOL = as_exemplars(toy_task().train)
MERGING = "Merge these"
lists = st.lists(st.sampled_from(POOL), unique=True, max_size=8).map(tuple)


@given(lists, lists, st.integers())
def test_half_of_both_lists(first: tuple[Exemplar, ...], second: tuple[Exemplar, ...], seed: int) -> None:
    """A child shows distinct rows of its parents, half as many as both show, rounded down."""
    child = crossed([first, second], Random(seed))

    assert (len(first) + len(second)) // 2 == len(child)
    assert len(set(child)) == len(child)
    assert set(child) <= {*first, *second}


def test_one_row_in_two_wordings_counts_once() -> None:
    """A row that the parents answer in different words is shown to the child once."""
    gold, own = Exemplar("2+2", "4", "r"), Exemplar("2+2", "It is 4.", "r")

    assert 1 == len(crossed([(gold,), (own,)], Random("1")))


def test_add_remove_and_keep_are_equally_likely() -> None:
    """Over many children a third each grow, shrink and stay; adding really adds."""
    shown = POOL[:4]
    sizes = Counter(len(mutated(shown, POOL, 16, Random(seed))) for seed in range(3000))

    assert {3, 4, 5} == set(sizes)
    assert all(900 < times < 1100 for times in sizes.values())


@given(lists, st.integers(0, 6), st.integers())
def test_mutation_keeps_its_bounds(shown: tuple[Exemplar, ...], most: int, seed: int) -> None:
    """A child shows distinct members of its list and the pool, at most one more or less, never too many."""
    child = mutated(list(shown), POOL, most, Random(seed))

    assert len(set(child)) == len(child) <= most
    assert abs(len(child) - min(len(shown), most)) <= 1
    assert len(set(child) - set(shown)) <= 1


def test_order_changes() -> None:
    """Kept exemplars are shuffled: every order comes about."""
    orders = {mutated(POOL[:3], [], 3, Random(seed)) for seed in range(300)}

    assert 6 == sum(len(order) == 3 for order in orders)


def test_children_are_merged_then_rephrased() -> None:
    """The merged text is what is rephrased; a child names the best prompt and its parents."""
    prompts = [Prompt("Name it.", tuple(POOL[:2])), Prompt("Say it.", tuple(POOL[2:6]), Layout("flat"))]
    view = searched(prompts, (0.2, 0.6), lambda request: f"<INS>Text {request.seed}.</INS>")
    children = Capo().propose(view, 4, Random("3"))
    requests = asked(view)
    merged, rephrased = requests[:4], requests[4:]

    assert 4 == len(rephrased) == len(children)
    assert all(MERGING in text and "Name it." in text and "Say it." in text for text in merged)
    assert all("Instruction: Text " in text for text in rephrased)
    assert {("c1", "c0")} == {child.parents for child in children}
    assert {Layout("flat")} == {child.prompt.layout for child in children}
    assert {2, 3, 4} >= {len(child.prompt.exemplars) for child in children}


def test_one_instruction_is_not_merged_with_itself() -> None:
    """Parents that differ in their exemplars alone cost one call."""
    prompts = [Prompt("Name it.", tuple(POOL[:n])) for n in (1, 2, 3)]
    view = searched(prompts, (0.2, 0.4, 0.6))

    assert 5 == len(Capo().propose(view, 5, Random("4"))) == len(asked(view))
    assert not any(MERGING in text for text in asked(view))


def test_failed_mergers_leave_the_other_families_alone() -> None:
    """Where some mergers fail or give nothing, each child still has the exemplars of its own parents."""

    def written(request: Request) -> str | Failure:
        text = as_text(request.rendered)
        if MERGING not in text:
            return f"<INS>{text.partition('Instruction: ')[2].splitlines()[0]} again</INS>"
        if "Zero" in text:
            return Failure("timeout", "slow")
        names = [name for name in ("One", "Two", "Three") if name in text]
        return f"<INS>{' and '.join(names)}</INS>"

    texts = ("Zero", "One", "Two", "Three")
    prompts = [Prompt(text, tuple(POOL[4 * n : 4 * n + 4])) for n, text in enumerate(texts)]
    view = searched(prompts, (0.1, 0.2, 0.3, 0.4), written)
    children = Capo().propose(view, 12, Random("5"))

    assert 0 < len(children) < 12
    for child in children:
        own = {
            e
            for n, text in enumerate(texts)
            if text in child.prompt.instruction
            for e in prompts[n].exemplars
        }
        assert len(set(child.prompt.exemplars) - own) <= 1


def test_pools_are_not_crossed() -> None:
    """A child of a best prompt with a pool keeps it whole; beside a best list a pool lends no exemplar."""
    pool, shown = Prompt("One.", tuple(POOL), nearest=3), Prompt("Two.", tuple(POOL[:2]))
    whole = Capo().propose(searched((shown, pool), (0.2, 0.6)), 6, Random("7"))
    alone = Capo(population=2).propose(searched((pool, shown), (0.2, 0.6)), 6, Random("7"))

    assert {(pool.exemplars, 3)} == {(child.prompt.exemplars, child.prompt.nearest) for child in whole}
    assert {None} == {child.prompt.nearest for child in alone}
    assert all(len(child.prompt.exemplars) <= 3 for child in alone)


def test_population_bounds_the_parents() -> None:
    """Only the best prompts are bred from."""
    view = searched([Prompt(f"Text {n}.") for n in range(6)], [n / 10 for n in range(6)])
    children = Capo(population=2).propose(view, 10, Random("6"))

    assert {"c4", "c5"} == {parent for child in children for parent in child.parents}


def test_options_refused() -> None:
    """A population of one cannot be crossed."""
    with pytest.raises(ConfigError, match="population must be at least 2, not 1"):
        plugins.build("proposers", "capo:population=1")
