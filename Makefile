# Every target is one readable command; the first one also makes the virtual environment (a few minutes, once).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PORTABLE := tests/training tests/noise tests/models tests/auditing tests/cloaking

.PHONY: demo test test-all test-portable fuzz lint bench clean

demo: $(VENV)/.demo
	@echo "Cloaking a public-domain portrait into build/demo (about half a minute on two cores)."
	$(BIN)/python recipes/demo.py build/demo

test: $(VENV)/.dev
	@echo "Running the quick tests (a few minutes on two cores; tests that need outside data skip)."
	$(BIN)/python -m pytest -n auto -m "not slow"

test-all: $(VENV)/.dev
	@echo "Running all tests, those marked slow too (tests that need outside data skip)."
	$(BIN)/python -m pytest -n auto

test-portable: $(VENV)/.dev
	@echo "Running what trains or fits as on a processor without AVX512 (about four minutes on two cores)."
	ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 $(BIN)/python -m pytest -n auto $(PORTABLE)

fuzz: $(VENV)/.dev
	@echo "Cloaking 10,000 broken files (about ten minutes); the counts go to build/fuzz.json."
	$(BIN)/python tests/fuzz/run.py --files 10000 -o build/fuzz.json

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
	$(BIN)/pip install --quiet --editable .
	@touch $@

$(VENV)/.dev: setup.cfg
	@echo "Setting up $(VENV) for development: downloads PyTorch, about five minutes the first time."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[heif,dev]'
	@touch $@

clean:
	rm -rf build runs
