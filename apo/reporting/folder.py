"""A report's files: the page, and its pictures beside it."""

from collections.abc import Mapping
from pathlib import Path

from apo.errors import ConfigError
from apo.files import write_private
from apo.reporting.canvas import DARK, LIGHT, png
from apo.reporting.document import Document
from apo.reporting.page import page

PAGE = "report.html"


def write(document: Document, folder: Path) -> tuple[Path, ...]:
    """Write the page, then its light pictures for use elsewhere; the files, the page first.

    Raises:
        ConfigError: the folder cannot be made or written.
    """
    pictures = {plot.name: (png(plot, LIGHT), png(plot, DARK)) for plot in document.plots}
    files: Mapping[str, bytes] = {
        PAGE: page(document, pictures).encode(),
        **{f"{name}.png": light for name, (light, _) in pictures.items()},
    }
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"The folder {str(folder)!r} cannot be made: {error.strerror}. Choose another with --output."
        ) from error
    for name, content in files.items():
        write_private(folder / name, content)
    return tuple(folder / name for name in files)
