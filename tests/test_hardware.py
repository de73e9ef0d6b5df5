"""What a machine computes with decides in which numbers a model is served."""

from pathlib import Path

import pytest

from apo.serving import hardware
from apo.serving.weights import Weights

INTEL, OLD = "flags : fpu avx512f avx512_bf16", "flags : fpu avx512f avx512vl"
ARM = "Features : fp asimd bf16"


def weights(folder: Path, size: int) -> Weights:
    """A model with so many bytes of weights, which take no room."""
    with (folder / "model.safetensors").open("wb") as file:
        file.truncate(size)
    return Weights("some", str(folder))


@pytest.mark.parametrize(
    ("flags", "expected"), [(INTEL, "bfloat16"), (ARM, "bfloat16"), (OLD, "float32"), (None, "float32")]
)
def test_precision_follows_the_processor(tmp_path: Path, flags: str | None, expected: str) -> None:
    """A processor without instructions for bfloat16, or an unknown one, computes in single precision."""
    processor = tmp_path / "cpuinfo"
    if flags is not None:
        processor.write_text(f"{flags}\n", encoding="utf-8")

    assert expected == hardware.precision(weights(tmp_path, 1 << 20), processor)


def test_weights_too_large_for_single_precision(tmp_path: Path) -> None:
    """Weights that would fill the memory stay as they are, and so do those of unknown size."""
    processor = tmp_path / "cpuinfo"
    processor.write_text(OLD, encoding="utf-8")

    assert "bfloat16" == hardware.precision(weights(tmp_path, hardware.memory() // 7), processor)
    assert "bfloat16" == hardware.precision(Weights("hub", "owner/model"), processor)


def test_precision_is_given_to_the_engine(tmp_path: Path) -> None:
    """What a CPU computes with is an argument of vLLM; a GPU's is vLLM's own choice."""
    from apo.serving.command import Options, settings

    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    asked = settings(weights(tmp_path, 1 << 20), Options())
    numbers = asked[asked.index("--dtype") + 1] if "--dtype" in asked else None

    assert numbers == (None if hardware.has_gpu() else hardware.precision(weights(tmp_path, 1 << 20)))


@pytest.mark.skipif(hardware.has_gpu(), reason="these settings are for machines without a GPU")
def test_what_a_cpu_needs_can_be_overruled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All cores compute, and what was compiled is found again, unless a user has it otherwise."""
    from apo.serving.command import Options, environment

    names = ("VLLM_CPU_NUM_OF_RESERVED_CPU", "VLLM_USE_AOT_COMPILE")
    for name in names:
        monkeypatch.delenv(name, raising=False)
    ours = environment(weights(tmp_path, 1), Options(), "k")
    for name in names:
        monkeypatch.setenv(name, "1")
    theirs = environment(weights(tmp_path, 1), Options(), "k")

    assert ["0", "0"] == [ours[name] for name in names]
    assert ["1", "1"] == [theirs[name] for name in names]
