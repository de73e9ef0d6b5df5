"""A Ray cluster of two nodes with one CPU each on this machine, one of which can be killed."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psutil

SETTINGS = {
    "RAY_memory_monitor_refresh_ms": "0",
    "RAY_prestart_worker_first_driver": "0",
    "RAY_worker_niceness": "0",
}
"""Nobody is killed for the memory that others take, and work does not wait behind all else that is done."""
MEMORY = 80 * 2**20
"""Bytes of each node's object store, about the least that Ray takes."""


@dataclass(frozen=True)
class TwoNodes:
    """The cluster, seen from outside."""

    address: str
    kill: Callable[[], None]
    """Kills the node that is not the head, with all that runs there."""


@contextmanager
def two_nodes(environment: Mapping[str, str] = os.environ) -> Iterator[TwoNodes]:
    """The cluster for the length of the block, in a process of its own."""
    line = [sys.executable, "-m", "tests.ray_cluster"]
    process = subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env={**environment, **SETTINGS},
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    asking, said = process.stdin, process.stdout

    def kill() -> None:
        asking.write("kill\n")
        asking.flush()
        assert "killed\n" == said.readline()

    try:
        address = said.readline().strip()
        assert address, "the cluster did not start"
        yield TwoNodes(address, kill)
    finally:
        asking.close()
        said.close()
        process.wait(60)


def main() -> None:
    """Start the nodes, print the address, kill one at each line of stdin, and end with stdin."""
    from ray.cluster_utils import Cluster

    node = {"num_cpus": 1, "object_store_memory": MEMORY}
    cluster = Cluster(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        other = cluster.add_node(**node)
        print(cluster.address, flush=True)
        for _ in sys.stdin:
            _kill(cluster, other)
            print("killed", flush=True)
    finally:
        cluster.shutdown()


def _kill(cluster: Any, node: Any) -> None:
    """Ray kills what serves the node; its tasks would live a second longer, in which a short run can end."""
    served = [psutil.Process(one.pid) for _, one in node.live_processes()]
    tasks = [task for process in served for task in process.children(recursive=True)]
    cluster.remove_node(node, allow_graceful=False)
    for task in tasks:
        with suppress(psutil.NoSuchProcess):
            task.kill()
    psutil.wait_procs(tasks)


if __name__ == "__main__":
    main()
