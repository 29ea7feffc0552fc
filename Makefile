# `make run` shows it, `make test` checks it. Each sets up what it needs, and can be repeated.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
PARSER := tests/asyncapi/node_modules/.ready
WORKERS ?= 3

.DEFAULT_GOAL := help
.PHONY: help run test check format soak bench clean

help: ## what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1	\2/'

run: $(READY) ## start a server and a receiver, publish 31 events, watch them arrive
	@$(BIN)/adjourn demo $(ARGS)

test: $(READY) $(PARSER) ## formatting, lint, types and every quick test
	@echo "== formatting, lint"
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@echo "== types"
	@$(BIN)/mypy
	@echo "== tests"
	@$(BIN)/pytest -n $(WORKERS) --dist loadfile -m "not soak" --cov --cov-report=term $(ARGS)

check: test

format: $(READY) ## format the code, mend what lint can
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

soak: $(READY) ## the long tests: kills under load, fuzzing; ADJOURN_SOAK_MINUTES=60 for the hour
	@PATH=$$PATH:/usr/sbin; command -v nginx >/dev/null && command -v node >/dev/null \
	  && command -v openssl >/dev/null \
	  || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -q \
	  && RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
	     apt-get install -yq --no-install-recommends nginx-light nodejs openssl; } \
	  || echo "tests against nginx, node or openssl will be skipped: on Debian, as root, apt-get installs them"
	@$(BIN)/pytest -m soak $(ARGS)

bench: $(READY) ## what it all costs, side by side: 20 minutes; ARGS=--quick: two
	@$(BIN)/python -m bench $(ARGS)

clean: ## remove the virtual environment and every cache
	rm -rf .venv tests/asyncapi/node_modules .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis

# The virtual environment, with the versions that constraints.txt pins.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Adjourn needs Python 3.11 or newer as $(PYTHON); try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "$(PYTHON) cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 1; }
	@echo "== virtual environment in .venv"
	@$(PYTHON) -m venv --clear .venv
	@echo "== installing (about a minute the first time)"
	@PIP_CONSTRAINT=$(CURDIR)/constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
	  $(BIN)/pip install -e '.[dev]' \
	  || { echo "installing failed: is a package index reachable by pip?"; exit 1; }
	@touch $@

# AsyncAPI's own parser, on the Node of the virtual environment or else this machine's. Where there is no npm
# or no registry, its test is skipped; in CI it then fails.
$(PARSER): tests/asyncapi/package-lock.json | $(READY)
	@echo "== installing the AsyncAPI parser"
	@cd tests/asyncapi && PATH="$(CURDIR)/$(BIN):$$PATH" npm ci --loglevel=error && touch node_modules/.ready \
	  || echo "the AsyncAPI documents will not be checked: npm could not install their parser"
