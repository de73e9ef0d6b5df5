"""Count the things of one kind in a sentence that lists several kinds.

{
  "id": "object_counting-052",
  "input": "I have a saw, a violin, five rakes and four spanners. How many tools do I have?",
  "target": "10"
}
"""

from random import Random

from apo.scorers import Numeric
from apo.task import Task
from tasks._generate import generated_task

NUMBERS = ("one", "two", "three", "four", "five")
FRAMES = (
    "I have {list}. How many {kind} do I have?",
    "My aunt owns {list}. How many {kind} does she own?",
    "In the drawing I can see {list}. How many {kind} are in the drawing?",
    "The removal van carries {list}. How many {kind} are in the van?",
)
THINGS: dict[str, dict[str, str]] = {
    "fruits": {
        "apple": "apples",
        "banana": "bananas",
        "cherry": "cherries",
        "fig": "figs",
        "mango": "mangoes",
        "orange": "oranges",
        "peach": "peaches",
        "plum": "plums",
        "quince": "quinces",
        "apricot": "apricots",
    },
    "animals": {
        "cat": "cats",
        "donkey": "donkeys",
        "duck": "ducks",
        "goose": "geese",
        "hamster": "hamsters",
        "lizard": "lizards",
        "mouse": "mice",
        "owl": "owls",
        "pony": "ponies",
        "rabbit": "rabbits",
    },
    "musical instruments": {
        "accordion": "accordions",
        "banjo": "banjos",
        "cello": "cellos",
        "drum": "drums",
        "flute": "flutes",
        "harp": "harps",
        "oboe": "oboes",
        "piano": "pianos",
        "trumpet": "trumpets",
        "violin": "violins",
    },
    "pieces of furniture": {
        "armchair": "armchairs",
        "bed": "beds",
        "bench": "benches",
        "bookcase": "bookcases",
        "desk": "desks",
        "sofa": "sofas",
        "stool": "stools",
        "table": "tables",
        "wardrobe": "wardrobes",
        "cupboard": "cupboards",
    },
    "tools": {
        "axe": "axes",
        "chisel": "chisels",
        "drill": "drills",
        "hammer": "hammers",
        "ladder": "ladders",
        "rake": "rakes",
        "saw": "saws",
        "shovel": "shovels",
        "spanner": "spanners",
        "wrench": "wrenches",
    },
}


def load() -> Task:
    """The task; its rows are generated and always the same."""
    return generated_task(
        name="object_counting",
        description="Count the things of one kind in a sentence that lists several kinds.",
        instruction="Answer the question with a number.",
        scorer=Numeric(),
        draw=_draw,
        max_tokens=32,
    )


def _draw(random: Random) -> tuple[str, str]:
    """A list of four to eight entries, at least two of them of the kind that is asked for."""
    asked, *others = random.sample(list(THINGS), 3)
    size = random.randint(4, 8)
    right = random.randint(2, size)
    names = [(asked, name) for name in random.sample(list(THINGS[asked]), right)]
    rest = [(kind, name) for kind in others for name in THINGS[kind]]
    names += random.sample(rest, size - right)
    random.shuffle(names)
    amounts = [random.choice((1, 1, 1, 2, 3, 4, 5)) for _ in names]
    phrases = [_phrase(kind, name, n) for (kind, name), n in zip(names, amounts, strict=True)]
    total = sum(n for (kind, _), n in zip(names, amounts, strict=True) if kind == asked)
    listed = f"{', '.join(phrases[:-1])} and {phrases[-1]}"
    return random.choice(FRAMES).format(list=listed, kind=asked), str(total)


def _phrase(kind: str, name: str, amount: int) -> str:
    if amount > 1:
        return f"{NUMBERS[amount - 1]} {THINGS[kind][name]}"
    return f"{'an' if name[0] in 'aeio' else 'a'} {name}"
