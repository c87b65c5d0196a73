# Haneul. `make demo` runs the main job, `make test` passes the tests; both do all the set-up by themselves.
SHELL := /bin/bash
PYTEST := .venv/bin/python -m pytest
ONCE ?=
PEERS ?=

.PHONY: help demo test setup start bench stubs check coverage interpreted clean

help:            ## What there is
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

demo: setup      ## Start the cloud, deploy the photo application, drive it, keep serving (ONCE=1: stop by itself)
	@.venv/bin/python examples/photos/demo.py $(if $(ONCE),--once)

test: setup      ## Run every test
	@scripts/clients
	@$(PYTEST) -n 2 --dist loadfile --no-loadscope-reorder

setup:           ## Make .venv with .venv/bin/haneul
	@scripts/setup

start: setup     ## Run the cloud on port 4566 until Ctrl-C
	@.venv/bin/haneul start

bench: setup     ## Measure, as ratios in one run (PEERS=1: against other emulators too)
	@.venv/bin/python -m bench $(if $(PEERS),--peers)

stubs: setup     ## Generate typings/haneul_shapes, the types of requests and answers
	@.venv/bin/python scripts/stubs.py

check: stubs     ## ruff, mypy (strict) and the tidy test
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@$(PYTEST) -n 0 tests/test_tidy.py

coverage: setup  ## Generate docs/COVERAGE.md
	@.venv/bin/python scripts/coverage.py

interpreted:     ## Take away the compiled modules, to work on their sources
	@.venv/bin/python scripts/compile.py --remove

clean:           ## Remove .venv and caches
	@find haneul -name '*.so' -delete; rm -f haneul/compiled.json
	@rm -rf .venv typings .mypy_cache .ruff_cache .hypothesis
