"""A report as one HTML page that needs nothing beside it: no script, no network, pictures inside."""

import base64
import re
from collections.abc import Iterable, Mapping
from functools import partial

from apo.reporting.document import MOST_IN_CELL, Document, Table, short
from apo.words import printable

NUMBER = re.compile(r"[+\-−]?[\d,.]+( %| of \d+)?|–|…|")
"""Cells of columns that are set flush right."""


def page(document: Document, pictures: Mapping[str, tuple[bytes, bytes]]) -> str:
    """The whole page.

    Args:
        document: its texts may hold anything; they are escaped, and control characters made visible.
        pictures: PNG files by the plot's name, each for light and for dark screens.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("apo", "reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_harmless,
    )
    encoded = {
        name: [f"data:image/png;base64,{base64.b64encode(version).decode()}" for version in versions]
        for name, versions in pictures.items()
    }
    template = environment.get_template("page.html")
    cut = partial(short, most=MOST_IN_CELL)
    return template.render(document=document, pictures=encoded, numeric=_numeric, short=cut)


def _harmless(value: object) -> object:
    """Text without control characters, and not without end; pictures are our own."""
    if type(value) is not str or value.startswith("data:image/png;base64,"):
        return value
    return printable(short(value))


def _numeric(table: Table) -> list[bool]:
    """For each column whether all of its cells are figures."""
    columns: Iterable[tuple[str, ...]] = zip(*table.rows, strict=True)
    return [all(NUMBER.fullmatch(cell) for cell in column) for column in columns]
