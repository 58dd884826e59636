# Two commands do it all, each from a fresh clone: `make verify` (the main job) and `make test` (the tests).
# Another interpreter: `make test PYTHON=python3.13 VENV=.venvs/3.13`.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
VENV ?= .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check

.PHONY: verify test test-frameworks test-consumers test-katex lint bench build clean help

verify: $(VENV)/.base  ## every formula of the catalogue, on random shapes
	$(BIN)/gradcheck verify

test: $(VENV)/.dev  ## the tests
	$(BIN)/python -m pytest

# Frameworks do not bear one another: an environment for each group, Python 3.11, versions as they were tested.
FRAMEWORKS = torch jax tensorflow onnxruntime
torch_NEEDS = torch==2.13.0 triton==3.9.0
torch_TESTS = torch torch_wrapper triton readme
jax_NEEDS = jax==0.10.2 jaxlib==0.10.2 'mlx[cpu]==0.32.4' tinygrad==0.14.0 autograd==1.9.1
jax_TESTS = jax jax_wrapper mlx tinygrad autograd
tensorflow_NEEDS = tensorflow-cpu==2.21.0
tensorflow_TESTS = tensorflow
onnxruntime_NEEDS = onnxruntime==1.31.1
onnxruntime_TESTS = onnxruntime
PYTHON311 ?= $(shell for p in python3.11 python3 python $(HOME)/.pyenv/versions/3.11.*/bin/python3; do \
	$$p -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null && echo $$p && break; done)

test-frameworks: $(FRAMEWORKS:%=test-%)  ## the tests on real frameworks (Python 3.11; tinygrad needs clang)

$(FRAMEWORKS:%=test-%): test-%: .venvs/%/.made
	.venvs/$*/bin/python -m pytest $(foreach name,$($*_TESTS),tests/frameworks/test_$(name).py)

.venvs/%/.made: pyproject.toml Makefile
	@test -n "$(PYTHON311)" || { echo "Python 3.11 is needed; none was found on the PATH"; exit 1; }
	$(PYTHON311) -m venv .venvs/$*
	.venvs/$*/bin/python -m pip install --quiet --disable-pip-version-check $($*_NEEDS) --editable '.[test]'
	touch $@

test-consumers: $(VENV)/.dev  ## golden vectors read by C++, Rust and JavaScript (g++, rustc, node)
	$(BIN)/python -m pytest tests/consumers

test-katex:  ## every formula of docs/formulas rendered by KaTeX (node, npm)
	npm ci --silent --prefix tests/katex
	npm test --silent --prefix tests/katex
	node tests/katex/render.mjs docs/formulas/*.md

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
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*##/\t/'

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; none was found on the PATH"; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.base: $(BIN)/python pyproject.toml
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: $(BIN)/python pyproject.toml
	$(PIP) --editable '.[dev]'
	touch $@ $(VENV)/.base
