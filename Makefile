# `make` lists the targets. Needs make and Python 3.11 or newer; everything else goes into .venv.

SHELL := /bin/sh
.DEFAULT_GOAL := help
.SUFFIXES:
.NOTPARALLEL:
.PHONY: help setup run test lint docs format bench chaos mutate lock clean

VENV   := .venv
BIN    := $(VENV)/bin
ARGS   ?=
PYTEST ?=
# One more than there are cores: many tests wait for a server, a browser or the disk.
JOBS   ?= $$($(BIN)/python -c 'import os; print((os.cpu_count() or 1) + 1)')

# A stamp carries the checksum of what was installed, so that a changed file installs anew and an
# unchanged one costs nothing, whatever git did to its date.
sum      = $(shell cat $(1) 2>/dev/null | cksum | cut -d' ' -f1)
RUN_SET := $(VENV)/.run-$(call sum,requirements.txt)
DEV_SET := $(VENV)/.dev-$(call sum,requirements-dev.txt)
SELF    := $(VENV)/.self-$(call sum,pyproject.toml)
MADE    := $(VENV)/.made

PIP := PYTHONUNBUFFERED=1 $(BIN)/python -m pip --disable-pip-version-check --no-input

# pip says hundreds of lines: one that moves is enough, and all of them when it fails.
install = { $(PIP) install --require-hashes -r $(1) 2>&1 && echo "pip ended well"; } \
	| tee $(VENV)/pip.log | awk -v all=`grep -c '==' $(1)` ' \
		/^(Collecting|Requirement already)/ && n < all { \
			printf "\r      %d of %d  %-40.40s", ++n, all, /^C/ ? $$2 : ""; fflush() } \
		/^Installing/ { printf "\r      unpacking  %-40s", ""; fflush() } \
		/^pip ended well$$/ { good = 1 } \
		END { printf "\r%-60s\r", ""; exit !good }' \
	|| { cat $(VENV)/pip.log >&2; exit 1; }

help:  ## list the targets
	@echo "Connector: make TARGET"
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  %-8s %s\n", $$1, $$2}' Makefile

setup: $(RUN_SET) $(SELF)  ## install into .venv, and no more
	@echo "Installed: $(BIN)/connector"

run: $(RUN_SET) $(SELF)  ## start it, with the emulated apps and an example flow (ARGS=--once ends after the table)
	@exec $(BIN)/connector run $(ARGS)

# Programs by the dozen are started in tests: compiling each of their modules anew each time is a
# third of what a start costs.
test chaos: export PYTHONDONTWRITEBYTECODE :=

test: lint  ## check style and types, run every test on all cores (PYTEST='-k word' for some, JOBS=0 on one)
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(PYTEST)

lint: $(DEV_SET) $(SELF)  ## check style and types only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(DEV_SET) $(SELF)  ## write docs/coverage.md anew from the catalogue
	$(BIN)/python -m connector.testing.coverage docs/coverage/fatture_in_cloud.json > docs/coverage.tmp
	mv docs/coverage.tmp docs/coverage.md

format: $(DEV_SET)  ## put the code in form
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(DEV_SET) $(SELF)  ## measure, as ratios against references of the same run
	$(BIN)/python -m bench $(ARGS)

# The whole of each proof, for hours; what the caller sets instead wins.
chaos: export CONNECTOR_CHAOS_EVENTS ?= 10000
chaos: export CONNECTOR_CHAOS_KILLS ?= 200
chaos: export CONNECTOR_CHAOS_CUTS ?= 200
chaos: export CONNECTOR_CHAOS_FAULTS ?= 40
chaos: export CONNECTOR_CHAOS_RESTARTS ?= 15
chaos: export CONNECTOR_CHAOS_PAUSES ?= 12
chaos: export CONNECTOR_CHAOS_EFFECTS ?= 50
chaos: export CONNECTOR_CHAOS_QUOTA_HOURS ?= 24
chaos: export CONNECTOR_CHAOS_EDGE ?= 5
chaos: export CONNECTOR_CHAOS_SPELLS ?= 20
chaos: export CONNECTOR_CHAOS_SECRETS ?= 10000
chaos: export CONNECTOR_CHAOS_ROTATION_KILLS ?= 50
chaos: export CONNECTOR_CHAOS_MOVES ?= 100
chaos: export CONNECTOR_CHAOS_ATTACKS ?= 5000
chaos: $(DEV_SET) $(SELF)  ## kill it again and again, for hours: no event lost, nothing written twice
	$(BIN)/python -m pytest tests/chaos tests/expressions/test_attacks.py tests/test_quota_day.py \
		tests/store/moving/test_killed.py --timeout=14400 $(PYTEST)

mutate: $(DEV_SET) $(SELF)  ## put small faults into the rooms that matter most: are they noticed?
	$(BIN)/python -m tests.mutation $(ARGS)

# The second file holds the pins of the first, so that one .venv serves both.
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header
lock: $(DEV_SET)  ## pin the newest versions that fit, with their hashes
	@rm -rf $(VENV)/lock && mkdir $(VENV)/lock
	$(LOCK) --upgrade pyproject.toml --extra server --group build -o $(VENV)/lock/run.txt
	$(LOCK) --upgrade pyproject.toml --all-extras --group dev -c $(VENV)/lock/run.txt \
		--no-annotate -o $(VENV)/lock/dev.txt
	@{ echo "# Written by 'make lock': what the server needs, and what builds it."; \
		cat $(VENV)/lock/run.txt; } > requirements.txt
	@{ echo "# Written by 'make lock': requirements.txt, and what tests and checks it."; \
		cat $(VENV)/lock/dev.txt; } > requirements-dev.txt

clean:  ## remove what this file made; your data stays
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# --- the environment ----------------------------------------------------------------------------

$(MADE):
	@found=; for one in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
		if $$one -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; \
		then found=$$one; break; fi; done; \
	if [ -z "$$found" ]; then \
		echo "Connector needs Python 3.11 or newer; python3 is `python3 --version 2>/dev/null || echo missing`." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)" >&2; exit 1; fi; \
	echo "[1/3] $(VENV) with `$$found --version`"; \
	$$found -m venv $(VENV) || { rm -rf $(VENV); \
		echo "Python has no venv module here (Debian, Ubuntu: apt install python3-venv)." >&2; exit 1; }
	@rm -f $(VENV)/.run-* $(VENV)/.dev-* $(VENV)/.self-* && touch $@

$(RUN_SET): | $(MADE)
	@echo "[2/3] installing `grep -c '==' requirements.txt` pinned packages (a minute, the first time)"
	@$(call install,requirements.txt)
	@rm -f $(VENV)/.run-* && touch $@

$(DEV_SET): | $(MADE)
	@echo "[2/3] installing `grep -c '==' requirements-dev.txt` pinned packages (two minutes, the first time)"
	@$(call install,requirements-dev.txt)
	@rm -f $(VENV)/.run-* $(VENV)/.dev-* && touch $@ $(RUN_SET)

# hatchling is among the pinned packages: nothing is fetched to build.
$(SELF): | $(MADE)
	@echo "[3/3] installing Connector itself, as a link to this folder"
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@rm -f $(VENV)/.self-* && touch $@
