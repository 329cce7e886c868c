PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
# The small networks of the tests and the demo gain nothing from more threads.
RECIPE = recipes/VoiceBank/okd

.PHONY: setup demo test lint

setup: $(BIN)/okd-enhance ## virtual environment with everything

$(BIN)/okd-enhance: setup.cfg pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --upgrade pip
	$(BIN)/python -m pip install -e '.[test]'
	touch $@

demo: setup ## train on the bundled mini corpus, test, export
	cd $(RECIPE) && $(CURDIR)/$(BIN)/python train.py hparams/okd_pesq_csig.yaml

test: setup ## all tests, on this machine alone
	$(BIN)/python -m pytest

lint: setup ## style and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
