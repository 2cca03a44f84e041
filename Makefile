# Stockbook. `make demo` shows it, `make test` proves it; both install what they need first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Superset cannot share an environment with Airflow
BI := .venv-bi
# some machines switch the cache of compiled modules off: every start of Airflow and Great Expectations would cost seconds more
export PYTHONDONTWRITEBYTECODE :=
# files of tests side by side, one more than there are cores, as tests wait too; at most four, since a whole night in a test
# takes most of a gigabyte
WORKERS = $(shell $(PYTHON) -c 'import os; print(min(4, (os.cpu_count() or 1) + 1))')
SPREAD = -n $(WORKERS) --dist loadfile --no-loadscope-reorder --durations 15
# a set AIRFLOW_HOME or connection of the person at the keyboard must not reach the tests
TEST_ENV := env -u AIRFLOW_HOME -u STOCKBOOK_HOME
COMPILE := $(BIN)/uv pip compile --python-version 3.11 --generate-hashes --no-emit-index-url --no-header -q

.PHONY: help setup start doctor night demo bi fleet fleet-programs wheel test test-fast before-tests compiled lint types programs lock clean
.PHONY: proof-random proof-erasure proof-carried proof-left-alone proof-close proof-duckdb-2 proof-fleet proof-lineage proof-restore proof-runbook proof-volume

help:  ## list the commands
	@grep -hE '^[a-z0-9-]+:.*##' Makefile | sed -E 's/^([a-z0-9-]+):.*## /\1\t/' | expand -t 18

# a misspelt target
.DEFAULT:
	@echo "There is no target $@: make without a word lists them." >&2; exit 2

setup: $(VENV)/.runtime  ## install, and make an Airflow home in ./airflow_home
	@$(BIN)/stockbook setup

start: $(VENV)/.runtime  ## start Airflow over ./airflow_home, until interrupted
	@$(BIN)/stockbook start

doctor: $(VENV)/.runtime  ## say what is set up and what is missing (ARGS=--try asks each connection for one row)
	@$(BIN)/stockbook doctor $(ARGS)

night: $(VENV)/.runtime  ## a whole night now, without Airflow (ARGS=... for its options)
	$(BIN)/stockbook run $(ARGS)

demo: $(VENV)/.runtime  ## three nights over a sandbox shop through Airflow (ORDERS=file replays a real order history)
	$(BIN)/stockbook demo $(if $(ORDERS),--orders "$(ORDERS)")

bi: $(VENV)/.runtime $(BI)/.superset  ## the dashboards over the published file (of STOCKBOOK_HOME, else of the demo), on loopback
	$(BIN)/stockbook bi serve $(ARGS)

fleet: $(VENV)/.celery fleet-programs  ## two nights of three shops on two Celery workers without a shared disk (ARGS="--accounts 5 --nights 3")
	$(TEST_ENV) $(BIN)/python benchmarks/fleet.py $(ARGS)

wheel: $(VENV)/.uv  ## build the package into dist/, to be installed with pip anywhere
	$(BIN)/python -m hatchling build -t wheel

test: $(VENV)/.dev $(VENV)/.duckdb-2 $(VENV)/.metricflow $(BI)/.superset programs before-tests  ## everything: lint, types, all tests
	$(TEST_ENV) $(BIN)/python -m pytest $(SPREAD) $(ARGS)

test-fast: $(VENV)/.dev before-tests  ## what fits in three minutes: no Airflow, no slow tests
	$(TEST_ENV) $(BIN)/python -m pytest $(SPREAD) -m "not slow and not airflow" $(ARGS)

proof-random: $(VENV)/.dev  ## the randomised proofs as large as they go; `make test` has a little of each (ARGS=file takes one)
	PROOF_RANDOM=1 $(TEST_ENV) $(BIN)/python -m pytest $(SPREAD) $(or $(ARGS),$$(grep -lr --include='test_*.py' 'import proof_size' tests))

proof-carried: $(VENV)/.dev  ## 300 random sequences of nights: what is carried over is what asking would say (half an hour)
	PROOF_RANDOM=1 $(TEST_ENV) $(BIN)/python -m pytest -q tests/checks/test_carried.py -k random

proof-left-alone: $(VENV)/.dev  ## the same of 60 sequences of nights of a whole shop (an hour; one of the proofs of proof-random)
	PROOF_RANDOM=1 $(TEST_ENV) $(BIN)/python -m pytest -q tests/night/test_left_alone.py

proof-close: $(VENV)/.dev  ## eleven closed months of the whole real order history, and 200 surprises behind them (some minutes; needs the file)
	PROOF_RANDOM=1 $(TEST_ENV) $(BIN)/python -m pytest -q tests/valuation/test_close_real.py

proof-duckdb-2: $(VENV)/.dev $(VENV)/.duckdb-2  ## nights, models, valuation and readers on DuckDB 2 (an hour)
	PYTHONPATH=$(VENV)/duckdb-2 $(TEST_ENV) $(BIN)/python -m pytest $(SPREAD) tests/night tests/warehouse tests/models tests/valuation tests/staging tests/closing -m "not airflow" -k "not superset" $(ARGS)

proof-restore: $(VENV)/.dev  ## forty files of a home lost or flipped by a bit: each named, each brought back, and the next night compared (a minute)
	RESTORE_PLANTS=40 $(TEST_ENV) $(BIN)/python -m pytest -q -s tests/backup/test_backup_drill.py -k forty

proof-runbook: $(VENV)/.dev  ## every page of the runbook: its trouble planted, its commands run (`make test` has some of the pages)
	PROOF_RANDOM=1 $(TEST_ENV) $(BIN)/python -m pytest -q tests/ground/test_runbook.py

proof-lineage: $(VENV)/.dev  ## thirty columns of staging changed at random: nothing changes but what lineage names (some minutes; LINEAGE_SEED, LINEAGE_HOME, OPENLINEAGE_SPEC)
	LINEAGE_MUTATIONS=30 $(TEST_ENV) $(BIN)/python -m pytest -q -s tests/lineage $(ARGS)

proof-volume: $(VENV)/.dev  ## rules on silence and volume over a year of the real order history: false alarms, planted outages (needs the file)
	VOLUME_DAYS=200 $(TEST_ENV) $(BIN)/python -m pytest -q tests/alerts/test_volume_real.py

proof-erasure: $(VENV)/.dev  ## twenty people forgotten in every place of a home, and the night that follows compared with an undisturbed one
	FORGOTTEN_PEOPLE=20 $(TEST_ENV) $(BIN)/python -m pytest -q tests/erasure

proof-fleet: $(VENV)/.celery fleet-programs  ## three nights of twenty shops on two workers: workers killed, a token refused, each shop compared with its own machine's
	$(TEST_ENV) $(BIN)/python benchmarks/fleet.py --accounts 20 --nights 3 --compare --kill open,extract,books --refuse $(ARGS)

# side by side: each takes one core
before-tests: $(VENV)/.dev
	@$(MAKE) --no-print-directory -j 2 lint types compiled

# once, and before the tests: processes that begin side by side would each compile what all need, half a minute of a core
compiled: $(VENV)/.dev
	$(TEST_ENV) $(BIN)/python -c 'from stockbook.cli.setup import compile_once; from stockbook.settings import Settings; compile_once(Settings.load())'

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python tools/floors.py
	$(BIN)/python tools/figures.py plugins bi
	$(BIN)/python tools/words.py plugins dags tests tools benchmarks bi docs
	$(BIN)/python tools/sql_style.py include/sql include/example

types: $(VENV)/.dev
	$(BIN)/mypy

lock: $(VENV)/.uv  ## compile requirements*.txt from pyproject.toml
	$(COMPILE) --universal pyproject.toml -o requirements.txt
	$(COMPILE) --universal pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt
	$(COMPILE) --universal --group pyproject.toml:celery -c requirements-dev.txt -o requirements-celery.txt
	$(COMPILE) --universal --group pyproject.toml:image -c requirements-celery.txt -c requirements-dev.txt -o requirements-image.txt
	$(COMPILE) --universal --group pyproject.toml:bootstrap -c requirements-dev.txt -o requirements-bootstrap.txt
	$(COMPILE) --universal --group pyproject.toml:duckdb-2 -o requirements-duckdb-2.txt
	$(COMPILE) --universal --group pyproject.toml:metricflow -o requirements-metricflow.txt
	$(COMPILE) bi/superset/requirements.in -o bi/superset/requirements.txt

clean:  ## remove what was installed and what the demo wrote
	rm -rf $(VENV) $(BI) data/demo data/bi .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/.uv: requirements-bootstrap.txt
	@command -v $(PYTHON) >/dev/null || { echo "There is no $(PYTHON): Stockbook needs Python 3.11, 3.12 or 3.13. Name one with PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "Stockbook needs Python 3.11, 3.12 or 3.13; %s is %d.%d. Name another with PYTHON=python3.11" % (sys.executable, v[0], v[1]))'
	@echo "Making the environment $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-bootstrap.txt
	@touch $@

$(BI)/.superset: $(VENV)/.uv bi/superset/requirements.txt
	$(PYTHON) -m venv $(BI)
	$(BIN)/uv pip install -q --python $(BI)/bin/python --require-hashes -r bi/superset/requirements.txt || $(BI)/bin/python -m pip install -q --require-hashes -r bi/superset/requirements.txt
	@touch $@

# tests of pages need a browser, those of the webhooks' proxy nginx; without one, and without the right to install it, they
# are skipped and say so. RUNLEVEL: Debian does not start what it installs then
programs:
	@for program in chromium nginx; do command -v $$program >/dev/null || [ -x /usr/sbin/$$program ] || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && RUNLEVEL=1 apt-get install -y -qq $$program >/dev/null; } || echo "No $$program: its tests will be skipped."; done

# PostgreSQL and Redis of the system; RUNLEVEL as above
fleet-programs:
	@for program in redis-server postgresql; do command -v $$program >/dev/null || ls /usr/lib/$$program/*/bin/initdb >/dev/null 2>&1 || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && RUNLEVEL=1 apt-get install -y -qq $$program >/dev/null; } || { echo "A fleet needs $$program: install it (apt-get install $$program), then run this again."; exit 1; }; done

# pip is the fallback for machines whose package index only pip is configured for
$(VENV)/.runtime: $(VENV)/.package requirements.txt
	@echo "Installing Airflow, DuckDB, Great Expectations and what they need into $(VENV) (some 170 packages; one to three minutes)"
	@$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements.txt || $(BIN)/python -m pip install -q --require-hashes -r requirements.txt
	@touch $@

$(VENV)/.dev: $(VENV)/.package requirements-dev.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-dev.txt || $(BIN)/python -m pip install -q --require-hashes -r requirements-dev.txt
	@touch $@ $(VENV)/.runtime

$(VENV)/.celery: $(VENV)/.dev requirements-celery.txt
	$(BIN)/uv pip install -q --python $(BIN)/python --require-hashes -r requirements-celery.txt || $(BIN)/python -m pip install -q --require-hashes -r requirements-celery.txt
	@touch $@

# beside the environment, which it must not change
$(VENV)/.duckdb-2: $(VENV)/.uv requirements-duckdb-2.txt
	$(BIN)/uv pip install -q --target $(VENV)/duckdb-2 --require-hashes -r requirements-duckdb-2.txt || $(BIN)/python -m pip install -q --target $(VENV)/duckdb-2 --require-hashes -r requirements-duckdb-2.txt
	@touch $@

$(VENV)/.metricflow: $(VENV)/.uv requirements-metricflow.txt
	$(BIN)/uv pip install -q --target $(VENV)/metricflow --require-hashes -r requirements-metricflow.txt || $(BIN)/python -m pip install -q --target $(VENV)/metricflow --require-hashes -r requirements-metricflow.txt
	@touch $@

# this package itself, as the folder it lies in; what it needs is locked above
$(VENV)/.package: $(VENV)/.uv pyproject.toml plugins/stockbook/version.py
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@
