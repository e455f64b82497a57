# `make help` lists the targets. None needs root or Docker; each makes the environment it needs.

PYTHON ?= python3
VENV := .venv
PROTO_VENV := .venv-proto
BIN := $(VENV)/bin
ROUNDS ?= 3
PROCESSES ?= 4
SAMPLE ?= 3
ARGS ?=

.DEFAULT_GOAL := help

.PHONY: help
help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: run
run: $(VENV)/.installed ## start sessiond in development mode on the embedded engine
	@$(BIN)/sessiond serve --dev

# Each of hundreds of processes would compile everything again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: test
test: $(VENV)/.installed $(PROTO_VENV)/.installed ## run the test suite (ROUNDS=3, SAMPLE=3, ARGS="-k name")
	ROUNDS=$(ROUNDS) SAMPLE=$(SAMPLE) $(BIN)/pytest -n $(PROCESSES) --dist loadscope --no-loadscope-reorder $(ARGS)

.PHONY: transports
transports: $(VENV)/.installed ## run the suite of the server over each transport, and all that call it over the native one
	for transport in plaintext tls mtls; do \
	  SESSIONSTORE_TRANSPORT=$$transport $(BIN)/pytest -n $(PROCESSES) --dist loadscope --no-loadscope-reorder tests/rpc $(ARGS) || exit 1; \
	done
	SESSIONSTORE_TRANSPORT=native $(BIN)/pytest -n $(PROCESSES) --dist loadscope --no-loadscope-reorder \
	  tests/rpc tests/client tests/cli tests/jobs tests/workers tests/topologies tests/faults $(ARGS)

.PHONY: check
check: $(VENV)/.installed $(PROTO_VENV)/.installed ## format, lint, types, import rules, contract, drift, files
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python tools/check_contract.py
	$(PROTO_VENV)/bin/python tools/generate_stubs.py --check
	$(BIN)/python tools/check_docs.py
	$(BIN)/hadolint Dockerfile
	$(BIN)/docker-compose config --quiet

.PHONY: format
format: $(VENV)/.installed ## format and fix what can be fixed
	$(BIN)/ruff format
	$(BIN)/ruff check --fix
	$(BIN)/buf format -w

.PHONY: proto
proto: $(PROTO_VENV)/.installed ## generate the stubs from proto/
	$(PROTO_VENV)/bin/python tools/generate_stubs.py

.PHONY: soak
soak: $(VENV)/.installed ## the long race and fault runs, recorded in bench/RESULTS.md (ROUNDS=200)
	ROUNDS=$(if $(filter command line environment,$(origin ROUNDS)),$(ROUNDS),200) $(BIN)/python bench/record_soak.py

.PHONY: bench
bench: $(VENV)/.bench ## measure, and record in bench/RESULTS.md (ARGS="memory", cpu, scale, latency, operators, transfer, realtime, observing, fairness, workers, transports; else all)
	$(BIN)/python bench/run.py $(ARGS)

.PHONY: dist
dist: $(VENV)/.installed ## build the wheel and the sdist
	$(BIN)/python -m build --outdir dist

.PHONY: clean
clean: ## remove the environments and everything built
	rm -rf $(VENV) $(PROTO_VENV) dist build .mypy_cache .pytest_cache .ruff_cache .hypothesis

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or later is needed")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@

$(PROTO_VENV)/.installed: tools/proto-requirements.txt
	$(PYTHON) -m venv $(PROTO_VENV)
	$(PROTO_VENV)/bin/python -m pip install --quiet --disable-pip-version-check -r tools/proto-requirements.txt
	@touch $@
