# `make help` lists the targets. Each first creates .venv and installs if that is missing or out of date.
PYTHON ?= python3
DEMO_FLAGS ?=
PYTEST_FLAGS ?=
TORTURE_FLAGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable
INSTALLED := $(VENV)/.installed
INSTALLED_TEST := $(VENV)/.installed-test

.DEFAULT_GOAL := help
.PHONY: help setup demo test torture soak check format lint types docs wheel

help: ## list the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

setup: $(INSTALLED_TEST) ## create .venv and install, with the test dependencies

demo: $(INSTALLED) ## train, average, translate and evaluate on the built-in corpus
	$(BIN)/mtkit demo $(DEMO_FLAGS)

# One more worker than cores, because some tests wait for the programs that they start.
test: WORKERS = $(shell $(BIN)/python -c 'import os; print(min((os.cpu_count() or 1) + 1, 4))')
# Otherwise each worker, and each program that a test starts, compiles every module again.
test: export PYTHONDONTWRITEBYTECODE =
test: $(INSTALLED_TEST) ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(PYTEST_FLAGS)

torture: $(INSTALLED_TEST) ## kill training 60 times, damage its checkpoints, make 5,000 malformed calls
	$(BIN)/python -m tests.torture $(TORTURE_FLAGS)
	$(BIN)/python -m tests.torture.fuzz_main --cases 5000

soak: $(INSTALLED_TEST) ## send 10,000 requests to a server of the demo model, and check its memory
	test -d demo/model || $(BIN)/mtkit demo -o demo
	$(BIN)/python benchmarks/serve.py --model demo/model --src demo/test.ko --soak 10000

check: lint types test ## lint, types and tests: run it before a commit

format: $(INSTALLED_TEST) ## format the code
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

lint: $(INSTALLED_TEST) ## lint the code and check its format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/vulture

types: $(INSTALLED_TEST) ## check the types
	$(BIN)/pyright

wheel: ## build a wheel, install it in a clean environment, run a short demo and translate a line with it
	PYTHON=$(PYTHON) tools/check_wheel.sh

docs: $(INSTALLED) ## generate docs/reference from the code
	$(BIN)/python docs/make_reference.py

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "mtkit needs Python 3.11 or newer: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

# Order-only (|): the interpreter has to exist, but its age does not matter.
$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) .
	@touch $@

$(INSTALLED_TEST): pyproject.toml constraints.txt | $(BIN)/python
	$(PIP_INSTALL) '.[test]'
	@touch $(INSTALLED) $@
