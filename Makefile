# Two commands do it all, each from a fresh clone: `make verify` (the main job) and `make test` (the tests).
# Another interpreter: `make test PYTHON=python3.13 VENV=.venvs/3.13`.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: verify test lint bench build clean help

verify: $(VENV)/.base  ## every formula of the catalogue, on random shapes
	$(BIN)/gradcheck verify

test: $(VENV)/.dev  ## the tests
	$(BIN)/python -m pytest

lint: $(VENV)/.dev  ## ruff and mypy --strict
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/.dev  ## the benchmarks
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m pytest benchmarks -o python_files='bench_*.py' --benchmark-columns=min,median,rounds \
		--benchmark-json=.benchmarks.json
	$(BIN)/python benchmarks/ratios.py .benchmarks.json

build: $(VENV)/.dev  ## wheel and source distribution, in dist/
	rm -rf dist
	$(BIN)/python -m build

clean:  ## remove what the other targets made
	rm -rf $(VENV) .venvs dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks .benchmarks.json
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; none was found on the PATH"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: $(BIN)/python pyproject.toml
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/.base
