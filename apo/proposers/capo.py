"""Cross and mutate instructions together with their exemplars (CAPO, Zehle et al. AutoML 2025).

Two random parents of the population: the model merges their instructions and rephrases the result; of
the exemplars that either shows, a random half as many as both show together is kept, then with equal
chances one is added, one removed or none, and all are shuffled. Deviations: the population is the best
prompts of the whole search; the most exemplars are the run's, not 5; parents that share an instruction
need no merging, and a search with one prompt mutates it; the layout is the best prompt's, and where
that one shows the nearest of a pool, so does the child: pools are not crossed. Racing and
the penalty on length are no proposer's: a scheduler races, and length breaks ties.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from random import Random

from apo.candidate import Candidate, Proposal
from apo.metering import Reply
from apo.prompt import Exemplar, Message, Prompt
from apo.proposers._ranking import best_of_each
from apo.proposers._writing import ANSWER_ONLY, about, ask, chat, cut_off, proposals, read_instruction
from apo.view import SearchView

Family = tuple[Candidate, ...]
"""The two parents of a child, or the one there is."""


@dataclass(frozen=True)
class Capo:
    """Children of the `population` best prompts, in instruction and exemplars."""

    population: int = 10

    def __post_init__(self) -> None:
        """Check the options."""
        if self.population < 2:
            raise ValueError(f"population must be at least 2, not {self.population}")

    def propose(self, view: SearchView, count: int, rng: Random) -> list[Proposal]:
        """Two calls for each proposal, one where there is nothing to merge; none without a scored prompt."""
        bred = best_of_each(view, self.population, _genes)
        if not bred:
            return []
        families = _affordable([_family(bred, rng) for _ in range(count)], view.model.left)
        merged = _merged(view, families, rng)
        told = [(family, child) for family, child in zip(families, merged, strict=True) if child]
        rephrased = ask(view, [_rephrase(view, text) for _, text in told], rng)
        answered = [family for (family, _), reply in zip(told, rephrased, strict=True) if reply is not None]
        pool = view.pool()
        return [
            _bear(child, family, pool, view.max_exemplars, rng)
            for child, family in zip(proposals(rephrased, view.best), answered, strict=True)
        ]


def crossed(parents: Sequence[tuple[Exemplar, ...]], rng: Random) -> list[Exemplar]:
    """A random sample of all that the parents show, half as many as their lists hold together, rounded down.

    A row that several show counts once; without a parent there is none.
    """
    both = list({exemplar.row: exemplar for exemplar in chain(*parents)}.values())
    size = sum(map(len, parents)) // max(1, len(parents))
    return rng.sample(both, min(size, len(both)))


def mutated(shown: list[Exemplar], pool: Sequence[Exemplar], most: int, rng: Random) -> tuple[Exemplar, ...]:
    """Add one of the pool, remove one, or neither, each with a chance of 1/3; then shuffle.

    Where adding or removing is not possible the list is kept. At most `most` exemplars are left.
    """
    child = rng.sample(shown, min(len(shown), most))
    rows = {exemplar.row for exemplar in child}
    fresh = [exemplar for exemplar in pool if exemplar.row not in rows]
    turn = rng.choice(("add", "remove", "keep"))
    if turn == "add" and fresh and len(child) < most:
        row = rng.choice(list(dict.fromkeys(exemplar.row for exemplar in fresh)))
        child.append(rng.choice([exemplar for exemplar in fresh if exemplar.row == row]))
    elif turn == "remove" and child:
        child.pop()
    rng.shuffle(child)
    return tuple(child)


def _genes(prompt: Prompt) -> tuple[str, tuple[Exemplar, ...]]:
    return prompt.instruction, prompt.exemplars


def _family(bred: list[Candidate], rng: Random) -> Family:
    return tuple(rng.sample(bred, min(2, len(bred))))


def _texts(family: Family) -> list[str]:
    """The instructions of a family, each once."""
    return list(dict.fromkeys(parent.prompt.instruction for parent in family))


def _affordable(families: list[Family], calls: int) -> list[Family]:
    """The first families whose calls are all allowed: a merging without its rephrasing would be wasted."""
    kept: list[Family] = []
    for family in families:
        calls -= len(_texts(family))
        if calls < 0:
            break
        kept.append(family)
    return kept


def _merged(view: SearchView, families: list[Family], rng: Random) -> list[str]:
    """The merged instruction of each family; empty where there was no whole answer."""
    texts = [_texts(family) for family in families]
    replies = iter(ask(view, [_merge(view, pair) for pair in texts if len(pair) > 1], rng))
    return [_whole(next(replies)) if len(pair) > 1 else pair[0] for pair in texts]


def _whole(reply: Reply | None) -> str:
    return "" if reply is None or cut_off(reply) else read_instruction(reply.text)


def _bear(child: Proposal, family: Family, pool: Sequence[Exemplar], most: int, rng: Random) -> Proposal:
    """The proposal with its parents and the exemplars that it has from them."""
    parents = dict.fromkeys((*child.parents, *(parent.id for parent in family)))
    child = replace(child, parents=tuple(parents))
    if child.prompt.nearest is not None:
        return child
    lists = [parent.prompt.exemplars for parent in family if parent.prompt.nearest is None]
    exemplars = mutated(crossed(lists, rng), pool, most, rng)
    return replace(child, prompt=replace(child.prompt, exemplars=exemplars))


def _merge(view: SearchView, texts: Sequence[str]) -> tuple[Message, ...]:
    shown = [f"Instruction {number}: {text}" for number, text in enumerate(texts, 1)]
    return chat(
        about(view.description),
        *shown,
        "Merge these into one instruction that keeps the best of each.",
        ANSWER_ONLY,
    )


def _rephrase(view: SearchView, text: str) -> tuple[Message, ...]:
    return chat(
        about(view.description),
        f"Instruction: {text}",
        "Say this instruction in other words; it must ask for the same.",
        ANSWER_ONLY,
    )
