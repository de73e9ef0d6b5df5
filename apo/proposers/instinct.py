"""A neural bandit chooses among soft prompts, which a white box turns into instructions (INSTINCT).

By Lin et al., ICML 2024; InstructZero and ZOPO, its kin, are strategies of the same frame. The arms are laid
out once (`_soft`). A network learns scores from the states into which the white box has read an arm's
request, with the uncertainty of its gradients (`neural_ucb`), and mean plus nu deviations chooses the arms to
play. What was played is in the journal (`Candidate.arm`), so the bandit has no state of its own.

Deviations from section 2 and the released code, besides those of `neural_ucb`:
- as many arms as a step is wide are chosen at once, each making its neighbours more certain (GP-BUCB);
- played arms are left out, and so are those whose text is empty or known: the released code pays a turn
  for each. Where too few new texts come, further arms with soft prompts of twice the length join;
- 1,000 arms, not 10,000, of which 1,000 are drawn, so that a processor without a GPU reads them in minutes;
- in the last `finish` of the calls nothing is explored (nu counts as 0): what is wanted is one good prompt in
  the end, not little regret on the way, and what is learned last cannot be used;
- a reasoning trigger (zero-shot chain of thought) ends the instruction, since a chat has no place for the
  answer's beginning;
- the joint arms of an instruction and exemplars each have a list that was drawn for them in this turn.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Literal

from apo import plugins
from apo.belief import measured
from apo.candidate import Candidate, Proposal
from apo.prompt import Message, Prompt
from apo.proposers._bandit import Bandit, Played, Strategy, learn, pick, predictions
from apo.proposers._soft import DECODED_AT_ONCE, Shape, SoftPrompts
from apo.proposers._texts import Domain, Texts, contexts, from_file
from apo.proposers._writing import chat, pairs
from apo.seeding import rng as seeded
from apo.view import SearchView
from apo.whitebox import Pooling

LEVELS = 3
"""Levels of soft prompts, the last four times as long as the first."""
TRIES = 6
"""Arms that may turn out empty or repeated, for each that is wanted, before the next level is opened."""
POOLED = 4
"""Texts that a proposer writes for each that is wanted."""
OPENING = "The instruction was to"
_SENTENCE = re.compile(r"(?<=[.!?])\s")
WHOLE = re.compile(r"""[^\s"][^\n]*?(?:\n|[.!?]\s)""")
"""The first sentence of the first line, and that it has ended."""
TRIGGERS = (
    "Let us go through it slowly.",
    "First note what is given.",
    "Work it out one step after the other.",
)


@dataclass(frozen=True)
class Instinct:
    """Plays `arms` soft prompts, or a pool of `texts`: a file, one a line, or a proposer that writes them.

    The first `initial` arms are random; of the rest `scored` random ones are compared each time. `strategy`
    is `neural`, `thompson`, `gp`, `local` or `uniform`. With `exemplars` an arm has a list of its own, too.
    """

    texts: str = ""
    strategy: Strategy = "neural"
    surrogate: str = "neural_ucb"
    nu: float = 1.0
    initial: int = 16
    finish: float = 0.2
    arms: int = 1000
    scored: int = 1000
    dimension: int = 10
    tokens: int = 5
    layer: int = -1
    pooling: Pooling = "last"
    max_tokens: int = 64
    demos: int = 5
    kind: Literal["instruction", "trigger"] = "instruction"
    exemplars: bool = False
    features: Literal["whitebox", "sentences"] = "whitebox"

    def __post_init__(self) -> None:
        """Check the options."""
        if self.arms < 2:
            raise ValueError(f"arms must be at least 2, since there is nothing to choose from {self.arms}")
        for name in ("scored", "dimension", "tokens", "max_tokens", "demos"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.texts.partition(":")[0] == "instinct":
            raise ValueError("texts must be a file or another proposer, not instinct itself")
        if self.texts and Path(self.texts).expanduser().is_file():
            from_file(self.texts)
        elif self.texts:
            plugins.build("proposers", self.texts)
        plugins.build("surrogates", self.surrogate)
        if self.nu < 0 or self.initial < 0 or not 0 <= self.finish <= 1:
            raise ValueError("nu and initial must be 0 or more, and finish a share from 0 to 1")

    @property
    def opens_weights(self) -> bool:
        """Whether it cannot do without a white box."""
        return not self.texts or self.features == "whitebox"

    def propose(self, view: SearchView, count: int, rng: Random) -> list[Proposal]:
        """Calls are made only if a proposer writes the pool; soft prompts are charged to the white box."""
        found: list[Proposal] = []
        if count < 1 or not view.train:
            return found
        for level in range(self._level(view), LEVELS):
            domain = self._domain(view, level, count, rng)
            found += self._chosen(view, domain, count - len(found), found, rng)
            if len(found) >= count or self.texts:
                break
        return found

    def _level(self, view: SearchView) -> int:
        """The highest that was opened: below it hardly any text is new. A belief is of one level alone."""
        arms = [c.arm.split(":") for c in view.history.candidates.values() if c.arm.startswith("soft:")]
        return 0 if self.texts else max((int(parts[1]) for parts in arms), default=0)

    def _domain(self, view: SearchView, level: int, count: int, rng: Random) -> Domain:
        if self.texts:
            embed = contexts(view.whitebox, {}, self.layer, self.pooling)
            return Texts(self._pool(view, count, rng), view.embed if self.features == "sentences" else embed)
        drawn = seeded(view.history.spec.seed, 0, "instinct")
        request, opening = self._request(pairs(drawn.sample(view.train, min(self.demos, len(view.train)))))
        shape = Shape(
            self.arms, self.dimension, self.tokens, level, self.layer, self.pooling, self.max_tokens
        )
        best = view.best.prompt.instruction
        arms = (candidate.arm for candidate in view.history.candidates.values())
        begun = any(arm.startswith(f"soft:{level}:") for arm in arms)
        return SoftPrompts(
            view.whitebox,
            shape,
            request,
            opening,
            read=lambda text: self._read(text, best),
            ended=lambda text: WHOLE.search(text) is not None,
            begun=begun,
        )

    def _pool(self, view: SearchView, count: int, rng: Random) -> list[str]:
        """The texts of a file, or what a proposer writes now."""
        if Path(self.texts).expanduser().is_file():
            return from_file(self.texts)
        written = plugins.build("proposers", self.texts).propose(view, POOLED * count, rng)
        return list(dict.fromkeys(p.prompt.instruction for p in written if not p.cut_off))

    def _request(self, shown: str) -> tuple[tuple[Message, ...], str]:
        if self.kind == "trigger":
            examples = "\n".join(TRIGGERS)
            told = f"These sentences make somebody think before answering:\n{examples}"
            return chat(told, "Write another one that differs from all of these."), ""
        # Without a sentence that could be copied: small models give back what is said here, whatever the arm.
        return chat(shown, "What instruction do all of these examples follow?"), OPENING

    def _read(self, text: str, best: str) -> str:
        """The first sentence of the first line as an instruction; a trigger follows the best one."""
        line = next((line.strip(' "') for line in text.splitlines() if line.strip(' "')), "")
        sentence = _SENTENCE.split(line, maxsplit=1)[0].strip(' "')
        sentence = sentence[:1].upper() + sentence[1:]
        return f"{best} {sentence}".strip() if sentence and self.kind == "trigger" else sentence

    def _chosen(
        self, view: SearchView, domain: Domain, count: int, before: Sequence[Proposal], rng: Random
    ) -> list[Proposal]:
        """Up to `count` arms whose texts are new. What is known already does not count as played.

        As many are ranked, and written, at once as the white box writes together.
        """
        played, masked = self._played(view, domain)
        arms = self._arms(view, [key for key in domain.keys if key not in masked], rng)
        bandit = self._bandit(view, domain, played, rng)
        known = {c.prompt.instruction for c in view.history.candidates.values()}
        known |= {proposal.prompt.instruction for proposal in before}
        fresh: dict[str, Prompt] = {}
        passed = 0
        while arms and len(fresh) < count and passed < TRIES * count:
            ranked = [arms[place] for place in pick(bandit, arms, max(count, DECODED_AT_ONCE))]
            for arm, text in zip(ranked, domain.texts([arm.instruction for arm in ranked]), strict=True):
                if len(fresh) == count:
                    break
                if not text or text in known or text in fresh:
                    passed += 1
                else:
                    fresh[text] = arm
            arms = [arm for arm in arms if arm not in ranked]
        expected = predictions(bandit.learned, list(fresh.values()))
        note = f"{passed} arms passed over, whose texts are empty or known" if passed else ""
        return [
            Proposal(
                replace(arm, instruction=text), (view.best.id,), note, arm=arm.instruction, expected=belief
            )
            for (text, arm), belief in zip(fresh.items(), expected, strict=True)
        ]

    def _played(self, view: SearchView, domain: Domain) -> tuple[Played, set[str]]:
        """The arms with scores, and all arms that were ever played, scored or not."""
        there, known = set(domain.keys), measured(view.history)
        candidates = view.history.candidates

        def key(candidate: Candidate) -> str:
            return candidate.prompt.instruction if self.texts else candidate.arm

        places = [n for n, c in enumerate(known.candidates) if self.texts or candidates[c].arm in there]
        scored = [candidates[known.candidates[n]] for n in places]
        prompts = [replace(c.prompt, instruction=key(c)) for c in scored]
        return Played(prompts, known.means[places], known.variances[places]), {
            key(c) for c in candidates.values()
        }

    def _arms(self, view: SearchView, keys: Sequence[str], rng: Random) -> list[Prompt]:
        """Arms that may be chosen, as prompts whose instruction is the arm's key."""
        best, pool = view.best.prompt, view.pool() if self.exemplars else []
        arms = [replace(best, instruction=key) for key in rng.sample(keys, min(self.scored, len(keys)))]
        if not pool or not view.max_exemplars:
            return arms
        size = max(1, min(len(best.longest), view.max_exemplars))
        lists = ({e.row: e for e in rng.sample(pool, len(pool))}.values() for _ in arms)
        return [replace(a, exemplars=tuple(x)[:size], nearest=None) for a, x in zip(arms, lists, strict=True)]

    def _bandit(self, view: SearchView, domain: Domain, played: Played, rng: Random) -> Bandit:
        enough = len(played.prompts) >= max(2, self.initial)
        embed = (
            domain.embed
            if isinstance(domain, Texts)
            else contexts(view.whitebox, domain.contexts, self.layer, self.pooling)
        )
        learned = learn(self.strategy, self.surrogate, played, embed) if enough else None
        left, spent = view.history.left, view.history.total.calls
        ending = left < self.finish * (left + spent)
        strategy: Strategy = "neural" if ending and self.strategy == "thompson" else self.strategy
        return Bandit(strategy, learned, played, 0.0 if ending else self.nu, rng.getrandbits(32))
