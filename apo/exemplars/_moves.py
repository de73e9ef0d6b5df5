"""Small changes of exemplar lists; shared by the selectors."""

from collections.abc import Sequence
from random import Random

from apo.prompt import Exemplar


def move(child: list[Exemplar], pool: Sequence[Exemplar], most: int, rng: Random) -> None:
    """Change `child` in place by one move that is possible."""
    shown = {e.row for e in child}
    fresh = [e for e in pool if e.row not in shown]
    moves = ["exchange"] if len(child) > 1 else []
    moves += ["remove"] if len(child) > 1 else []
    moves += ["replace", "replace"] if fresh else []
    moves += ["add"] if fresh and len(child) < most else []
    if not moves:
        return
    kind = rng.choice(moves)
    place = rng.randrange(len(child))
    if kind == "exchange":
        other = rng.randrange(len(child))
        child[place], child[other] = child[other], child[place]
    elif kind == "remove":
        del child[place]
    elif kind == "replace":
        child[place] = rng.choice(fresh)
    else:
        child.insert(place, rng.choice(fresh))
