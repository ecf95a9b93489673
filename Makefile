# The two commands of the README are `make demo` and `make test`; both set up .venv first.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test show install lock format docs

demo: install
	$(BIN)/python -m bench run --arch modl --pruner snip

test: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

# The promises that need minutes: the demo beats its baselines, on simulated and on real volumes.
show: install
	$(BIN)/pytest -m show

install: .venv/installed

.venv/installed: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]' --constraint constraints.txt
	touch $@

# docs/record.md and its schema, from the code.
docs: install
	$(BIN)/python -m records.document docs

format:
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Raise the locked versions: resolve everything anew in an empty environment and write down what was installed.
lock:
	rm -rf build/lock && $(PYTHON) -m venv build/lock
	build/lock/bin/python -m pip install --quiet --editable '.[dev]'
	build/lock/bin/python -m pip freeze --exclude-editable > constraints.txt
