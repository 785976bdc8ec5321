# Thin on purpose: every target is a `hil` command or pytest, which also work without make (see README).
PYTHON ?= python3
BIN := .venv/bin
ARGS ?=

.PHONY: setup demo test lint check clean

setup:
	@$(PYTHON) scripts/set_up.py

demo: setup
	@$(BIN)/hil demo $(ARGS)

test: setup lint
	$(BIN)/pytest -n 2 --dist loadfile $(ARGS)

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo
	$(BIN)/pyright

clean:
	rm -rf .venv .set-up.lock demo-report build *.egg-info
