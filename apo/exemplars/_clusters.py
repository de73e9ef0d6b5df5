"""Clusters of points; shared by the selectors that spread their choice over the pool."""

from random import Random
from typing import TYPE_CHECKING

from apo.embedding import DECIMALS

if TYPE_CHECKING:
    from apo.arrays import Floats


def clusters(points: "Floats", count: int, rng: Random) -> list[list[int]]:
    """Parts points of shape (n, d) into `count` clusters by k-means; fewer where fewer points differ.

    Each cluster holds the numbers of its points, the nearest to its centre first; where several are
    equally near, the first in the order given.
    """
    import numpy as np
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    seed = rng.getrandbits(31)
    places = np.round(points, DECIMALS)
    count = min(count, len(np.unique(places, axis=0)))
    if count < 1:
        return []
    with threadpool_limits(limits=1):  # several threads add up in any order, so last digits would vary
        found = KMeans(count, n_init=1, random_state=seed).fit(places)
        distances = np.round(found.transform(places), DECIMALS)
    members = [np.flatnonzero(found.labels_ == number) for number in range(count)]
    return [
        [int(place) for place in inside[np.argsort(distances[inside, number], kind="stable")]]
        for number, inside in enumerate(members)
    ]
