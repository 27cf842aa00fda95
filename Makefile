# make bench   set up, then the main job
# make test    set up, then lint, types, layers and all tests
# make check   lint, types and layers alone
# make train   train the benchmark models again
# make trial   test the contest itself; TRIAL="--contests 300 --noise core" and so on for a longer one

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: bench test check train trial setup

bench: setup
	$(BIN)/pytest benchmarks/ --benchmark-compare

# A file's tests stay together: what takes long to set up is set up once.
test: check
	$(BIN)/pytest tests --numprocesses 2 --dist loadfile

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

train: setup
	$(BIN)/python -m benchmarks.train

TRIAL ?= --contests 16
TRIAL_SUBJECTS := $(foreach model,mlp cnn dscnn,$(foreach recipe,fp32 int8,mnist-$(model)-$(recipe)))

trial: setup
	$(BIN)/python -m benchmarks.self.large_conv .trial
	$(BIN)/qbench trial $(TRIAL_SUBJECTS) .trial/large_conv.fp32.tflite .trial/large_conv.int8.tflite \
		--json .trial/trial.json --plot .trial/trial.svg $(TRIAL)

setup: $(READY)

# The marker is written last: an interrupted set-up is done again.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[tensorflow,dev]'
	touch $(READY)
