# make demo    set up and find the best prompt of a real task on a real vLLM server
# make test    set up and run all tests, those against a real server included
# make check   format, lint, types, layers, file lengths
# make bench   measurements, written to results/benchmarks/

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DATA_DIR ?= ../shared/data
SOURCES := apo tasks tui tests

.PHONY: help demo test check bench setup
.DEFAULT_GOAL := help

help:
	@grep '^# make' Makefile | cut -c3-

setup: $(VENV)/ready

$(VENV)/ready: pyproject.toml requirements/cpu.lock requirements/setup.sh
	@PYTHON=$(PYTHON) requirements/setup.sh $(VENV)

demo: setup
	$(BIN)/apo run tickets --engine server --watch

test: setup
	$(BIN)/python -m pytest

check: setup
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	@find $(SOURCES) -name '*.py' -exec wc -l {} + | awk '$$2 != "total" && $$1 > 300 \
	  {print $$2 " has " $$1 " lines; split it by noun (300 at most)"; bad = 1} END {exit bad}'

bench: setup
	$(BIN)/pip install --quiet optuna ray
	$(BIN)/python -m tests.benchmarks.honesty
	$(BIN)/python -m tests.benchmarks.screen
	$(BIN)/python -m tests.benchmarks.screens
	$(BIN)/python -m tests.benchmarks.bookkeeping
	$(BIN)/python -m tests.benchmarks.throughput $(DATA_DIR)
	$(BIN)/python -m tests.benchmarks.ray_batch
	$(BIN)/python -m tests.benchmarks.search $(DATA_DIR)
	$(BIN)/python -m tests.benchmarks.closed
	$(BIN)/python -m tests.benchmarks.matrices $(DATA_DIR)
	$(BIN)/python -m tests.benchmarks.replay $(DATA_DIR)
	$(BIN)/python -m tests.benchmarks.bandit $(DATA_DIR)
	$(BIN)/python -m tests.benchmarks.instinct $(DATA_DIR)
	$(BIN)/python -m tests.benchmarks.public $(DATA_DIR)
	$(BIN)/python -m tests.benchmarks.greater $(DATA_DIR)
