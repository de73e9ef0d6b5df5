"""Sort a list of words alphabetically.

{
  "id": "word_sorting-001",
  "input": "sunset yogurt dragon tavern pepper button spider",
  "target": "button dragon pepper spider sunset tavern yogurt"
}
"""

from random import Random

from apo.scorers import Exact
from apo.task import Task
from tasks._generate import generated_task

_LIST = """
acorn alley amber anchor angle apron arrow attic autumn bacon badge bakery bamboo banner barrel
basin basket beacon bishop blanket blossom bottle branch bread breeze brick bridge bronze brook
brush bucket butter button cabin cable camel canal candle canvas canyon carpet castle cellar chain
chapel chapter charcoal cheese chimney circus clay cliff cloak clover coast cobble compass copper
coral corner cotton cradle crane crayon cricket crumb curtain daisy dawn desert dinner dolphin
donor dough dragon drawer dusk eagle echo elbow ember engine fable falcon feather fence fiddle
flint forest fossil fountain frost funnel galaxy gallery garlic glacier glove granite gravel
grove guitar hammock harbour harvest hazel hedge helmet herring hollow honey hornet iceberg
island ivory jacket jasmine jersey jigsaw jungle kennel kettle kitchen ladder lagoon lantern
lemon lentil lilac linen lobster magnet maple marble market meadow mirror mitten monsoon mosaic
nectar needle nutmeg oatmeal ocean olive onion orchard otter oyster paddle palace parcel parsley
pebble pencil pepper pillow pistol planet plaster pocket poppy prairie pumpkin puzzle quarry
quilt rabbit radish ribbon ripple rocket saddle saffron sailor sandal satchel shadow shelter
shore silver sketch sparrow spider spindle sponge squirrel stable statue summit sunset tavern
temple thimble thunder timber tunnel turnip umbrella valley vanilla velvet village violet walnut
whistle willow window winter yellow yogurt zebra zigzag
"""
WORDS = _LIST.split()


def load() -> Task:
    """The task; its rows are generated and always the same."""
    return generated_task(
        name="word_sorting",
        description="Sort a list of words alphabetically.",
        instruction="Sort the words alphabetically. Answer with the words, separated by spaces.",
        scorer=Exact(),
        draw=_draw,
        max_tokens=64,
    )


def _draw(random: Random) -> tuple[str, str]:
    """Four to nine words that are not in order yet."""
    while True:
        words = random.sample(WORDS, random.randint(4, 9))
        if words != sorted(words):
            return " ".join(words), " ".join(sorted(words))
