# Everything there is to do with this checkout. `make` alone lists it.
# The set-up needs a Python 3.11+ and a package index, and installs into the checkout alone: see scripts/setup.sh.

SHELL := /bin/sh
.DEFAULT_GOAL := help
BIN := .venv/bin
N := 200
SEED := 1
PROCESSES := 2
SETUP := PYTHON='$(PYTHON)' EXTRAS='$(EXTRAS)' sh scripts/setup.sh

.PHONY: help setup demo up test check format bench bench-results faults clean

help: ## list what make can do
	@echo 'Usage: make TARGET'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' Makefile
	@echo
	@echo 'Variables: ARGS="..." goes to the command of demo, up, test, bench and faults; PYTHON=/path/to/python3.12 chooses the'
	@echo 'interpreter; EXTRAS="pytorch" installs more; PROCESSES=0 runs the tests in one process.'

setup: ## install all that running, checking and testing needs, into this checkout
	@$(SETUP) dev

demo: ## run a real attack on a testbed of its own, show what it found, clean up
	@$(SETUP)
	@$(BIN)/tiltyard demo $(ARGS)

up: ## start a testbed that stays: make up ARGS="--port 9000"
	@$(SETUP)
	@exec $(BIN)/tiltyard up $(ARGS)

test: check ## check, then run every test; says what is skipped, and why: make test ARGS="tests/domain"
	@$(BIN)/pytest -rs -n $(PROCESSES) --dist loadfile $(ARGS)

check: setup ## lint, formatting, types, and the layers between the import roots
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: setup ## format the code and mend what the linter can mend
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

bench: setup ## measure submits beside a bare INSERT; benchmarks/README.md says how to read it
	@$(BIN)/python -m benchmarks.submit $(ARGS)

bench-results: setup ## measure results of 10,000 jobs beside MLflow's own search
	@$(BIN)/python -m benchmarks.results $(ARGS)

faults: setup ## kill, freeze and cut off every part of a site under load, N times, and judge: make faults N=200 SEED=1
	@$(BIN)/python -m tests.faults --count $(N) --seed $(SEED) $(ARGS)
	@$(BIN)/python -m tests.faults --mutants --seed $(SEED)

clean: ## remove what the set-up and the checks made
	rm -rf .venv .tools .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
