# The commands of SocialHub; docs/operations.md says more.
PYTHONS ?= python3.13 python3.12 python3.11 python3
BIN := .venv/bin
STAMP := .venv/.installed
COMPILE = $(BIN)/pip-compile --quiet --strip-extras --no-header --no-emit-index-url \
	--no-emit-find-links --no-emit-trusted-host --no-emit-options

.PHONY: help setup env run test test-servers lint format lock vendor

help:
	@echo "make setup   create .venv and install what SocialHub and its tests need"
	@echo "make env     write .env with fresh keys (make run does it, too)"
	@echo "make run     start everything; Ctrl-C stops it"
	@echo "make test    run the tests"
	@echo "make lint    style, types, imports, migrations"
	@echo "make format  lay the code out"
	@echo "make lock    pin the packages anew"
	@echo "make test-servers  fetch what some tests need from npm"
	@echo "make screenshots   take the README's pictures anew (needs Chromium)"

setup: $(STAMP)

# Runs again when the pinned packages change.
$(STAMP): requirements-dev.txt
	@new='import sys; sys.exit(sys.version_info < (3, 11))'; \
	python=; \
	if ! $(BIN)/python -c "import pip; $$new" >/dev/null 2>&1; then \
		for name in $(PYTHONS); do \
			if $$name -c "import venv, ensurepip; $$new" >/dev/null 2>&1; then \
				python=$$name; break; \
			fi; \
		done; \
		if [ -z "$$python" ]; then \
			echo "SocialHub needs Python 3.11 or newer with its venv module: install" \
				"one (Debian: apt install python3-venv), or name it:" \
				"make setup PYTHONS=/path/to/python3.11" >&2; \
			exit 2; \
		fi; \
		echo "Creating .venv with $$($$python --version) ..."; \
		$$python -m venv --clear .venv || exit 2; \
	fi; \
	echo "Installing packages ..."; \
	if ! $(BIN)/python -m pip install --quiet --disable-pip-version-check \
			-r requirements-dev.txt; then \
		echo "The packages could not be installed, as pip says above: mend that" \
			"(is the network there?) and run make setup again." >&2; \
		exit 2; \
	fi; \
	touch $(STAMP)

env: setup
	@$(BIN)/python -m socialhub.make_env

run: setup
	@exec $(BIN)/python -m socialhub.start

test: setup
	@$(BIN)/python tests/run.py

# Third-party front-end files that lie in the repository, taken anew (needs npm).
vendor: setup
	@$(BIN)/python scripts/vendor.py

# The official Bluesky server and axe-core, for the tests only (needs Node).
test-servers:
	@cd tests/node && npm ci --no-audit --no-fund --loglevel=error
	@cd tests/node/node_modules/better-sqlite3 && \
		{ test -f build/Release/better_sqlite3.node || \
		npx --yes node-gyp rebuild --release --nodedir=/usr; }

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy socialhub accounts publishing monitoring platforms
	$(BIN)/lint-imports
	SOCIALHUB_ENV_FILE=/nonexistent DJANGO_SETTINGS_MODULE=socialhub.settings_test \
		$(BIN)/python manage.py makemigrations --check --dry-run

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock: setup
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-tools==7.6.2
	$(COMPILE) --upgrade --output-file requirements.txt requirements.in
	$(COMPILE) --upgrade --constraint requirements.txt \
		--output-file requirements-dev.txt requirements-dev.in

screenshots: setup
	@$(BIN)/python docs/make_screenshots.py
