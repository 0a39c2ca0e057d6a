# The one door: `make` prints its targets.

PYTHON ?= python3
ORDERS ?= orders/sample.csv
WORKERS ?= 2
BATCH_SIZE ?= 10
N ?= 3
SEED ?= 1
MINUTES ?= 2
# Most tests wait most of the time.
PROCESSES ?= 4

export EMBEDDED KEEP ORDERS WORKERS BATCH_SIZE N SEED MINUTES ARGS UPGRADE FILE TRACING METRICS

RUNTIME_LOCKS := services/scheduler/requirements.txt services/worker/requirements.txt \
  services/client/requirements.txt services/dashboard/requirements.txt
python := .venv/bin/python
PIP_INSTALL := $(python) -m pip install --quiet --disable-pip-version-check --require-hashes

.DEFAULT_GOAL := help
.PHONY: help setup demo dev worker dashboard submit up scale ps logs down clean test sim chaos bench \
  bench-full fuzz sbom check format lock screenshots backup restore check-data azure-up azure-down \
  azure-status

help: ## Print this.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { \
	  line = sprintf("  make %-12s", $$1); \
	  count = split($$2, words, " "); \
	  for (at = 1; at <= count; at++) { \
	    if (length(line) + length(words[at]) >= 80) { print line; line = sprintf("%19s", "") } \
	    line = line " " words[at] \
	  } \
	  print line \
	}' $(MAKEFILE_LIST)

setup: .venv/.runtime ## Make .venv with what the stack needs (done by the others when needed).

demo: .venv/.runtime ## Run the whole stack once, without Docker. [ORDERS=file WORKERS=2 BATCH_SIZE=10 KEEP=1]
	@exec $(python) -m scripts.demo --orders "$$ORDERS" --workers "$$WORKERS" --batch-size "$$BATCH_SIZE" \
	  $(if $(filter-out 0,$(KEEP)),--keep)

dev: .venv/.runtime ## Run the stack without Docker until Ctrl-C. [WORKERS=2]
	@exec $(python) -m scripts.dev "$$WORKERS"

worker: .venv/.runtime ## Run one worker without Docker, against ENDPOINT and TASKHUB.
	@exec $(python) -m services.worker

dashboard: .venv/.runtime ## Run the dashboard without Docker, against SCHEDULER_HTTP_ENDPOINT.
	@exec $(python) -m services.dashboard

submit: $(if $(LOCAL),.venv/.runtime) ## Submit orders to the stack. [ORDERS=file BATCH_SIZE=10, LOCAL=1 without Docker]
ifdef LOCAL
	@$(python) -m services.client submit "$$ORDERS" --batch-size "$$BATCH_SIZE" $(ARGS)
else
	@scripts/compose submit
endif

up: ## Start the stack with Docker Compose. [EMBEDDED=1 for our scheduler, TRACING=1 METRICS=1 to watch it]
	@scripts/compose up

scale: ## Change the number of workers of the running stack. [N=3]
	@scripts/compose scale

ps: ## Show the running stack.
	@scripts/compose ps

logs: ## Follow the stack's logs.
	@scripts/compose logs

down: ## Stop the stack; its data stays.
	@scripts/compose down

clean: ## Stop the stack and remove its data and images.
	@scripts/compose clean

backup: $(if $(LOCAL),.venv/.runtime) ## Back up all task hubs and payloads, also while they are served. [FILE=file, LOCAL=1 without Docker]
ifdef LOCAL
	@$(python) -m services.scheduler backup "$$FILE" $(ARGS)
else
	@scripts/compose backup
endif

restore: $(if $(LOCAL),.venv/.runtime) ## Restore a backup into an empty data directory. [FILE=file, LOCAL=1 without Docker]
ifdef LOCAL
	@$(python) -m services.scheduler restore "$$FILE"
else
	@scripts/compose restore
endif

check-data: $(if $(LOCAL),.venv/.runtime) ## Look for damage in the scheduler's data. [LOCAL=1 without Docker]
ifdef LOCAL
	@$(python) -m services.scheduler check
else
	@scripts/compose check-data
endif

test: .venv/.tests ## Run all tests; what is skipped says why. [ARGS=tests/unit PROCESSES=4]
	@$(python) -m pytest -n $(PROCESSES) --no-loadscope-reorder $(ARGS)

sim: .venv/.tests ## Replay one simulated run of the scheduler. [SEED=1, ARGS=--on-disk]
	@$(python) -m tests.simulation "$$SEED" $(ARGS)

chaos: .venv/.tests ## Run the whole stack under faults, and prove its books. [SEED=1 MINUTES=2]
	@exec $(python) -m tests.chaos --seed "$$SEED" --minutes "$$MINUTES" $(ARGS)

bench: .venv/.bench ## Measure speed and CPU beside other servers, in about three minutes. [ARGS='--only latency']
	@exec $(python) -m scripts.bench $(ARGS)

bench-full: .venv/.bench ## Measure all targets of docs/performance.md, in about ten minutes (needs Chromium).
	@exec $(python) -m scripts.bench --full $(ARGS)

azure-up: ## Make a scheduler and a task hub in Azure (docs/azure.md). [ARGS='-g GROUP -n NAME ...']
	@scripts/azure-up $(ARGS)

azure-down: ## Delete them again, once the name was typed. [ARGS='-g GROUP -n NAME']
	@scripts/azure-down $(ARGS)

azure-status: ## Show what there is in Azure. [ARGS='-g GROUP']
	@scripts/azure-status $(ARGS)

fuzz: .venv/.fuzz ## Fuzz calls, requests, files and settings for a while. [MINUTES=2 SEED=1]
	@$(python) -m tests.fuzz --minutes "$${MINUTES:-2}" --seed "$$SEED" $(ARGS)

sbom: .venv/.sbom ## Write what each service is made of to sbom/ (CycloneDX, JSON).
	@$(python) -m scripts.sbom

screenshots: .venv/.tests ## Take the pictures of the dashboard in docs/images again (needs Chromium).
	@$(python) -m scripts.screenshots

check: .venv/.tests ## Run the linters, the type checker and the tidy tests.
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check --quiet .
	@.venv/bin/mypy
	@.venv/bin/lint-imports --no-cache
	@$(python) -m pytest --quiet tests/tidy

format: .venv/.tests ## Format the code.
	@.venv/bin/ruff check --fix --quiet . || true
	@.venv/bin/ruff format --quiet .

lock: .venv/.tests ## Resolve the dependencies again and write the locks. [UPGRADE=1 to move them]
	@scripts/lock

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo 'Python 3.11 or newer is needed: make PYTHON=python3.13 ...' >&2; exit 1; }
	@$(PYTHON) -m venv .venv || { \
	  echo 'python3 cannot make virtual environments here (on Debian: apt install python3-venv)' >&2; \
	  rm -rf .venv; exit 1; }

.venv/.runtime: $(RUNTIME_LOCKS) | .venv/bin/python
	@echo 'installing what the stack needs into .venv ...'
	@$(PIP_INSTALL) $(addprefix -r ,$(RUNTIME_LOCKS))
	@touch $@

.venv/.bench: scripts/bench/requirements.txt .venv/.runtime
	@echo 'installing what the bench needs into .venv ...'
	@$(PIP_INSTALL) -r scripts/bench/requirements.txt
	@touch $@

.venv/.tests: tests/requirements.txt .venv/.runtime
	@echo 'installing what the tests need into .venv ...'
	@$(PIP_INSTALL) -r tests/requirements.txt
	@touch $@

.venv/.fuzz: tests/fuzz/requirements.txt .venv/.tests
	@echo 'installing what fuzzing needs into .venv ...'
	@$(PIP_INSTALL) -r tests/fuzz/requirements.txt
	@touch $@

.venv/.sbom: scripts/sbom/requirements.txt .venv/.runtime
	@echo 'installing what bills of materials need into .venv ...'
	@$(PIP_INSTALL) -r scripts/sbom/requirements.txt
	@touch $@
