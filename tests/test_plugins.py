"""Components by file name: found without importing, built from text, extended by a folder."""

import os
import sys
from pathlib import Path

import pytest

from apo import plugins
from apo.errors import ConfigError

KINDS = ("proposers", "exemplars", "alternations", "schedulers")
SWAP = """
from dataclasses import dataclass

@dataclass(frozen=True)
class WordSwap:
    \"\"\"Swaps words.\"\"\"

    words: int = 3
    rate: float = 0.5
    quick: bool = False
    only: str | None = None

    def __post_init__(self):
        if self.words < 1:
            raise ValueError(f"words must be at least 1, not {self.words}")
"""


@pytest.fixture
def extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of APO_PATH with the proposer `word_swap`."""
    (tmp_path / "proposers").mkdir()
    (tmp_path / "proposers" / "word_swap.py").write_text(SWAP)
    monkeypatch.setenv("APO_PATH", str(tmp_path))
    return tmp_path


def add(folder: Path, name: str, text: str) -> None:
    """Another proposer beside `word_swap`."""
    (folder / "proposers" / f"{name}.py").write_text(text)


@pytest.mark.parametrize("kind", KINDS)
def test_names(kind: str) -> None:
    """Names are the files of a folder, sorted, without helpers."""
    folder = plugins.ROOT / kind
    files = [path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")]

    assert sorted(files) == plugins.names(kind)
    assert files


def test_names_unknown_kind() -> None:
    """A kind without a folder has no components."""
    assert plugins.names("nothing") == []


def test_names_without_import(extra: Path) -> None:
    """Listing runs no file, so a broken one does no harm."""
    add(extra, "broken", "raise SystemExit(3)")

    assert {"broken", "word_swap", "opro"} <= set(plugins.names("proposers"))
    assert "apo.proposers.broken" not in sys.modules


def test_apo_path_hides_helpers(extra: Path) -> None:
    """A file that begins with an underscore is no component."""
    add(extra, "_helper", SWAP)

    assert "_helper" not in plugins.names("proposers")
    with pytest.raises(ConfigError, match="no proposer '_helper'"):
        plugins.load("proposers", "_helper")


def test_apo_path_several(extra: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """APO_PATH names several folders; empty parts and missing folders are passed over."""
    shipped = plugins.names("schedulers")
    path = os.pathsep.join(["", str(extra / "none"), str(extra), ""])
    monkeypatch.setenv("APO_PATH", path)

    assert "word_swap" in plugins.names("proposers")
    assert plugins.names("schedulers") == shipped


def test_shipped_first(extra: Path) -> None:
    """A file of a shipped component's name does not replace it."""
    add(extra, "opro", "class Opro:\n    pass\n")

    assert plugins.ROOT / "proposers" / "opro.py" == Path(
        sys.modules[plugins.load("proposers", "opro").__module__].__file__ or ""
    )


def test_load_class_by_name(extra: Path) -> None:
    """The class is the file's name in capitals."""
    assert plugins.load("proposers", "word_swap").__name__ == "WordSwap"


def test_load_once(extra: Path) -> None:
    """Loading twice gives the same class."""
    assert plugins.load("proposers", "word_swap") is plugins.load("proposers", "word_swap")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must define a class named Mine; it does not"),
        ("def Mine(): ...", "must define a class named Mine"),
        ("class mine: ...", "must define a class named Mine"),
        ("class Mine: ...", "Mine must be a frozen dataclass whose fields are its options"),
        ("import no_such_module", "mine.py fails when imported: ModuleNotFoundError"),
        ("class Mine(", "mine.py fails when imported: SyntaxError"),
        ("1 / 0", "mine.py fails when imported: ZeroDivisionError: division by zero"),
    ],
    ids=["empty", "function", "lower-case", "no-dataclass", "import", "syntax", "error"],
)
def test_load_broken(extra: Path, text: str, message: str) -> None:
    """A file that cannot be used is named with the cause."""
    add(extra, "mine", text)

    with pytest.raises(ConfigError, match=message):
        plugins.load("proposers", "mine")


def test_load_after_repair(extra: Path) -> None:
    """A file that failed is imported again once it is repaired."""
    add(extra, "repaired", "1 / 0")
    with pytest.raises(ConfigError, match="ZeroDivisionError"):
        plugins.load("proposers", "repaired")
    add(extra, "repaired", SWAP.replace("WordSwap", "Repaired"))

    assert plugins.load("proposers", "repaired").__name__ == "Repaired"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("proposers", "There is no proposer 'oprro'. Did you mean 'opro'. Known: .*opro, reflection"),
        ("schedulers", "There is no scheduler 'oprro'. Known: full, hyperband, racing, successive_halving"),
        ("exemplars", "There is no selector 'oprro'. Known: .*uniform"),
        ("alternations", "There is no alternation 'oprro'. Known: learned, split, two_stage"),
    ],
    ids=["proposers", "schedulers", "exemplars", "alternations"],
)
def test_unknown(kind: str, message: str) -> None:
    """An unknown name lists what exists of its kind."""
    with pytest.raises(ConfigError, match=message):
        plugins.build(kind, "oprro")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("word_swap", (3, 0.5, False, None)),
        ("word_swap:", (3, 0.5, False, None)),
        ("word_swap:words=5", (5, 0.5, False, None)),
        (" word_swap : words = 5 , rate=0.25 ", (5, 0.25, False, None)),
        ("word_swap:rate=1", (3, 1.0, False, None)),
        ("word_swap:quick=true", (3, 0.5, True, None)),
        ("word_swap:quick=0,", (3, 0.5, False, None)),
        ("word_swap:only=a=b", (3, 0.5, False, "a=b")),
    ],
    ids=["bare", "colon", "one", "spaces", "int-as-float", "true", "zero", "equals"],
)
def test_build(extra: Path, text: str, expected: tuple[object, ...]) -> None:
    """Options are text that becomes the field's type."""
    built = plugins.build("proposers", text)

    assert expected == (built.words, built.rate, built.quick, built.only)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "word_swap:word=5",
            "no option of word_swap 'word'. Did you mean 'words'. Known: only, quick, rate, words",
        ),
        ("word_swap:words=many", "word_swap: option words='many' does not fit"),
        ("word_swap:words=2.5", "word_swap: option words='2.5' does not fit"),
        ("word_swap:words=", "word_swap: option words='' does not fit"),
        ("word_swap:quick=perhaps", "word_swap: option quick='perhaps' does not fit"),
        ("word_swap:words", "word_swap: 'words' is not an option; write option=value"),
        ("word_swap:words=0", "word_swap: words must be at least 1, not 0"),
    ],
    ids=["unknown", "word", "fraction", "empty", "bool", "no-value", "refused"],
)
def test_build_refused(extra: Path, text: str, message: str) -> None:
    """A wrong option is named with its component and what would fit."""
    with pytest.raises(ConfigError, match=message):
        plugins.build("proposers", text)


def test_postponed_annotations(extra: Path) -> None:
    """Types that are written as strings are understood."""
    add(extra, "late_types", "from __future__ import annotations\n" + SWAP.replace("WordSwap", "LateTypes"))

    assert plugins.build("proposers", "late_types:words=7").words == 7


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_build(kind: str) -> None:
    """Every shipped component can be built without options."""
    for name in plugins.names(kind):
        assert type(plugins.build(kind, name)) is plugins.load(kind, name)
