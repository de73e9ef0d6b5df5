"""Sends runs to a Ray cluster, which finds a machine for each, and another where that is lost."""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from apo.cluster.away import LOOK_EVERY, go_on
from apo.cluster.home import Home
from apo.errors import ConfigError, RunError
from apo.store.runs import RunFolder

LOSSES = 10
"""How often a run may lose its machine before it counts as failed."""
LONGEST_WAIT = 40.0
"""Seconds in which a cluster must answer; Ray itself waits for minutes and fills stderr."""
CONNECTING = 5.0
"""Seconds in which its port must be open."""
TRIAL = """
import sys, ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False, logging_level="ERROR")
except (OSError, ValueError, RuntimeError) as error:
    sys.exit(str(error))
"""
"""Whether a cluster answers: tried in a process of its own, since nothing else ends Ray's waiting."""


@dataclass(frozen=True, slots=True)
class Share:
    """What one run takes of its machine while it goes on."""

    cpus: float = 1.0
    gpus: float = 0.0
    """A fraction lets several runs share one."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Goes on with runs as Ray tasks, each by `apo resume` on a machine that has room for it."""

    share: Share = Share()
    parallel: int | None = None
    """Runs at a time; None: as many as there is room for."""

    def has_room(self) -> bool:
        """Whether a machine is large enough for a run; where machines are added, one may be later."""
        import ray

        machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        return any(
            m.get("CPU", 0) >= self.share.cpus and m.get("GPU", 0) >= self.share.gpus for m in machines
        )

    def run(
        self, folders: Sequence[RunFolder], tell: Callable[[str], None]
    ) -> Iterator[tuple[RunFolder, str]]:
        """Go on with all runs; each is yielded when it has ended, with why it failed or nothing.

        Raises:
            RunError: the cluster is lost; what came home stays.
            KeyboardInterrupt: no run goes on; those that had begun have finished their rows in flight.
        """
        import ray
        from ray.exceptions import RayError

        home, task = _home(folders), _task(self.share)
        left = list(reversed(folders))
        away: dict[Any, RunFolder] = {}
        try:
            while left or away:
                while left and len(away) < (self.parallel or len(folders)):
                    folder = left.pop()
                    away[task.remote(home, folder.name)] = folder
                done, _ = ray.wait(list(away), timeout=LOOK_EVERY)
                for line in ray.get(home.news.remote()):
                    tell(line)
                for one in done:
                    yield away.pop(one), _problem(one)
        except RayError as error:
            raise RunError(f"The cluster is lost: {_brief(error)}. The same command goes on.") from error
        except BaseException:
            _stop(home, away)
            raise


def _home(folders: Sequence[RunFolder]) -> Any:
    """The actor, on this machine, where the folders are."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor = ray.remote(Home).options(
        num_cpus=0, scheduling_strategy=here, max_restarts=-1, max_task_retries=-1
    )
    return actor.remote({folder.name: folder.path.absolute() for folder in folders})


def _task(share: Share) -> Any:
    import ray

    return ray.remote(go_on).options(num_cpus=share.cpus, num_gpus=share.gpus, max_retries=LOSSES)


def _stop(home: Any, away: Mapping[Any, RunFolder]) -> None:
    """Let those that have begun finish their rows in flight, and wait for them; cancel the others.

    Those that have begun hear it from home: cancelling raises KeyboardInterrupt wherever a task is, and where
    Ray's own code calls back that is lost. Home is told again and again, since Ray may start it anew.
    """
    import ray
    from ray.exceptions import RayError

    left, begun = dict(away), set[str]()
    with suppress(RayError):
        while left:
            begun |= set(ray.get(home.stop.remote()))
            for task, folder in left.items():
                if folder.name not in begun:
                    ray.cancel(task, recursive=False)
            _, waiting = ray.wait(list(left), num_returns=len(left), timeout=LOOK_EVERY)
            left = {task: left[task] for task in waiting}


def _problem(task: Any) -> str:
    """Why a task failed, or nothing."""
    import ray
    from ray.exceptions import RayError, RayTaskError

    try:
        return str(ray.get(task))
    except RayTaskError as error:
        return " ".join(str(error.cause or error).split())
    except RayError as error:
        return f"it lost its machine {LOSSES + 1} times: {_brief(error)}. The same command goes on with it."


def _brief(error: Exception) -> str:
    """The first sentence of what Ray says, which may be pages."""
    return " ".join(str(error).split()).partition(". ")[0].rstrip(".") or type(error).__name__


@contextmanager
def connected(address: str, share: Share = Share(), parallel: int | None = None) -> Iterator[Cluster]:
    """A cluster, for the length of the block.

    Args:
        address: `host:port`, or `auto` for the cluster that this machine belongs to.
        share: what one run takes of its machine.
        parallel: runs at a time; None: as many as there is room for.

    Raises:
        ConfigError: Ray is not installed, or no cluster answers there within LONGEST_WAIT seconds.
    """
    # Its warnings go to stdout, where summaries are printed; what matters of them is told as news.
    os.environ.setdefault("RAY_DEDUP_LOGS_SKIP_REGEX", ".")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # or it warns of a coming default
    try:
        import ray
    except ImportError as error:
        raise ConfigError("Ray is not installed here. Install it: pip install 'apo[ray]'") from error
    _try(address)
    ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield Cluster(share, parallel)
    finally:
        ray.shutdown()


def _try(address: str) -> None:
    if "://" in address:
        raise ConfigError(
            f"{address!r} is no address of a cluster that apo can use: give host:port, or `auto`, on one of "
            "the cluster's machines, since what comes back is written on the machine that calls."
        )
    why = _deaf(address)
    if why:
        raise ConfigError(
            f"No Ray cluster answers at {address!r}: {why}. Start one (ray start --head), join this machine "
            "to it, or correct --ray."
        )


def _deaf(address: str) -> str:
    """Why no cluster answers, or nothing."""
    host, _, port = address.rpartition(":")
    try:
        if port.isdecimal():
            socket.create_connection((host, int(port)), CONNECTING).close()
        line = [sys.executable, "-c", TRIAL, address]
        tried = subprocess.run(line, capture_output=True, text=True, timeout=LONGEST_WAIT)
    except (OSError, OverflowError) as error:
        return str(error)
    except subprocess.TimeoutExpired:
        return f"there is none after {LONGEST_WAIT:.0f} seconds"
    said = tried.stderr.strip().splitlines() or [f"code {tried.returncode}"]
    return said[-1].rstrip(".") if tried.returncode else ""
