# Every target is one readable command; the first one also makes the virtual environment (a few minutes, once).
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
AXE := build/axe/package/axe.min.js
# neighbours in a file stay on one core, so that what they share is made once
SHARE := -n auto --dist worksteal
# what trains, fits or asks a network; all else is the same on every processor
PORTABLE := tests/training $(addprefix tests/noise/test_,$(addsuffix .py,eq5 error_max error_min identity mask mix pgd \
	sweep universal)) $(addprefix tests/models/test_,$(addsuffix .py,pretrained recogniser resnet29 zoo)) \
	tests/auditing/test_crowd.py tests/cloaking/test_against.py

.PHONY: demo test test-all test-app test-portable fuzz crash lint docs bench clean

demo: $(VENV)/.demo
	@echo "Cloaking a public-domain portrait into build/demo (about half a minute on two cores)."
	$(BIN)/python recipes/pages/demo.py build/demo

test: $(VENV)/.dev
	@echo "Running the quick tests (a few minutes on two cores; tests that need outside data skip)."
	$(BIN)/python -m pytest $(SHARE) -m "not slow and not browser"

test-all: $(VENV)/.dev
	@echo "Running all tests but the browser's, those marked slow too (tests that need outside data skip)."
	$(BIN)/python -m pytest $(SHARE) -m "not browser"

test-portable: $(VENV)/.dev
	@echo "Running what trains or fits as on a processor without AVX512 (about two minutes on two cores)."
	ONEDNN_MAX_CPU_ISA=AVX2 ATEN_CPU_CAPABILITY=avx2 $(BIN)/python -m pytest $(SHARE) -m "not slow" $(PORTABLE)

test-app: $(VENV)/.dev $(AXE)
	@echo "Running the app's tests in a real browser (some minutes; skipped where there is no Chromium)."
	$(BIN)/python -m pip install --quiet 'playwright>=1.50'
	command -v chromium >/dev/null || apt-get install -y chromium || echo "no Chromium: install it by hand"
	$(BIN)/python -m pytest tests/app/browser -m browser -rs

# never shipped: the tests alone use it
$(AXE):
	mkdir -p build/axe
	cd build/axe && npm pack --silent axe-core@4.14.1 && tar xzf axe-core-*.tgz || echo "no npm: without axe"

fuzz: $(VENV)/.dev
	@echo "Cloaking 10,000 broken files (about ten minutes); the counts go to build/fuzz.json."
	$(BIN)/python tests/fuzz/run.py --files 10000 -o build/fuzz.json

crash: $(VENV)/.dev
	@echo "Killing a job of 50 photos 100 times and resuming it (some minutes); the counts go to build/crash.json."
	$(BIN)/python tests/reliability/crash.py --kills 100 --photos 50 -o build/crash.json

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy faceshield
	$(BIN)/lint-imports

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@! grep -rE '<(script|img|iframe|link)[^>]* (src|href)="?https?:' build/site --include='*.html' # loads nothing from elsewhere
	@echo "Done: open build/site/index.html (its search needs a server: python3 -m http.server -d build/site)"

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

$(VENV)/.docs: $(VENV)/.dev
	$(BIN)/pip install --quiet --editable '.[docs]'
	@touch $@

clean:
	rm -rf build runs
