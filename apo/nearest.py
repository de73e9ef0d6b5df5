"""Prompts that show each input its own exemplars: those of a pool that are nearest to it.

Near is the cosine of sentence embeddings of the inputs (Wan et al. 2024, section 3; Liu et al. 2022, KATE).
"""

from dataclasses import replace

from apo.embedding import DECIMALS, Embed
from apo.prompt import Prompt, visible


def resolve(prompt: Prompt, text: str, source: str, embed: Embed) -> Prompt:
    """The prompt with the exemplars that one input is shown; a prompt with a fixed list stays as it is.

    The nearest stands last, beside the input; of equally near ones the first of the pool is nearer. If
    the input is row `source` of the data, what was made from it, or from the same input, is no neighbour.

    Raises:
        OSError: see `apo.embedding.SentenceEmbedder`.
    """
    import numpy as np

    if prompt.nearest is None:
        return prompt
    pool = visible(prompt, text, source)
    points = embed([text, *(e.input for e in pool)])
    likeness = np.round(points[1:] @ points[0], DECIMALS)
    ranked = np.argsort(-likeness, kind="stable")[: prompt.nearest]
    return replace(prompt, exemplars=tuple(pool[place] for place in reversed(ranked)), nearest=None)
