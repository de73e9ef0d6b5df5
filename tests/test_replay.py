"""Policies on measured pools: budgets hold, seeds repeat, and the committed outcomes are whole."""

from pathlib import Path
from random import Random

import pytest

from apo import plugins
from apo.prompt import Layout, Prompt
from apo.surrogates.average import Average
from tests.benchmarks import policies, replay
from tests.benchmarks.matrix import FOLDER, Matrix, read_file
from tests.benchmarks.policies import Policy, Pool

FILES = sorted((Path(__file__).parent.parent / FOLDER).glob("*.json"))


def matrix() -> Matrix:
    """Twenty prompts on 40 dev and 40 test rows, each better than the one before."""
    draws = Random(1)
    found = Matrix("toy", "", {}, Layout(), ("a", "b"), tuple((str(n),) for n in range(10)), (), ())
    found.dev, found.test = (tuple(f"{part}{n}" for n in range(40)) for part in "dt")
    for place, name in enumerate(found.names):
        found.outcomes[name] = "".join(str(int(draws.random() < 0.1 + 0.04 * place)) for _ in range(80))
    return found


def pool(budget: int, seed: int = 0) -> Pool:
    """The toy matrix before a policy has spent anything."""
    whole = matrix()
    return Pool(whole, seed, budget, {name: Prompt(name) for name in whole.names})


POLICIES: dict[str, Policy] = {
    "random": policies.random_search,
    "triple": policies.triple_sh,
    "ucb": policies.ucb,
    "cohorts": policies.cohorts(plugins.build("schedulers", "successive_halving"), 4),
    "racing": replay.scheduler("racing"),
    "turns": policies.alternating(
        plugins.build("alternations", "learned"), plugins.build("schedulers", "racing")
    ),
    "thompson": policies.whole(plugins.build("schedulers", "thompson"), Average()),
}


@pytest.mark.parametrize("name", POLICIES)
@pytest.mark.parametrize("budget", [60, 200, 800])
def test_budget_and_seed(name: str, budget: int) -> None:
    """No policy spends more than it has, and the same seed gives the same choice."""
    first, again = pool(budget), pool(budget)
    choice = POLICIES[name](first)

    assert choice.name in first.matrix.outcomes
    assert 0 <= first.left < budget
    assert choice == POLICIES[name](again)


@pytest.mark.parametrize("name", POLICIES)
def test_better_than_chance(name: str) -> None:
    """With half of the full evaluation every policy chooses a prompt of the better half."""
    whole = matrix()
    prompts = {name: Prompt(name) for name in whole.names}
    errors = [replay.play(whole, prompts, POLICIES[name], 400, seed).error for seed in range(5)]

    assert sum(errors) / 5 < 0.4


def test_upper_bound() -> None:
    """ProTeGi's worked number."""
    assert 1.5597 == pytest.approx(policies.upper_bound(0.6, 100, 20), abs=5e-5)


def test_tpe() -> None:
    """The rival's search keeps to the budget and chooses a prompt that met all rows."""
    pytest.importorskip("optuna", reason="optuna is only needed by make bench")
    spent = pool(600)
    choice = policies.tpe(spent, batch=10)

    assert 40 == spent.met[choice.name]
    assert spent.left >= 0


def test_pulls_of_triple() -> None:
    """The worked numbers of algorithms: 30 prompts and 150 calls are 154 pulls, of which 150 are paid."""
    spent = pool(100)
    policies.triple_sh(spent)

    # 20 prompts: 5 phases of 20 calls: 20 x 1, 10 x 2, 5 x 4, 3 x 7, 2 x 10 are 101.
    assert 0 == spent.left
    assert [1] * 10 + [3] * 5 + [7] * 2 + [14] + [23, 24] == sorted(spent.met.values())


@pytest.mark.parametrize("file", FILES, ids=[file.stem for file in FILES])
def test_committed_outcomes(file: Path) -> None:
    """Each pool has 120 different prompts, whole rows of outcomes where measured, and no text of the data."""
    kept = read_file(file)
    digits = set("".join(kept.outcomes.values()))

    assert 120 == len(kept.names) == len(kept.instructions) * len(set(kept.exemplars))
    assert set(kept.outcomes) <= set(kept.names)
    assert {200} == {len(outcome) for outcome in kept.outcomes.values()}
    assert {"0", "1"} == digits
    assert not set(kept.dev) & set(kept.test)
    assert not {row for shown in kept.exemplars for row in shown} & {*kept.dev, *kept.test}
