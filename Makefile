# Two commands matter: `make certify` and `make test`. Everything they need they set up themselves;
# a machine needs Python >= 3.11 (with pip) and make, no uv, no Docker, no PostgreSQL, no root.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
PORT   ?= 3000
COMPOSE ?= docker compose
STACK  := $(COMPOSE) --env-file docker/.env --file docker/compose.yaml
SOCKET ?= /var/run/docker.sock

# uv does not compile bytecode by itself, and importing Dagster without it costs five seconds a process.
export UV_COMPILE_BYTECODE = 1
# Trust what the machine trusts, as pip does: a company proxy has a certificate of its own.
export UV_SYSTEM_CERTS = true
export DAGSTER_DISABLE_TELEMETRY = true

.PHONY: help certify certify-all calibrate test test-all test-browser pictures test-docker docker-up docker-down lint types contracts check ui report bench lock clean
.DEFAULT_GOAL := help

help: ## this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; this is $$($(PYTHON) -V). Remedy: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)"; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing locked dependencies into $(VENV) ..."
	@awk '/^uv==/ {on=1} on {print} on && !/\\$$/ {exit}' requirements.lock > $(VENV)/uv.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r $(VENV)/uv.lock
	@$(BIN)/uv pip sync --quiet --require-hashes --python $(BIN)/python requirements.lock
	@$(BIN)/uv pip install --quiet --no-deps --no-build-isolation --offline --python $(BIN)/python --editable .
	@touch $@

certify: $(READY) ## the main job: certify on the embedded profile (real PostgreSQL, DuckDB, SQLite, Parquet)
	@$(BIN)/certify run --profile embedded $(ARGS)

certify-all: $(READY) ## every engine of the catalogue on the embedded profile, each in its own environment
	@$(BIN)/certify run --profile embedded --engine all $(ARGS)

calibrate: $(READY) ## plant every defect: does this bench see what it says it sees? (releases rest on it)
	@$(BIN)/certify calibrate $(ARGS)

test: $(READY) ## the fast tests (five to fifteen minutes on two cores)
	$(BIN)/pytest -n 2 -m "not nightly and not integration_live" $(ARGS)

test-all: $(READY) ## all tests, the slow ones too
	$(BIN)/pytest -n 2 -m "not integration_live" $(ARGS)

test-browser: $(READY) ## a night in Dagster as people see it, in the Chromium of this machine; five minutes
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group browser
	$(BIN)/pytest tests/orchestration/browser -m "integration_live and not docker" $(ARGS)

pictures: $(READY) ## the pictures of docs/dagster.md, from what `make ui` shows on PORT
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group browser
	$(BIN)/python -m tests.orchestration.browser.pictures http://127.0.0.1:$(PORT) docs/images $(ARGS)

test-docker: $(READY) ## the same on the compose stack, and all else that is tested of a stack, on a Docker engine
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group browser
	$(BIN)/pytest tests/docker tests/orchestration/browser tests/orchestration/robust -m docker $(ARGS)

docker/.env: # with passwords nobody has to think of; never over one that is there
	@umask 077; random() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }; \
	  sed -e "s/^DAGSTER_POSTGRES_PASSWORD=$$/&$$(random)/" -e "s/^AWS_SECRET_ACCESS_KEY=$$/&$$(random)/" \
	  -e "s/^#DOCKER_GID=.*/DOCKER_GID=$$(stat -c %g $(SOCKET))/" -e "s,^#DOCKER_SOCKET=.*,DOCKER_SOCKET=$(SOCKET)," \
	  docker/example.env > $@
	@echo "Wrote $@: what can be set stands there."

docker-up: docker/.env ## Dagster with PostgreSQL, a daemon, an S3 store and a container a run: http://127.0.0.1:3000
	$(STACK) build code
	$(STACK) up --detach --wait

docker-down: docker/.env ## stop it; evidence and history stay in their volumes
	$(STACK) stop daemon webserver
	-docker ps --quiet --filter label=certification_pipeline.role=run | xargs -r docker stop
	$(STACK) down

lint: $(READY) ## ruff: rules and format
	$(BIN)/ruff check . && $(BIN)/ruff format --check .

types: $(READY) ## mypy, strict
	$(BIN)/mypy

contracts: $(READY) ## the walls between the rooms (import-linter)
	$(BIN)/lint-imports

check: lint types contracts ## lint, types and contracts

ui: $(READY) ## Dagster on the same evidence, http://127.0.0.1:3000
	@$(BIN)/certify ui --port $(PORT) $(ARGS)

report: $(READY) ## rebuild the HTML report of the latest release
	@$(BIN)/certify report

bench: $(READY) ## the figures of the README, as ratios within one run
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --group bench
	$(BIN)/python -m benchmarks $(ARGS)

lock: $(READY) ## resolve pyproject.toml again into requirements.lock (names and hashes, no hosts)
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --generate-hashes \
	  --no-emit-index-url --no-annotate --quiet --custom-compile-command "make lock" -o requirements.lock
	$(BIN)/uv pip compile pyproject.toml --all-extras --group build --universal --generate-hashes \
	  --constraints requirements.lock \
	  --no-emit-index-url --no-annotate --quiet --custom-compile-command "make lock" -o docker/requirements.lock

clean: ## remove what was built (not the evidence)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
