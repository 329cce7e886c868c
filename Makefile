PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
RECIPE = recipes/VoiceBank/okd
# Two processes, or one for each core where there are more; a file's tests stay
# together, as they share what its fixtures trained.
WORKERS ?= $(shell [ "$$(getconf _NPROCESSORS_ONLN)" -gt 2 ] && echo auto || echo 2)
# Of torture: minutes of a processor for runs, and files for each reader.
MINUTES ?= 30
INPUTS ?= 20000
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: setup demo docs test quick torture lint matrix

setup: $(BIN)/okd-enhance ## virtual environment with everything

$(BIN)/okd-enhance: setup.cfg setup.py pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --upgrade pip
	$(BIN)/python -m pip install -e '.[test,docs]'
	touch $@

demo: setup ## train on the bundled mini corpus, test, export, make a page to hear it
	cd $(RECIPE) && $(CURDIR)/$(BIN)/python train.py hparams/okd_pesq_csig.yaml

docs: setup ## the documentation site, in site/, without network
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

test: setup ## all tests, on this machine alone
	$(PYTEST)

quick: setup ## the tests that take less than five seconds each
	$(PYTEST) -m "not slow"

torture: setup ## kill, fill and cut what docs/reliability.md promises, and print its figures
	OKD_TORTURE=$(MINUTES) OKD_FUZZ_EXAMPLES=$(INPUTS) \
	$(BIN)/python -m pytest tests/torture tests/test_fuzz.py

matrix: ## Python 3.10 to 3.13, each with the oldest and newest releases allowed
	tools/matrix.sh

lint: setup ## style, format, docstrings, directions of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pydoclint okd_brain recipes
	$(BIN)/lint-imports
