"""vLLM's engine in a run's own care: it dies with its owner, and its own death is survived."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from apo.backends import Request
from apo.backends.frames import Ready
from apo.backends.patient import Patient
from apo.backends.vllm import VLLM
from apo.connection import Link, connect
from apo.errors import ServerError
from apo.prompt import Message
from apo.serving import lease, owned
from apo.serving.command import Options
from apo.serving.hardware import has_gpu
from apo.serving.server import BEFORE, has_ended, home
from apo.serving.weights import DEFAULT, resolve
from apo.spec import ModelSpec
from tests.server.test_lifetime import alive, command_lines, kill

HOLDER = """
import sys
from apo.serving import owned
from apo.serving.command import Options
with owned.hold(sys.argv[1], Options(context=int(sys.argv[2])), lambda text: None) as folder:
    print(folder, flush=True)
    with owned.started(folder, sys.argv[1], Options(context=int(sys.argv[2])), lambda text: None):
        pass
"""
CONTEXT = 384
"""Makes an engine of another identity than those of other tests."""


def group_of(folder: Path) -> int | None:
    """The process group of the engine that a folder's guard has started; None before it has."""
    guards = [p for p, line in command_lines().items() if str(folder).encode() in line.split(b"\0")]
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            pid, _, rest = path.read_text().partition(" (")
        except OSError:
            continue
        if int(rest.rpartition(") ")[2].split()[1]) in guards:
            return os.getpgid(int(pid))
    return None


def core_of(pid: int, group: int) -> bool:
    """Whether a process is the engine's core in a group, which vLLM names so."""
    try:
        named = Path(f"/proc/{pid}/comm").read_text()
        return named.startswith("VLLM::EngineCor") and os.getpgid(pid) == group
    except OSError:
        return False


def gone(group: int, seconds: float = 30) -> bool:
    """Whether all processes of the group end before so many seconds are over."""
    deadline = time.monotonic() + seconds
    while alive(group) and time.monotonic() < deadline:
        time.sleep(0.2)
    return not alive(group)


def test_engine_dies_with_its_owner() -> None:
    """An owner that is killed with -9, even while its engine starts, leaves no process behind."""
    command = [sys.executable, "-c", HOLDER, DEFAULT, str(CONTEXT)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder = Path(process.stdout.readline().strip())
    deadline = time.monotonic() + 60
    while (group := group_of(folder)) is None and time.monotonic() < deadline:
        time.sleep(0.1)
    assert group is not None
    began = alive(group)
    time.sleep(3)

    kill(process)

    assert began
    assert gone(group)


def test_owners_do_not_share() -> None:
    """Two owners hold folders of their own; one that is free again is taken again."""
    options = Options(context=CONTEXT + 1)
    with owned.hold(DEFAULT, options, lambda _: None) as first:
        with owned.hold(DEFAULT, options, lambda _: None) as second:
            assert first != second
        with owned.hold(DEFAULT, options, lambda _: None) as third:
            assert second == third


@pytest.mark.skipif(has_gpu(), reason="a GPU's memory is for one engine")
def test_faster_engine() -> None:
    """Without a GPU an engine of one's own is the faster one, unless the model is loaded or served."""
    options = Options(context=CONTEXT + 2)
    with (
        owned.hold_if_faster(DEFAULT, options, lambda _: None) as first,
        owned.hold_if_faster(DEFAULT, options, lambda _: None) as second,
    ):
        pass
    with (
        lease.hold(home(DEFAULT, options, lambda _: None) / "lease"),
        owned.hold_if_faster(DEFAULT, options, lambda _: None) as served,
    ):
        pass
    with owned.hold_if_faster(DEFAULT, options, lambda _: None) as again:
        pass

    assert (None, None) == (second, served)
    assert first is not None
    assert first == again


@pytest.mark.skipif(has_gpu(), reason="a GPU's memory is for one engine")
def test_engine_that_is_being_stopped() -> None:
    """A run right after another has an engine of its own too, though the first one's has not ended yet."""
    options = Options(context=CONTEXT + 5)
    with owned.hold_if_faster(DEFAULT, options, lambda _: None) as first:
        assert first is not None
    with (
        lease.alone(first / "lease"),  # as the guard does while it stops an engine
        owned.hold_if_faster(DEFAULT, options, lambda _: None) as second,
    ):
        pass

    assert first == second


@pytest.mark.skipif(has_gpu(), reason="a GPU's memory is for one engine")
def test_engine_that_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the faster engine does not start, here for want of a socket, a server answers; if it was named it
    is an error that says what to do."""
    deep = tmp_path / ("a" * 120)
    deep.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(deep))
    model = ModelSpec(DEFAULT, context=CONTEXT + 3, eager=True)
    told: list[str] = []
    asked = Request((Message("user", "Say yes."),), 3)

    with connect(model, told.append) as link:
        ((_, completion),) = link.backend.stream([asked])
    with (
        pytest.raises(ServerError, match=r"is reached by a socket.*Set TMPDIR.*--engine server"),
        connect(replace(model, engine="inprocess"), told.append),
    ):
        pass

    assert completion.failure is None
    assert any("can be none" in line and line.endswith("Trying a server") for line in told)


@pytest.mark.skipif(has_gpu(), reason="a GPU's memory is for one engine")
def test_default_engine() -> None:
    """Where nobody uses the model a run has an engine of its own, and it answers."""
    asked = Request((Message("user", "Say yes."),), 3)

    with connect(ModelSpec(DEFAULT, context=CONTEXT + 4, eager=True), lambda _: None) as link:
        ((_, completion),) = link.backend.stream([asked])

    assert link.log is not None
    assert Path(link.log).parent.name == "own-0"
    assert completion.failure is None


def test_template_that_takes_no_system_message(tmp_path: Path) -> None:
    """The engine of a model whose chats have no such role starts, and refuses only what has one."""
    weights = Path(resolve(DEFAULT, lambda _: None).source)
    for file in weights.iterdir():
        (tmp_path / file.name).symlink_to(file)
    template = tmp_path / "chat_template.jinja"
    refusal = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}"
    text = refusal + template.read_text()
    template.unlink()
    template.write_text(text)
    chats = [(Message("user", "Say yes."),), (Message("system", "Be brief."), Message("user", "Say yes."))]
    model = ModelSpec(str(tmp_path), context=CONTEXT + 6, eager=True, engine="inprocess")

    with connect(model, lambda _: None) as link:
        done = dict(link.backend.stream([Request(chat, 3) for chat in chats]))

    assert link.identity.template == ""
    failures = [failure.kind if failure else None for failure in (done[Request(c, 3)].failure for c in chats)]
    assert [None, "request"] == failures


def test_death_while_idle(own: Link) -> None:
    """The engine alone is killed, not its worker, while nothing is asked: what is asked then is answered."""
    assert own.log is not None
    group = group_of(Path(own.log).parent)
    assert group is not None
    (core,) = (pid for pid in command_lines() if pid != group and core_of(pid, group))

    os.kill(core, signal.SIGKILL)

    assert gone(group, 20)
    requests = [Request((Message("user", f"Repeat the number {n}."),), 6, tag=str(n)) for n in range(3)]
    done = list(Patient(own.backend, revive=own.revive, tell=lambda _: None).stream(requests))
    assert [None] * 3 == [completion.failure for _, completion in done]


def test_death_in_the_middle(own: Link) -> None:
    """The engine's process is killed while it works: it is started again, and every row is answered."""
    assert own.log is not None
    folder = Path(own.log).parent
    group = group_of(folder)
    assert group is not None
    told: list[str | None] = []

    def requests() -> Iterator[Request]:
        for n in range(400):
            if n == 350:  # beyond what is taken at first, so some have been answered
                os.killpg(group, signal.SIGKILL)
            yield Request((Message("user", f"Repeat the number {n}."),), 6, tag=str(n))

    done = list(Patient(own.backend, revive=own.revive, tell=told.append).stream(requests()))

    assert sorted(map(str, range(400))) == sorted(request.tag for request, _ in done)
    assert [None] * 400 == [completion.failure for _, completion in done]
    assert told[-1] is None
    assert not has_ended(folder)
    assert group_of(folder) not in (None, group)
    assert "EngineCore" in (folder / BEFORE).read_text()  # what the first one wrote


def test_stuck() -> None:
    """An engine that says nothing is given up; it is killed, and another starts in its place."""
    options = Options(context=CONTEXT + 7, eager=True)
    asked = [Request((Message("user", "Say yes."),), 3)]
    failures = []
    with owned.hold(DEFAULT, options, lambda _: None) as folder, ExitStack() as engine:
        for stuck in (True, False):
            engine.close()
            began = owned.started(folder, DEFAULT, options, lambda _: None)
            connection, first = engine.enter_context(began)
            group = group_of(folder)
            assert group is not None
            if stuck:
                os.killpg(group, signal.SIGSTOP)
            backend = VLLM(connection, msgspec.msgpack.decode(first, type=Ready), 5.0 if stuck else 60.0)
            ((_, done),) = backend.stream(asked)
            failures.append(done.failure.kind if done.failure else None)
            assert stuck == backend.lost
            backend.close()

    assert ["timeout", None] == failures
