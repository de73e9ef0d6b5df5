"""`apo watch`, `apo tui` and `apo run --watch`: the terminal interface."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from apo.cli_options import RESULTS, Results, RunName
from apo.errors import ConfigError

if TYPE_CHECKING:
    from subprocess import Popen

    from apo.store.runs import RunFolder

Light = Annotated[bool, typer.Option("--light", help="The light theme; key t changes it later.")]


def watch(run: RunName = "last", results: Results = RESULTS, light: Light = False) -> None:
    """Watch a run on a live screen and steer it; leaving the screen never stops the run."""
    from apo.store.runs import find

    folder = find(results, run)
    check_terminal()
    open_screen(folder, light=light)


def tui(results: Results = RESULTS, light: Light = False) -> None:
    """Choose among runs on a live screen, or begin a new one; `apo` alone does the same."""
    check_terminal()
    from tui.app import Apo

    Apo(None, light=light, results=results).run()


def open_screen(folder: "RunFolder", child: "Popen[bytes] | None" = None, light: bool = False) -> None:
    """Show a run until the person leaves, then print its board. `child`: its process, if started here."""
    from apo import tables
    from tui.app import Apo

    history = Apo(folder, child, light).run()
    if history is not None and history.candidates:
        tables.leaderboard(history)
        if folder.best.exists():
            print(f"The best prompt: {folder.best}")
    if history is not None and history.finished is None and folder.is_live():
        print(f"The search goes on. Look again with: apo watch {folder.name}", file=sys.stderr)


def on_terminal() -> bool:
    """Whether people look at the output and can press keys."""
    return sys.stdin.isatty() and sys.stdout.isatty() and sys.stderr.isatty()


def check_terminal() -> None:
    """Refuse to draw where nobody looks.

    Raises:
        ConfigError: naming what to do instead.
    """
    if not on_terminal():
        raise ConfigError("This needs a terminal. Without one use `apo show` and `apo list`.")
