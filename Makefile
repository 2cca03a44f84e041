# Stockbook. `make demo` shows it, `make test` proves it; both install what they need first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export PYTHONPATH := $(CURDIR)/plugins
# some machines switch the cache of compiled modules off: every start of Airflow and Great Expectations would cost seconds more
export PYTHONDONTWRITEBYTECODE :=
# a set AIRFLOW_HOME or connection of the person at the keyboard must not reach the tests
# files of tests side by side, at most four: a whole night in a test takes most of a gigabyte
SPREAD := -n auto --maxprocesses 4 --dist loadfile --durations 15
TEST_ENV := env -u AIRFLOW_HOME -u STOCKBOOK_HOME

.PHONY: help setup demo test test-fast lint types lock clean

help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12

setup: $(VENV)/.runtime  ## install, and make an Airflow home in ./airflow_home
	$(BIN)/python -m stockbook setup

demo: $(VENV)/.runtime  ## three nights over a sandbox shop through Airflow (ORDERS=file replays a real order history)
	$(BIN)/python -m stockbook demo $(if $(ORDERS),--orders "$(ORDERS)")

test: $(VENV)/.dev lint types  ## everything: lint, types, all tests
	$(TEST_ENV) $(BIN)/python -m pytest $(SPREAD) $(ARGS)

test-fast: $(VENV)/.dev lint types  ## what fits in three minutes: no Airflow, no slow tests
	$(TEST_ENV) $(BIN)/python -m pytest $(SPREAD) -m "not slow and not airflow" $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

lock: $(VENV)/.uv  ## compile requirements*.txt from requirements*.in
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q requirements.in -o requirements.txt
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q requirements-dev.in -o requirements-dev.txt

clean:  ## remove what was installed and what the demo wrote
	rm -rf $(VENV) data/demo .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.uv: requirements-bootstrap.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else f"Stockbook needs Python 3.11, 3.12 or 3.13; {sys.executable} is {v[0]}.{v[1]}. Name another with PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-bootstrap.txt
	@touch $@

# pip is the fallback for machines whose package index only pip is configured for
$(VENV)/.runtime: $(VENV)/.uv requirements.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.txt || $(BIN)/python -m pip install -q --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.uv requirements-dev.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-dev.txt || $(BIN)/python -m pip install -q --require-hashes -r requirements-dev.txt
	@touch $@ $(VENV)/.runtime
