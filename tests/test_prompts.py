"""Prompts from files that people wrote: what is read, and what is refused with its reason."""

import json
from pathlib import Path

import pytest

from apo.commands import Add
from apo.errors import ConfigError
from apo.prompt import Exemplar, Layout, Prompt
from apo.prompts import MOST_BYTES, prompt_of, read_prompt
from apo.store.inbox import Inbox, send

FLAT = Layout("flat", "first", "Q", "A")
HOSTILE = 'a\nb\x00\x1b[31m\u2028{{input}} %s "\\ \N{PILE OF POO}'


def read(folder: Path, content: str | bytes) -> Prompt:
    """The prompt of a file with that content."""
    path = folder / "prompt"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_prompt(path, FLAT)


@pytest.mark.parametrize(
    ("content", "instruction"),
    [
        ("  Name it.\n\n", "Name it."),
        ("[1, 2]", "[1, 2]"),
        ("", ""),
        (HOSTILE, HOSTILE),
        (b"\xef\xbb\xbfName it.", "Name it."),
    ],
    ids=["plain", "list", "empty", "hostile", "byte-order-mark"],
)
def test_text_is_the_instruction(tmp_path: Path, content: str | bytes, instruction: str) -> None:
    """Whatever does not begin with a brace is an instruction, in the layout of the task."""
    assert Prompt(instruction, (), FLAT) == read(tmp_path, content)


@pytest.mark.parametrize("wrap", ["{}", '{{"prompt": {}}}', '\ufeff {{"schema": 1, "prompt": {}}}'])
def test_json_is_a_prompt(tmp_path: Path, wrap: str) -> None:
    """An object with the fields of a prompt, or an export, gives all of it."""
    inner = {
        "instruction": HOSTILE,
        "exemplars": [{"input": HOSTILE, "output": ""}],
        "layout": {"form": "turns"},
    }

    assert Prompt(HOSTILE, (Exemplar(HOSTILE, ""),), Layout("turns")) == read(
        tmp_path, wrap.format(json.dumps(inner))
    )


def test_layout_of_the_task_unless_given(tmp_path: Path) -> None:
    """A prompt that says no layout gets the task's; exemplars alone are a prompt."""
    exemplars = [{"input": "1", "output": "red"}]

    assert Prompt("", (Exemplar("1", "red"),), FLAT) == read(tmp_path, json.dumps({"exemplars": exemplars}))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("{", "begins with '{' but is no JSON"),
        ('{"a": ' + "[" * 100_000, "begins with '{' but is no JSON"),
        ('{"n": ' + "9" * 5000 + "}", "begins with '{' but is no JSON"),
        ("{}", "holds no prompt: give `instruction`, `exemplars`, or both"),
        ('{"prompt": null}', "give `instruction`"),
        ('{"prompt": [1]}', "give `instruction`"),
        ('{"instruction": 5}', r"Expected `str`, got `int` - at `\$.instruction`"),
        ('{"instruction": null}', r"`\$.instruction`"),
        ('{"exemplars": [{"input": "a"}]}', r"missing required field `output` - at `\$.exemplars\[0\]`"),
        ('{"instruction": "a", "layout": {"form": "round"}}', "Invalid enum value 'round'"),
        ('{"instruction": "a", "nearest": 0}', "nearest must be at least 1, or null for a fixed list, not 0"),
        ('{"instruction": "a", "nearest": true}', "Expected `int | null`, got `bool`"),
        ('{"instruction": "a", "layout": 7}', "Expected `object`"),
        (
            '{"instruction": "a", "layout": {"system": false}}',
            "'system'. Known: form, input_label, .*, place",
        ),
        (r'{"instruction": "a\ud800b"}', "surrogates not allowed"),
        (b"\xff\xfe", "is not UTF-8 text.*Save it as UTF-8"),
        (b"x" * (MOST_BYTES + 1), f"more than {MOST_BYTES} bytes; that is no prompt"),
    ],
)
def test_refused(tmp_path: Path, content: str | bytes, told: str) -> None:
    """What holds no prompt is refused by the file's name and the field that does not fit."""
    with pytest.raises(ConfigError, match=f"{tmp_path / 'prompt'} .*{told}"):
        read(tmp_path, content)


def test_largest_is_read(tmp_path: Path) -> None:
    """A file of exactly the most bytes is still read."""
    assert MOST_BYTES == len(read(tmp_path, "x" * MOST_BYTES).instruction)


@pytest.mark.parametrize("place", ["none", "."], ids=["missing", "folder"])
def test_unreadable(tmp_path: Path, place: str) -> None:
    """A file that is not there, or a folder, is named."""
    with pytest.raises(ConfigError, match=r"cannot be read: (No such file|it is no file)"):
        read_prompt(tmp_path / place, FLAT)


def test_whatever_is_read_can_be_sent(tmp_path: Path) -> None:
    """A hostile prompt from a file comes out of the inbox as it went in."""
    prompt = prompt_of({"instruction": HOSTILE, "exemplars": []}, FLAT, "here")
    sent = send(tmp_path / "inbox", Add(prompt=prompt, note=HOSTILE))

    assert [sent] == Inbox(tmp_path / "inbox").new()
