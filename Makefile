# Thin on purpose: every target is a `hil` command or pytest, which also work without make (see README).
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=
# The protocol's own tests, measured: they fail below the share of branches that pyproject.toml asks for.
COVERED = $(BIN)/pytest -n 2 --dist loadfile --cov --cov-report=term tests/firmware_protocol

.PHONY: setup demo test coverage lint check clean

setup:
	@$(PYTHON) scripts/set_up.py

demo: setup
	@$(BIN)/hil demo $(ARGS)

test: setup lint
	$(BIN)/pytest -n 2 --dist loadfile $(or $(ARGS),--ignore tests/firmware_protocol)
	$(if $(ARGS),,$(COVERED))

coverage: setup
	$(COVERED)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/pyright

clean:
	rm -rf .venv .set-up.lock demo-report build *.egg-info
