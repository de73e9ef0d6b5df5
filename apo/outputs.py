"""The model's own right answers on dev rows, which the search has paid for anyway."""

from collections.abc import Iterable

from apo.candidate import Evaluation

MOST = 16
"""Texts that are kept of one row. Free text hardly ever comes twice, so there may be as many as evaluations;
exemplars need a choice of them and not all."""


class RightOutputs:
    """Fully correct outputs by row, each text once; those of the oldest candidates, whatever came first."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, int]] = {}
        """By row and text: the number of the oldest candidate that gave it."""
        self._newest: dict[str, int] = {}
        """By row that has its MOST texts: the newest of those candidates; later ones have nothing to add."""

    def branch(self) -> "RightOutputs":
        """A copy that can be taken further without changing this one."""
        twin = RightOutputs()
        twin._rows = {row: texts.copy() for row, texts in self._rows.items()}
        twin._newest = self._newest.copy()
        return twin

    def take(self, evaluations: Iterable[Evaluation]) -> None:
        """Keep what is right of these and not cut off."""
        for one in evaluations:
            if one.score is not None and one.score.value >= 1 and not one.cut_off:
                number = int(one.candidate[1:])
                if number < self._newest.get(one.example, number + 1):
                    self._keep(one.example, one.output.strip(), number)

    def _keep(self, row: str, text: str, number: int) -> None:
        texts = self._rows.setdefault(row, {})
        texts[text] = min(number, texts.get(text, number))
        if len(texts) > MOST:
            del texts[max(texts, key=texts.__getitem__)]
        if len(texts) == MOST:
            self._newest[row] = max(texts.values())

    def of(self, row: str) -> list[str]:
        """The texts of a row, those of older candidates first."""
        texts = self._rows.get(row, {})
        return sorted(texts, key=texts.__getitem__)
