"""Every screen and state as text, at both sizes: `python -m tests.benchmarks.screens`.

Nothing is drawn by hand: the application is shown a scripted run's events, and what it draws is written to
`results/screens/<state>-<columns>x<lines>.txt`.
"""

import asyncio
import contextlib
import tempfile
from pathlib import Path

from tests.tui.staging import DIALOGS, SIZES, STATES, fill, staged, text_of
from tui.app import Apo

OUTPUT = Path("results/screens")


def main() -> None:
    """Write all captures."""
    OUTPUT.mkdir(parents=True, exist_ok=True)
    wanted = [(state, state, "") for state in STATES] + [(d, "running", keys) for d, keys in DIALOGS.items()]
    for name, state, keys in wanted:
        for size in SIZES.values():
            text = asyncio.run(capture(staged(state), keys, size))
            write(name, size, text)
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        fill(Path("results"))
        found = [
            (name, size, asyncio.run(capture(Apo(None), keys, size)))
            for name, keys in (("runs", ""), ("new-run", "n"))
            for size in SIZES.values()
        ]
    for name, size, text in found:
        write(name, size, text)


def write(name: str, size: tuple[int, int], text: str) -> None:
    """Write one capture."""
    path = OUTPUT / f"{name}-{size[0]}x{size[1]}.txt"
    path.write_text(text + "\n", encoding="utf-8")
    print(path)


async def capture(app: Apo, keys: str, size: tuple[int, int]) -> str:
    """What is on the screen after some keys."""
    async with app.run_test(size=size) as pilot:
        await pilot.pause()
        await pilot.press(*filter(None, keys.split(",")))
        await pilot.pause(0.3)
        return text_of(app)


if __name__ == "__main__":
    main()
