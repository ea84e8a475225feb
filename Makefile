# Everything EOMS does from a fresh clone. It needs Python 3.11 or newer and make, nothing else.
#
#   make serve   start the server with its own PostgreSQL and Valkey; Ctrl-C stops all three
#   make walk    let an order walk past every persona on a running server (URL=http://127.0.0.1:8000)
#   make test    lint, types, import floors and every test
#   make setup   only the virtual environment, as `make serve` uses it
#   make lint types floors pytest   the parts of `make test` alone
#   make golden  rewrite the golden files, to be read like code before they are committed
#   make lock    resolve requirements*.in again (needs uv)
#   make clean   remove what was built or cached; data is never touched

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev serve walk test lint types floors pytest golden lock clean

VENV ?= .venv
BIN := $(VENV)/bin
UV ?= uv
WORKERS ?= auto
ARGS ?=
URL ?= http://127.0.0.1:8000
URL ?= http://127.0.0.1:8000

help:
	@sed -n '3,10s/^# \{0,1\}//p' Makefile

# Prints the first usable interpreter. A pyenv shim may exist and not run, so each candidate is asked.
FIND_PYTHON = for candidate in $(PYTHON) python3 python3.14 python3.13 python3.12 python3.11 python; do \
	if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
	echo "$$candidate"; break; fi; done

# $(1) is the lock file. The stamp holds what was installed and where, so a second run costs nothing, a
# changed lock installs again, a moved folder or half-made environment is made anew.
define install
	@set -eu; umask 022; \
	stamp="$(VENV)/.installed-$(1)"; \
	wanted="$$(cat $(1) pyproject.toml | cksum) $(CURDIR)"; \
	if [ -x $(BIN)/python ] && [ "$$(cat "$$stamp" 2>/dev/null)" = "$$wanted" ]; then exit 0; fi; \
	if ! $(BIN)/python -m pip --version >/dev/null 2>&1 || \
	   [ "$$(cat $(VENV)/.place 2>/dev/null)" != "$(CURDIR)" ]; then \
		python="$$($(FIND_PYTHON))"; \
		if [ -z "$$python" ]; then \
			echo "EOMS needs Python 3.11 or newer; none was found. Name one: make PYTHON=/path/to/python3" >&2; \
			exit 1; fi; \
		if ! "$$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then \
			echo "$$python cannot make virtual environments: its venv module is missing." >&2; \
			echo "On Debian or Ubuntu: apt install python3-venv. Or name another: make PYTHON=/path/to/python3" >&2; \
			exit 1; fi; \
		echo "Making the virtual environment $(VENV) with $$python"; \
		"$$python" -m venv --clear $(VENV); \
		echo "$(CURDIR)" > $(VENV)/.place; \
	fi; \
	echo "Installing the packages of $(1)"; \
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input \
		--only-binary :all: --require-hashes -r $(1); \
	$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input \
		--no-deps --no-build-isolation -e .; \
	echo "$$wanted" > "$$stamp"
endef

setup:
	$(call install,requirements.txt)

setup-dev:
	$(call install,requirements-dev.txt)

serve: setup
	@exec $(BIN)/eoms serve

walk: setup-dev
	$(BIN)/python -m tests.e2e.walk $(URL)

test: setup-dev lint types floors pytest

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup-dev
	$(BIN)/basedpyright

floors: setup-dev
	$(BIN)/lint-imports

pytest: setup-dev
	$(BIN)/pytest -n $(WORKERS) --dist loadfile $(ARGS)

# Not EOMS_GOLDEN: the server refuses settings it does not know.
golden: setup-dev
	GOLDEN=update $(BIN)/pytest -n $(WORKERS) -k golden $(ARGS)

LOCK = $(UV) pip compile --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--python-version 3.11 --custom-compile-command "make lock" --quiet

lock:
	@command -v $(UV) >/dev/null || { echo "make lock needs uv (pip install uv)" >&2; exit 1; }
	$(LOCK) --output-file requirements.txt requirements.in
	$(LOCK) --output-file requirements-dev.txt requirements-dev.in

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.eoms/*' -prune -exec rm -rf {} +
