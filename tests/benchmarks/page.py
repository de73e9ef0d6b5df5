"""What benchmarks have in common: the public data that they read, and the page that they write."""

import sys
from pathlib import Path


def public_data() -> Path:
    """The folder of public data that the command line names first.

    Raises:
        SystemExit: with code 0, saying so, where there is none: the other benchmarks go on.
    """
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else Path("../shared/data")
    if not data.is_dir():
        print(f"Skipped: there is no folder {data} with public data. Give one: make bench DATA_DIR=…")
        raise SystemExit(0)
    return data


def publish(page: Path, text: str) -> None:
    """Write a page and print it."""
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(text, encoding="utf-8")
    print(text)
