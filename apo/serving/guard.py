"""The process that owns a server: starts it, and stops it when nobody holds its lease any more.

`python -m apo.serving.guard FOLDER` goes on in the background and returns at once, so that neither
Ctrl-C nor the death of whoever called it reaches the server. FOLDER holds `launch.json` (the
command), `lease` and, while the server lives, `state.json`; the lock on `guard` is held for as long
as the guard lives.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from apo.serving.lease import alone, if_unused

INTERVAL = 0.5
"""Seconds between two looks at the lease."""
PATIENCE = 10.0
"""Seconds that the server has to stop by itself."""
_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Guard the server of the folder that the command line names."""
    folder = Path(sys.argv[1])
    with alone(folder / "guard"):
        # The lock stays with the child, which nobody has to wait for.
        if os.fork() == 0:
            _guard(folder)
        else:
            os._exit(0)


def _guard(folder: Path) -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # vLLM leaves the sockets between its processes behind. Their names may have 107 bytes, so TMPDIR, which
    # may be long, is not where they are.
    named = os.environ.get("VLLM_RPC_BASE_PATH", "/tmp")
    with tempfile.TemporaryDirectory(prefix="apo-", dir=named, ignore_cleanup_errors=True) as sockets:
        _watch(folder, {**os.environ, "VLLM_RPC_BASE_PATH": sockets})


def _watch(folder: Path, environment: dict[str, str]) -> None:
    """Start the server and wait for its end, or until it is to be stopped."""
    launch = json.loads((folder / "launch.json").read_text(encoding="utf-8"))
    # A session of its own makes the server and all its workers one process group.
    server = subprocess.Popen(launch, start_new_session=True, preexec_fn=_die_with_parent, env=environment)
    try:
        while server.poll() is None:
            time.sleep(INTERVAL)
            with if_unused(folder / "lease") as unused:
                if unused:
                    _stop(server)
                    (folder / "state.json").unlink(missing_ok=True)
                    return
    finally:
        _stop(server)
        (folder / "state.json").unlink(missing_ok=True)


def _die_with_parent() -> None:
    """Ask the kernel to end the server if the guard itself is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop(server: "subprocess.Popen[bytes]") -> None:
    """End the server and everything that it started."""
    _signal_group(server.pid, signal.SIGTERM)
    deadline = time.monotonic() + PATIENCE
    while server.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    # Workers outlive a server that was killed, so the whole group goes in any case.
    _signal_group(server.pid, signal.SIGKILL)
    server.wait()


def _signal_group(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return


if __name__ == "__main__":
    main()
