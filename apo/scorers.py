"""Scorers: how one output is judged. A task names one; all accept any of a row's references.

Each tells a format failure (no answer can be read: `Score.answer` is None) from a wrong answer.
Scores lie in [0, 1]; the best over the references counts.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from apo.task import MAX_TOKENS, Example, Score, Scorer

# Punctuation, except what stands between two digits (1.5, 10:30) or makes a number negative.
_PUNCTUATION = re.compile(r"(?<!\d)(?!(?<!\w)-\d)[^\w\s]|[^\w\s](?!\d)")
_HYPHEN = re.compile(r"(?<=[^\W\d])-(?=[^\W\d])")
_NUMBER = re.compile(r"(?:(?<!\w)-)?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][+-]?\d{1,3}(?!\d))?")
MOST_DIGITS = 300
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")


def normalise(text: str) -> str:
    """Lower case, no punctuation around words, hyphens inside words and runs of space as one space.

    A text of nothing but punctuation keeps it, since there it is the answer.
    """
    plain = unicodedata.normalize("NFKC", text).casefold().strip()
    words = " ".join(_PUNCTUATION.sub(" ", _HYPHEN.sub(" ", plain.replace("_", " "))).split())
    return words or " ".join(plain.split())


def first_line(text: str) -> str:
    """The first line that is not blank, or the empty string."""
    return next((line for line in text.splitlines() if line.strip()), "")


def _judge(answer: str | None, example: Example, value: Callable[[str], float]) -> Score:
    """Score a read answer against every reference; no answer is a format failure."""
    if answer is None:
        return Score(0.0, None, "no answer could be read")
    best = max(value(reference) for reference in example.accepted)
    return Score(best, answer, "" if best == 1.0 else f"expected {example.target}")


@dataclass(frozen=True)
class Exact:
    """The first line equals a reference after `normalise`."""

    def __call__(self, output: str, example: Example) -> Score:
        """1 or 0; an empty output is a format failure."""
        answer = first_line(output).strip() or None
        said = normalise(answer or "")
        return _judge(answer, example, lambda gold: float(said == normalise(first_line(gold))))


@dataclass(frozen=True)
class Choice:
    """Exactly one of the labels is mentioned, and it is the right one.

    A label is found as a whole word in any case; labels of one letter keep their case, since
    "a" is also a word. A longer label hides the shorter one inside it.
    """

    labels: tuple[str, ...]

    def __call__(self, output: str, example: Example) -> Score:
        """1 or 0; no label or several different ones are a format failure."""
        answer = self.read(output)
        return _judge(answer, example, lambda gold: float(answer == self._canonical(gold)))

    def read(self, output: str) -> str | None:
        """The one label that `output` mentions, or None."""
        whole = self._canonical(output)
        if whole is not None:
            return whole
        found: set[str] = set()
        rest = output
        for label in sorted(self.labels, key=len, reverse=True):
            pattern = _label_pattern(label)
            if pattern.search(rest):
                found.add(label)
                rest = pattern.sub("\0", rest)
        return found.pop() if len(found) == 1 else None

    def _canonical(self, text: str) -> str | None:
        plain, said = text.strip().casefold(), normalise(text)
        # "C" and "C++" read alike without their punctuation, so the plain text comes first.
        same = [label for label in self.labels if label.casefold() == plain]
        alike = same or [label for label in self.labels if _said(label) == said]
        return alike[0] if len(alike) == 1 else None


@lru_cache(maxsize=1024)
def _said(label: str) -> str:
    return normalise(label)


@lru_cache(maxsize=1024)
def _label_pattern(label: str) -> re.Pattern[str]:
    letters = [c for c in label if c.isalnum()]
    before = r"(?<![^\W_])" if label[:1].isalnum() else ""
    after = r"(?![^\W_])" if label[-1:].isalnum() else ""
    pattern = before + re.escape(label) + after
    if len(letters) == 1 and len(label) > 1:
        # "(B)" is also meant by "B." or "B)", but an "A" inside a sentence is a word.
        pattern += rf"|(?<![\w(]){letters[0]}(?=\s*(?:[).:]|$))"
    return re.compile(pattern, re.IGNORECASE if len(letters) > 1 else 0)


@dataclass(frozen=True)
class Numeric:
    """The last number of the output equals a reference's, within `tolerance` (absolute)."""

    tolerance: float = 1e-6

    def __post_init__(self) -> None:
        """Check the options."""
        if not 0 <= self.tolerance < float("inf"):
            raise ValueError(f"tolerance must be at least 0, not {self.tolerance}")

    def __call__(self, output: str, example: Example) -> Score:
        """1 or 0; an output without a number is a format failure."""
        said = last_number(output)

        def value(gold: str) -> float:
            wanted = last_number(gold)
            if said is None or wanted is None:
                return 0.0
            return float(abs(said - wanted) <= Decimal(str(self.tolerance)))

        return _judge(None if said is None else f"{said}", example, value)


def last_number(text: str) -> Decimal | None:
    """The last decimal number in `text`; commas between groups of three digits are dropped."""
    numbers = _NUMBER.findall(_THOUSANDS.sub("", text.replace("\N{MINUS SIGN}", "-")))
    # Longer runs of digits are no number that anybody meant, and would overflow.
    return Decimal(numbers[-1]) if numbers and len(numbers[-1]) <= MOST_DIGITS else None


@dataclass(frozen=True)
class Contains:
    """A reference stands in the output as whole words, after `normalise`."""

    def __call__(self, output: str, example: Example) -> Score:
        """1 or 0; an empty output is a format failure."""
        said = f" {normalise(output)} "
        answer = output.strip() or None
        return _judge(answer, example, lambda gold: float(f" {normalise(gold)} " in said))


@dataclass(frozen=True)
class F1:
    """Harmonic mean of precision and recall over the words of the first line (SQuAD's token F1)."""

    def __call__(self, output: str, example: Example) -> Score:
        """A value in [0, 1]; an empty output is a format failure."""
        answer = first_line(output).strip() or None
        said = Counter(normalise(answer or "").split())

        def value(gold: str) -> float:
            wanted = Counter(normalise(first_line(gold)).split())
            common = (said & wanted).total()
            return 2 * common / (said.total() + wanted.total()) if common else 0.0

        return _judge(answer, example, value)


@dataclass(frozen=True)
class SetMatch:
    """The same set of items as a reference, whatever the order; items stand between `separators`."""

    separators: str = ",;\n"

    def __post_init__(self) -> None:
        """Check the options."""
        if not self.separators:
            raise ValueError("separators must name at least one character")

    def __call__(self, output: str, example: Example) -> Score:
        """1 or 0; an output without items is a format failure."""
        said = self._items(output)
        answer = output.strip() if said else None
        return _judge(answer, example, lambda gold: float(said == self._items(gold)))

    def _items(self, text: str) -> frozenset[str]:
        parts = re.split(f"[{re.escape(self.separators)}]", text)
        return frozenset(normalise(p) for p in parts if p.strip())


SCORERS: dict[str, type[Scorer]] = {
    "exact": Exact,
    "choice": Choice,
    "numeric": Numeric,
    "contains": Contains,
    "f1": F1,
    "set_match": SetMatch,
}
"""What a task file may name."""

SLACK = 16
"""Tokens beyond an answer's own: for quotes, marks and space, which scorers pass over."""


def answer_limit(scorer: Scorer, rows: Iterable[Example]) -> int:
    """Most tokens that an answer may have, where the task does not say it: room for the longest known one.

    A token is at least one byte of text, so that an answer of so many bytes is never cut off, whatever the
    tokenizer. Long answers get a token for two bytes, which is more than tokenizers take, and never less
    than MAX_TOKENS. Only where the whole output is the answer; the other scorers read theirs out of a
    sentence, or behind a chain of thought, and keep MAX_TOKENS.
    """
    if not isinstance(scorer, (Exact, SetMatch)):
        return MAX_TOKENS
    longest = max((len(answer.encode()) for row in rows for answer in row.accepted), default=0)
    return longest + SLACK if longest + SLACK <= MAX_TOKENS else max(MAX_TOKENS, longest // 2 + SLACK)
