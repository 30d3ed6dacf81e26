# Everything needs Python 3.11 and make, nothing else; uv is used when it is there.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := demo,grpc,parquet,keychain
# Ray and its traps: see actors/cluster.py.
export RAY_AUTH_MODE ?= disabled
export RAY_ENABLE_UV_RUN_RUNTIME_ENV ?= 0
export RAY_USAGE_STATS_ENABLED ?= 0
# Images for containers often set it. Tests start some hundred processes, and each would compile all that it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test check bench format clean

$(STAMP): pyproject.toml constraints.txt
	@if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
		uv pip install --quiet --python $(BIN)/python -c constraints.txt --group dev -e '.[$(EXTRAS)]'; \
	else \
		$(PYTHON) -m venv $(VENV) && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1' && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt --group dev -e '.[$(EXTRAS)]'; \
	fi
	@touch $@

demo: $(STAMP)
	$(BIN)/swarmlore demo $(ARGS)

# All tests: the unit tests on as many processes as there are cores, then those that start Ray or a browser, one by one.
test: $(STAMP)
ifdef ARGS
	$(BIN)/python -m pytest $(ARGS)
else
	$(BIN)/python -m pytest -m 'not e2e' -n auto
	$(BIN)/python -m pytest -m e2e
endif

# Each check says all that it has to say, and all are made, whatever one of them finds.
CHECKS := types lint format imports conventions registry dashboards
check: $(STAMP)
	@$(MAKE) --no-print-directory --keep-going --jobs=2 --output-sync=target $(CHECKS:%=check-%)

.PHONY: $(CHECKS:%=check-%)
check-lint:
	$(BIN)/ruff check .
check-format:
	$(BIN)/ruff format --check .
check-imports:
	$(BIN)/lint-imports
check-types:
	$(BIN)/pyright
check-conventions:
	$(BIN)/swarmlore registry generate --check
check-registry:
	$(BIN)/swarmlore registry check -r registry --future --quiet
check-dashboards:
	$(BIN)/python -m dashboards --check

bench: $(STAMP)
	$(BIN)/python -m benchmarks

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .pytest_cache .ruff_cache .hypothesis

# Flower pins another Ray, so it lives in an environment of its own.
.PHONY: bench-peers arena
bench-peers: $(STAMP)
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check 'flwr[simulation]==1.41.0'
	$(BIN)/python -m benchmarks

arena: $(STAMP)
	$(BIN)/python -m benchmarks.arena --readme

# A swarm with every feature on, whatever it emits held against registry/: no violation, nothing left out, no overflow.
.PHONY: live-check
live-check: $(STAMP)
	$(BIN)/python -m examples.drill $(ARGS)

# A swarm with its gateway, and Prometheus beside it, until Ctrl-C; options are those of `swarmlore serve`.
.PHONY: observe
observe: $(STAMP)
	$(BIN)/python -m deploy.observe $(ARGS)
