# `make demo` and `make test` set everything up in .venv first. No tool but Python and make is needed.
#   make setup TORCH="torch==2.13.0"     which torch to install first
#   make setup PIP_ARGS="--index-url …"  passed to every pip call
PYTHON   ?= python3
TORCH    ?= torch==2.13.0
PIP_ARGS ?=
BIN      := .venv/bin
STAMP    := .venv/.set-up

.PHONY: setup demo test test-long check format clean

setup: $(STAMP)

$(STAMP): pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q $(PIP_ARGS) "$(TORCH)"
	$(BIN)/python -m pip install -q $(PIP_ARGS) -e ".[dev]"
	touch $@

demo: setup
	$(BIN)/solon demo

test: setup
	$(BIN)/python -m pytest

test-long: setup
	$(BIN)/python -m pytest -m long

check: setup
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf .venv build dist src/*.egg-info
