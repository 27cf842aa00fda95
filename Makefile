# make bench   set up, then the main job
# make test    set up, then lint, types, layers and all tests
# make check   lint, types and layers alone
# make train   train the benchmark models again

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: bench test check train setup

bench: setup
	$(BIN)/pytest benchmarks/ --benchmark-compare

test: check
	$(BIN)/pytest tests

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

train: setup
	$(BIN)/python -m benchmarks.train

setup: $(READY)

# The marker is written last: an interrupted set-up is done again.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[tensorflow,dev]'
	touch $(READY)
