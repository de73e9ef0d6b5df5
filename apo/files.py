"""Files that only their owner can read, written whole or not at all; whether machines share their disk."""

import tempfile
from pathlib import Path

from apo.errors import ConfigError

MOUNTS = Path("/proc/self/mounts")
SHARED = {"afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre", "nfs", "nfs4", "orangefs", "panfs"}
SHARED |= {"smb3", "smbfs", "wekafs", "fuse.glusterfs", "fuse.sshfs"}
"""Kinds of file systems that several machines may have mounted."""


def over_network(folder: Path, mounts: Path = MOUNTS) -> bool:
    """Whether a folder lies on a file system that other machines may have too."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    whole = folder.resolve()
    # A space in a name is \040 there. Of two mounted at the same place the later one is seen.
    mounted = [words for line in lines if len(words := line.split(" ")) > 2]
    known = {Path(words[1].replace("\\040", " ")): words[2] for words in mounted}
    kind = next((known[place] for place in (whole, *whole.parents) if place in known), "")
    return kind in SHARED


def write_private(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read, whole or not at all.

    Raises:
        ConfigError: it cannot be written.
    """
    try:
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
            # The folder is the owner's alone, and so is the file made in it.
            written = Path(scratch) / path.name
            written.write_bytes(content)
            written.chmod(0o600)
            written.replace(path)
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error.strerror}.") from error
