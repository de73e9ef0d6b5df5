"""A server lives exactly as long as somebody uses it, however its users end."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from apo.serving.weights import DEFAULT

HOLDER = """
import json, sys, time
from dataclasses import asdict
from apo.serving.command import Options
from apo.serving.server import serve
with serve(sys.argv[1], Options(context=int(sys.argv[2]), eager=True), lambda text: None) as server:
    print(json.dumps(asdict(server)), flush=True)
    time.sleep(600)
"""
CONTEXT = 512
"""Makes a server of another identity than the one that other tests hold."""


def hold() -> tuple["subprocess.Popen[str]", dict[str, str]]:
    """A process that uses the server until it is killed."""
    command = [sys.executable, "-c", HOLDER, DEFAULT, str(CONTEXT)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = process.stdout.readline()
    assert line, "the server did not start"
    return process, json.loads(line)


def command_lines() -> dict[int, bytes]:
    """The command line of every process, by its id."""
    lines = {}
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines[int(path.parent.name)] = path.read_bytes()
    return lines


def group_of(base_url: str) -> int:
    """The process group of the server that listens there."""
    port = base_url.rsplit(":", 1)[1].removesuffix("/v1")
    for pid, line in command_lines().items():
        arguments = line.split(b"\0")
        if b"--port" in arguments and port.encode() in arguments:
            return os.getpgid(pid)
    raise AssertionError(f"no server process for {base_url}")


def sockets(group: int) -> Path:
    """The folder for the sockets of a server."""
    settings = Path(f"/proc/{group}/environ").read_bytes().split(b"\0")
    (path,) = (one.partition(b"=")[2] for one in settings if one.startswith(b"VLLM_RPC_BASE_PATH="))
    return Path(path.decode())


def alive(group: int) -> bool:
    """Whether any process of the group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def kill(process: "subprocess.Popen[str]") -> None:
    """End a process without letting it tidy up."""
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def test_server_is_shared_and_outlives_no_user() -> None:
    """A second user joins the running server; killed with -9, the last one leaves no orphan and no socket."""
    first, started = hold()
    second, joined = hold()
    group = group_of(started["base_url"])
    lines = command_lines()
    folder = sockets(group)
    opened = list(folder.iterdir())

    kill(first)
    time.sleep(3)
    with_one_user = alive(group)
    kill(second)
    deadline = time.monotonic() + 30
    while (alive(group) or folder.exists()) and time.monotonic() < deadline:
        time.sleep(0.2)

    assert started == joined
    assert with_one_user
    assert not alive(group)
    assert opened
    assert not folder.exists()
    # Other users of the machine can read command lines.
    assert [] == [line for line in lines.values() if started["api_key"].encode() in line]
