"""Any pool of texts as the arms of a bandit; their contexts are those of an encoder or of the white box."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from apo.embedding import Embed
from apo.errors import ConfigError
from apo.proposers._soft import SoftPrompts
from apo.whitebox import Pooling, WhiteBox

if TYPE_CHECKING:
    from apo.arrays import Floats


@dataclass(frozen=True)
class Texts:
    """Arms that are their own texts."""

    keys: list[str]
    embed: Embed

    def texts(self, keys: Sequence[str]) -> list[str]:
        """The keys themselves."""
        return list(keys)


Domain = SoftPrompts | Texts


def contexts(box: WhiteBox, known: "Mapping[str, Floats]", layer: int, pooling: Pooling) -> Embed:
    """An encoder by the white box: arms have the contexts that are known, other texts are read as they are,
    to points of length 1."""
    at = dict(known)

    def embed(texts: Sequence[str]) -> "Floats":
        import numpy as np

        if new := [text for text in dict.fromkeys(texts) if text not in at]:
            from apo.whitebox.reading import read

            raw = read(box, new, layer, pooling).numpy().astype(np.float64)
            at.update(zip(new, raw / np.linalg.norm(raw, axis=1, keepdims=True).clip(1e-12), strict=True))
        return np.stack([at[text] for text in texts])

    return embed


def from_file(name: str) -> list[str]:
    """One instruction a line, each once; empty lines mean nothing.

    Raises:
        ConfigError: the file cannot be read, or holds fewer than two.
    """
    try:
        lines = Path(name).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"instinct: the pool {name!r} cannot be read: {error}.") from error
    found = list(dict.fromkeys(line.strip() for line in lines if line.strip()))
    if len(found) < 2:
        raise ConfigError(
            f"instinct: the pool {name!r} holds {len(found)} instructions; a choice needs at least 2, one a "
            "line."
        )
    return found
