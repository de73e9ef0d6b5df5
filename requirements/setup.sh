#!/usr/bin/env bash
# Makes a virtual environment with all that apo needs: requirements/setup.sh [FOLDER]
# With an NVIDIA GPU it installs the official vLLM, else the pinned environment of cpu.lock.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${1:-.venv}
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  echo "apo needs Python 3.11 or newer; '$python' is not. Name another one: make PYTHON=python3.12" >&2
  exit 2
fi
if [ ! -x "$venv/bin/python" ]; then
  "$python" -m venv "$venv" || {
    echo "No virtual environment could be made; on Debian and Ubuntu install python3-venv." >&2
    exit 2
  }
fi
pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check)

if command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; then
  echo "Setting up $venv for the GPU (a few minutes, several GB)…"
  "${pip[@]}" --editable '.[vllm,dev]'
else
  echo "Setting up $venv for the CPU (about 3 minutes, 4.3 GB)…"
  torch=$(grep '^torch==' requirements/cpu.lock)
  # PyTorch's CPU build: from where pip looks anyway, else from PyTorch's own index.
  "${pip[@]}" --no-deps "$torch" 2>/dev/null ||
    "${pip[@]}" --no-deps --index-url https://download.pytorch.org/whl/cpu "$torch"
  "${pip[@]}" --no-deps --requirement requirements/cpu.lock
  "${pip[@]}" --no-deps --editable .
fi
touch "$venv/ready"
