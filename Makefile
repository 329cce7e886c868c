PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
RECIPE = recipes/VoiceBank/okd
# Two processes, or one for each core where there are more; a file's tests stay
# together, as they share what its fixtures trained.
WORKERS ?= $(shell [ "$$(getconf _NPROCESSORS_ONLN)" -gt 2 ] && echo auto || echo 2)
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: setup demo test quick lint

setup: $(BIN)/okd-enhance ## virtual environment with everything

$(BIN)/okd-enhance: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --upgrade pip
	$(BIN)/python -m pip install -e '.[test]'
	touch $@

demo: setup ## train on the bundled mini corpus, test, export
	cd $(RECIPE) && $(CURDIR)/$(BIN)/python train.py hparams/okd_pesq_csig.yaml

test: setup ## all tests, on this machine alone
	$(PYTEST)

quick: setup ## the tests that take less than five seconds each
	$(PYTEST) -m "not slow"

lint: setup ## style, format, docstrings, directions of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pydoclint okd_brain recipes
	$(BIN)/lint-imports
