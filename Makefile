# A thin face over the command `privrob`. `make help` lists the targets.
#
#   PYTHON=python3.12  another interpreter to make .venv with (3.11 or later)
#   TORCH=cpu          take PyTorch's CPU wheels: 200 MB instead of 2 GB of CUDA on Linux
#   PORT=8000          port of `make serve`

PYTHON ?= python3
PORT ?= 8000
BIN := .venv/bin
INSTALLED := .venv/installed
PIP := $(BIN)/python -m pip
# Reference implementations that only the tests compare with. --no-deps: torchattacks pins an old
# requests, and foolbox needs of its own only eagerpy and GitPython (with gitdb and smmap).
ORACLES := foolbox torchattacks eagerpy GitPython gitdb smmap

# On all cores, which pip cannot: each of the many processes of a book would compile anew where
# Python may not write what it has compiled. Templates that some packages have are no Python.
COMPILE := $(BIN)/python -m compileall -q -j 0 .venv/lib src >/dev/null || true

ifeq ($(TORCH),cpu)
INDEX := --extra-index-url https://download.pytorch.org/whl/cpu
else ifneq ($(TORCH),)
$(error TORCH=$(TORCH) is unknown; leave it out, or say TORCH=cpu)
endif

.DEFAULT_GOAL := help
.PHONY: help setup book student serve test lint validate readme test-gpu records clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## Create .venv and install the pinned packages

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo "Python 3.11 or later is needed; $(PYTHON) is $$($(PYTHON) -V 2>&1)." >&2; \
	  echo "Name another one: make setup PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(PIP) install --no-compile -c constraints.txt $(INDEX) -e '.[book,test]'
	$(COMPILE)
	@touch $@

.venv/oracles: $(INSTALLED)
	$(PIP) install --no-compile --no-deps -c constraints.txt $(ORACLES)
	@touch $@

book: setup ## Execute the notebooks in profile quick and build the book
	$(BIN)/privrob book

student: setup ## Build the student edition, without solutions, in build/student
	$(BIN)/privrob student

serve: ## Look at the built book in a browser
	@test -f build/book/index.html || { echo "There is no book yet: make book" >&2; exit 1; }
	@echo "http://127.0.0.1:$(PORT)/ (stop with Ctrl-C)"
	@$(PYTHON) -m http.server $(PORT) --bind 127.0.0.1 --directory build/book

test: setup .venv/oracles lint ## Run linters, type checker and the whole test suite
	$(BIN)/python -m pytest

lint: setup ## Run ruff (lint and format) and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

validate: setup ## Re-execute every notebook with nbval, in an empty store
	rm -rf build/validate
	mkdir -p build/validate/store
	for f in notebooks/*.md; do \
	  $(BIN)/jupytext --quiet --to ipynb --output build/validate/$$(basename $$f .md).ipynb $$f || exit 1; \
	done
	PRIVROB_STORE=$(CURDIR)/build/validate/store $(BIN)/python -m pytest --nbval-lax build/validate

readme: setup ## Make the README's generated tables anew from the claims and records
	$(BIN)/python -m privrob.lab.pages

test-gpu: setup .venv/oracles ## Run the tests that compare GPU and CPU
	$(BIN)/python -m pytest -m gpu

records: setup ## Compute what is missing in profile paper (hours on a CPU)
	@# What could not be computed stops neither the rest nor the keeping of weights.
	$(BIN)/privrob run --profile paper; status=$$?; $(BIN)/privrob models --keep && exit $$status

clean: ## Remove what was built; data and stored results stay
	@test ! -d build || find build -mindepth 1 -maxdepth 1 ! -name data ! -name store -exec rm -rf {} +
	rm -rf .pytest_cache .mypy_cache .ruff_cache
	find src tests -name __pycache__ -prune -exec rm -rf {} +
