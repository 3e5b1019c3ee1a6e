# Two commands do everything on a bare machine with python3: `make demo` and `make test`.
# A venv is made in .venv; $(PYTHON) chooses the interpreter it is made with.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
TESTS ?= tests/models tests/training tests/pruning tests/forecast tests/mitigate tests/study tests/cli tests/test_examples.py src
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
export PYTHONDONTWRITEBYTECODE = # what Python compiles is kept

.DEFAULT_GOAL := help
.PHONY: help demo smoke site dist test test-anywhere check lint types clean

help: ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort

$(VENV)/train $(VENV)/dev: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing prunescope with torch into $(VENV) (a few minutes the first time) ..."
	$(PIP) install --no-compile -c constraints.txt -e '.[$(@F)]'
	@$(BIN)/python -W ignore -m compileall -qq -j 0 $(VENV)/lib || true # pip would take one processor
	@touch $(VENV)/train $@ # dev holds train

demo: $(VENV)/train ## tell the whole story on drawn faces, write demo/report.html
	$(BIN)/prunescope demo -o demo

smoke: $(VENV)/dev ## make all kinds of runs of a study, small ones, and its report
	$(BIN)/prunescope study run studies/smoke.yaml -o out/smoke --processes 2
	$(BIN)/prunescope study report out/smoke

site: $(VENV)/dev ## build the documentation into site/, links checked, gallery executed
	NO_MKDOCS_2_WARNING=1 OMP_NUM_THREADS=1 $(BIN)/mkdocs build --quiet

dist: $(VENV)/dev ## build the wheel and the source distribution into dist/, checked
	rm -rf dist
	$(BIN)/python -m build --no-isolation
	$(BIN)/twine check --strict dist/*

test: $(VENV)/dev ## run the tests and the doctests
	@# one process more than processors: some tests wait for others' processes
	OMP_NUM_THREADS=1 POLARS_MAX_THREADS=1 $(BIN)/python -m pytest -n 3 --dist loadfile --no-loadscope-reorder

test-anywhere: $(VENV)/dev ## run the tests that train as other machines would (half an hour)
	sh tests/anywhere.sh $(BIN)/python $(TESTS)

check: lint types test ## style, types and tests: what CI runs beside demo, smoke and site

lint: $(VENV)/dev ## style
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

types: $(VENV)/dev ## strict static types
	$(BIN)/mypy

clean: ## remove what the commands above made
	rm -rf $(VENV) demo site build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
