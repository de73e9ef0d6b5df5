"""Whether a folder lies on a disk that several machines share."""

from pathlib import Path

import pytest

from apo.backends.completions import file_in
from apo.files import over_network

MOUNTS = """\
/dev/vda / ext4 rw 0 0
tmpfs /home tmpfs rw 0 0
server:/home /home nfs4 rw,relatime 0 0
/dev/vdb /home/me/disk xfs rw 0 0
server:/big /my\\040data lustre rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("folder", "shared"),
    [
        ("/", False),
        ("/var/cache/apo", False),
        ("/home/me/.cache/apo", True),
        ("/homes/me", False),
        ("/home/me/disk/apo", False),
        ("/my data/apo", True),
    ],
)
def test_over_network(tmp_path: Path, folder: str, shared: bool) -> None:
    """The innermost mount counts, and of two at a place the later one."""
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)

    assert shared == over_network(Path(folder), mounts)


def test_without_mounts(tmp_path: Path) -> None:
    """A machine that does not say what is mounted is not taken for one of several."""
    assert not over_network(tmp_path, tmp_path / "none")


def test_a_disk_of_this_machine(tmp_path: Path) -> None:
    """The answers lie in the file that the README names."""
    assert file_in(tmp_path).name == "completions.sqlite"
