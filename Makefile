# pam-receiver: `make` alone lists the targets. The first one that you run sets up .venv by itself.

VENV     := .venv
BIN      := $(VENV)/bin
PIP      := $(BIN)/python -m pip install -qq --disable-pip-version-check --no-input -c constraints.txt
INSTALL  := $(PIP) --no-build-isolation -e
RUNTIME  := $(VENV)/.runtime-installed
TOOLS    := $(VENV)/.tools-installed
AUDIT    := $(VENV)/.audit-installed
CHARTS   := $(VENV)/.charts-installed
PINS     := pyproject.toml constraints.txt
# The packages that their own tests must cover alone, and how much of their branches.
COVERED  := hl7 identity profile
LEAST    := 95
REPORT   := build/coverage.json
# Tests at once: each of them has databases and ports of its own. JOBS=0 runs one after the other, as a debugger needs it.
JOBS     := 2
SECONDS  := 900
TARGETS  := decoder parser checker receive
# Where the wheel with the compiled core is unpacked, and the tests that it has to pass.
COMPILED := build/compiled
HAS_HEADERS := import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))
CORE     := tests/hl7 tests/adt tests/identity tests/profile/test_check.py tests/profile/test_check_parts.py tests/test_ids.py tests/test_shifts.py tests/test_sources.py tests/test_conversations.py tests/test_receive.py tests/test_finding.py tests/test_parcel.py tests/test_reader.py tests/test_intake.py tests/test_metrics.py tests/listener tests/store/test_said.py tests/store/test_pipeline.py tests/store/test_checkpoints.py tests/rebuild/test_unmerge.py
# Tests that take minutes when every line is counted, and reach no line that the others do not.
UNCOUNTED := tests/profile/test_every_rule.py tests/profile/test_beside_hl7apy.py

# Prints the first Python that will do, or says what to install. A name on PATH may be a stub: each one is run.
define FIND_PYTHON
bare=; \
for name in $(PYTHONS); do \
    "$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue; \
    "$$name" -c 'import ensurepip, venv' >/dev/null 2>&1 && echo "$$name" && exit 0; \
    bare="$${bare:-$$name}"; \
done; \
if test -n "$$bare"; then \
    package="python$$("$$bare" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv"; \
    echo "$$bare cannot make virtual environments (it has no ensurepip). On Debian and Ubuntu: sudo apt install $$package" >&2; \
else \
    echo "pam-receiver needs Python 3.11 or newer; none was found under the names: $(PYTHONS). On Debian and Ubuntu: sudo apt install python3 python3-venv" >&2; \
fi; \
exit 1
endef
PYTHONS  := python3.13 python3.12 python3.11 python3

.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:
.PHONY: help setup demo test soak fuzz lint check cover compile plain test-compiled audit release lock format docs charts kubernetes bench clean find-python

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 22

setup: $(TOOLS) ## set up .venv with everything; done by the other targets when needed

demo: $(RUNTIME) ## play a sample hospital morning; KEEP=1 leaves the daemon running
	@$(BIN)/pam-receiver demo$(if $(filter-out 0,$(KEEP)), --keep)

test: $(TOOLS) plain ## run all tests; the last lines say what was skipped and why
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

soak: $(TOOLS) ## the fault suite in full: 20 kills on each database, 200,000 messages; tens of minutes
	@PAM_TEST_SOAK=full $(BIN)/python -m pytest tests/faults $(ARGS)

fuzz: $(TOOLS) ## any bytes at decoder, parser, checker and receiver in turn; SECONDS=900 each, TARGETS=receive for one
	@set -e; for target in $(TARGETS); do $(BIN)/python tools/fuzz_receiver.py $$target --seconds $(SECONDS); done

lint: $(TOOLS) ## ruff, mypy --strict, the import contract, bandit
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy bench
	$(BIN)/lint-imports
	$(BIN)/bandit -q -c pyproject.toml -r pam_receiver

check: lint test ## all that must pass before a commit: lint, then the tests

cover: $(TOOLS) plain ## branch coverage of hl7, identity and profile by their own tests: at least 95 %
	@mkdir -p $(dir $(REPORT))
	@$(BIN)/python -m pytest -q -n $(JOBS) --dist worksteal $(COVERED:%=--cov=pam_receiver.%) --cov-report=term --cov-report=json:$(REPORT) $(COVERED:%=tests/%) $(UNCOUNTED:%=--ignore=%)
	@$(BIN)/python .ci/branch_coverage.py $(REPORT) $(LEAST) $(COVERED:%=pam_receiver/%/)

compile: $(TOOLS) plain ## compile the core in place, for the bench; `make plain` or `make test` takes it away again
	@$(BIN)/python hatch_build.py

plain: ## take the compiled core away: what is edited counts again
	@find pam_receiver -name '*.so' -delete

test-compiled: $(TOOLS) ## build a wheel with its core compiled, below build/, and run the core's tests on it; skipped without cc
	@if command -v $${CC:-cc} >/dev/null && $(BIN)/python -c '$(HAS_HEADERS)'; then \
	    $(MAKE) -s $(COMPILED)/.unpacked && \
	    PYTHONPATH=$(COMPILED) $(BIN)/pam-receiver --version | grep -F '(mypyc)' && \
	    PYTHONPATH=$(COMPILED) $(BIN)/pytest -q -n $(JOBS) --dist worksteal $(CORE) $(ARGS); \
	else echo "SKIPPED the compiled core: there is no C compiler, or no Python.h (on Debian and Ubuntu: sudo apt install gcc python3-dev)"; fi

$(COMPILED)/.unpacked: $(TOOLS) hatch_build.py $(shell find pam_receiver profiles -type f -not -name '*.pyc' -not -name '*.so')
	@rm -rf $(COMPILED) && mkdir -p $(dir $(COMPILED))
	@PAM_COMPILE=1 $(BIN)/python -m hatchling build -t wheel -d $(COMPILED) >build/compile.log 2>&1 || { tail build/compile.log; exit 1; }
	@$(BIN)/python -m zipfile -e $(COMPILED)/*.whl $(COMPILED) && touch $@

audit: $(AUDIT) ## bandit, and pip-audit where the list of vulnerabilities can be reached
	@$(BIN)/python tools/audit.py

release: $(AUDIT) ## wheel and sdist (reproducible), SBOM and checksums, into dist/
	@$(BIN)/python tools/release.py

lock: $(AUDIT) ## make the lists with hashes that the container installs from; after a change of constraints.txt
	@$(BIN)/python tools/lock_requirements.py

format: $(TOOLS) ## let ruff write the code as the house writes it
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(TOOLS) ## draw the parts of docs/ that come from the code
	@$(BIN)/python docs/make_reference.py

charts: $(CHARTS) ## install Helm as a library (240 MB), without which the tests of the chart are skipped

kubernetes: $(CHARTS) ## draw packaging/kubernetes from the chart
	@$(BIN)/python tools/draw_kubernetes.py

bench: $(TOOLS) ## messages per second at 1, 8 and 64 connections beside other receivers; ARGS=--quick for two minutes
	@$(BIN)/python bench/run.py $(ARGS)

clean: ## remove the environment, caches and what was built
	rm -rf $(VENV) build dist htmlcov .coverage .coverage.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find pam_receiver -name '*.so' -delete
	find pam_receiver tests bench tools migrations .ci -type d -name __pycache__ -prune -exec rm -rf {} +

find-python: ## print the Python that .venv would be made with
	@$(FIND_PYTHON)

$(BIN)/python:
	@python=$$($(FIND_PYTHON)) && echo "Setting up $(VENV) with $$python (once; downloads what constraints.txt names)" && "$$python" -m venv --clear $(VENV)

$(RUNTIME): $(PINS) $(BIN)/python
	@$(PIP) hatchling
	@$(INSTALL) .
	@touch $@

$(TOOLS): $(RUNTIME)
	@$(INSTALL) '.[dev]'
	@touch $@

$(CHARTS): $(TOOLS)
	@$(INSTALL) '.[dev,charts]'
	@touch $@

$(AUDIT): $(TOOLS)
	@$(INSTALL) '.[dev,audit]'
	@touch $@
