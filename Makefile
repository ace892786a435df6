# Every target is one readable command; the first one also makes the virtual environment (a few minutes, once).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test lint bench clean

demo: $(VENV)/.demo
	@echo "Cloaking a public-domain portrait into build/demo (about half a minute on two cores)."
	$(BIN)/python recipes/demo.py build/demo

test: $(VENV)/.dev
	@echo "Running the tests (about five minutes on two cores; tests that need outside data skip)."
	$(BIN)/python -m pytest

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy faceshield
	$(BIN)/lint-imports

bench: $(VENV)/.dev
	@echo "Timing the cloak against Pillow (about three minutes)."
	$(BIN)/python recipes/benchmarks/cloak.py

$(VENV)/.demo: setup.cfg
	@echo "Setting up $(VENV): downloads PyTorch, about five minutes the first time."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[demo]'
	@touch $@

$(VENV)/.dev: setup.cfg
	@echo "Setting up $(VENV) for development: downloads PyTorch, about five minutes the first time."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[demo,heif,dev]'
	@touch $@

clean:
	rm -rf build runs
