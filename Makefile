# The daily commands. Run them in an environment of your own: python -m venv .venv && . .venv/bin/activate
PYTHON ?= python
DIST ?= dist
CXX_FILES := $(sort $(wildcard fastfm_ext/*.hpp fastfm_ext/*.cpp fastfm_ext/*/*.hpp fastfm_ext/*/*.cpp fastfm_ext/*/*.inc))
# Cython writes to boundary/ only if someone runs it by hand.
CXX_SOURCES := $(filter-out fastfm_ext/boundary/%.cpp,$(CXX_FILES))

EXTENSIONS := $(patsubst fastfm_ext/boundary/%.pyx,fastfm_ext._native.%,$(wildcard fastfm_ext/boundary/*.pyx))

.DEFAULT_GOAL := help
.PHONY: help build test coverage lint format bench docs wheel check-dist check-release clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile | while IFS='|' read -r name text; do \
		printf '  make %-12s %s\n' "$$name" "$$text"; done

build:  ## compile, and install editable with the development tools; run again after a change in C++ or Cython
	$(PYTHON) -m pip install -e ".[dev]"

test:  ## run the tests
	$(PYTHON) -m pytest

coverage:  ## run the tests and list the lines of Python that none has run
	$(PYTHON) -m pytest --cov --cov-report=term-missing:skip-covered --cov-fail-under=95

lint:  ## check Python, Cython, C++ and spelling; changes nothing
	ruff check .
	ruff format --check .
	mypy
	$(PYTHON) -m mypy.stubtest --allowlist .ci/stubtest.txt --ignore-unused-allowlist $(EXTENSIONS)
	cython-lint fastfm_ext
	clang-format --dry-run -Werror $(CXX_SOURCES)
	codespell

format:  ## rewrite Python and C++ in the house format
	ruff check --fix .
	ruff format .
	clang-format -i $(CXX_SOURCES)

bench:  ## compare the kernels with the NumPy reference
	$(PYTHON) -m pytest benchmarks

docs:  ## make the documentation in build/docs, offline, with every warning an error; needs the extra "docs"
	$(PYTHON) -m sphinx -W --keep-going -b html docs build/docs
	$(PYTHON) docs/check_site.py build/docs

wheel:  ## build a wheel into ./dist
	$(PYTHON) -m pip wheel --no-deps --wheel-dir $(DIST) .

check-dist:  ## build sdist and wheel into ./dist, check what they hold, import the wheel in a fresh environment
	$(PYTHON) .ci/check_dist.py $(DIST)

check-release:  ## all that a release does but the upload, on each Python that is here; needs the extra "release"
	$(PYTHON) .ci/check_release.py --tests

clean:  ## remove everything that a build or a test run leaves behind
	rm -rf build dist docs/api .benchmarks .hypothesis .mypy_cache .pytest_cache .ruff_cache python/*.egg-info
	find python fastfm_ext tests benchmarks -name __pycache__ -type d -exec rm -rf {} +
	find python -type f \( -name '*.so' -o -name '*.pyd' \) -delete
	rm -f fastfm_ext/boundary/*.cpp
