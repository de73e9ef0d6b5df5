"""A prompt from a file that a person wrote: an instruction in plain text, a prompt as JSON, or an export."""

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec

from apo.errors import ConfigError, unknown
from apo.prompt import Layout, Prompt

MOST_BYTES = 1_000_000
LAYOUT = tuple(field.name for field in fields(Layout))


def read_prompt(path: Path, layout: Layout) -> Prompt:
    """The prompt of a file; one that says no layout gets `layout`.

    A file that begins with `{` is JSON: an export of apo, or an object with `instruction` and, if
    wanted, `exemplars` (objects with `input` and `output`) and `layout`. Anything else is the instruction.

    Raises:
        ConfigError: the file cannot be read or does not hold a prompt.
    """
    text = _text(path)
    if not text.lstrip().startswith("{"):
        return Prompt(text.strip(), (), layout)
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path} begins with '{{' but is no JSON: {error}.") from error
    return prompt_of(content, layout, str(path))


def _text(path: Path) -> str:
    try:
        if path.exists() and not path.is_file():
            raise ConfigError(f"{path} cannot be read: it is no file.")
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        if len(content) > MOST_BYTES:
            raise ConfigError(f"{path} has more than {MOST_BYTES} bytes; that is no prompt.")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text ({error}). Save it as UTF-8.") from error


def prompt_of(content: dict[str, Any], layout: Layout, where: str) -> Prompt:
    """The prompt of an export, or of an object with the fields of a prompt.

    Raises:
        ConfigError: naming `where`, and the field that does not fit.
    """
    inner = content.get("prompt", content)
    if not isinstance(inner, dict) or not ({"instruction", "exemplars"} & inner.keys()):
        raise ConfigError(f"{where} holds no prompt: give `instruction`, `exemplars`, or both.")
    given = inner.get("layout")
    for key in given if isinstance(given, dict) else ():
        if key not in LAYOUT:
            raise unknown(f"layout setting in {where}", key, LAYOUT)
    whole = {"instruction": "", "layout": msgspec.to_builtins(layout), **inner}
    try:
        prompt = msgspec.convert(whole, Prompt)
        msgspec.json.encode(prompt)  # JSON can name halves of characters, which nothing can write
    except (msgspec.ValidationError, UnicodeEncodeError) as error:
        raise ConfigError(f"{where} holds no prompt: {error}.") from error
    return prompt
