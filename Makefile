# `make demo` and `make test` need Python 3.11 or newer, git and a package registry, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(abspath $(VENV))/bin
export PATH := $(BIN):$(PATH)

.PHONY: demo test test-lowest test-nightly mutate coverage test-wheel benchmark benchmark-gpu benchmark-real benchmark-serve docs pictures clean

$(BIN)/uv:
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv

# What `make demo` needs: the tool and an installer.
$(VENV)/.tool: $(BIN)/uv pyproject.toml
	uv pip install --quiet --python $(BIN)/python --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.tool
	uv pip install --quiet --python $(BIN)/python --group dev
	touch $@

# Generate a project, install it, train it on its sample.
demo: $(VENV)/.tool
	rm -rf demo && mkdir demo
	cd demo && ptscaffold new --domain vision --style lightning --no-input
	cd demo/vision-lightning && uv sync --quiet && uv run python -m vision_lightning.train
	@echo "Now: cd demo/vision-lightning && uv run tensorboard --logdir runs"

test: $(VENV)/.dev
	ruff check . && ruff format --check . && mypy
	pytest --numprocesses 2 --ignore tests/cells
	pytest tests/cells  # alone: their training is timed, two at a time

# The projects with the oldest releases that they allow.
test-lowest: $(VENV)/.dev
	pytest -m lowest tests/cells

# What takes too long for `make test`: the other cells, more runs of several processes, all sets of
# features, updates from every style to every other.
test-nightly: $(VENV)/.dev
	uv pip install --quiet --python $(BIN)/python --group pretrained
	pytest -m nightly tests/cells
	pytest --numprocesses 2 -m nightly --ignore tests/cells

# Faults put into generated projects one by one, and how many of them the projects' tests catch.
mutate: $(VENV)/.dev
	pytest -m mutation tests/mutation

# Lines and branches of the tool that the tests pass through.
COVERED := --cov=ptscaffold --cov-branch --cov-fail-under=95 --cov-report=term-missing:skip-covered

coverage: $(VENV)/.dev
	pytest --numprocesses 2 --ignore tests/cells $(COVERED)

# What users get: the wheel, in an environment without the checkout and without torch.
WHEEL := .venv-wheel
WHEEL_TESTS := $(wildcard tests/tool tests/update tests/packs tests/export)

test-wheel: $(VENV)/.dev
	rm -rf $(WHEEL) dist
	python -m build --installer uv --wheel
	uv venv --quiet $(WHEEL)
	uv pip install --quiet --python $(WHEEL) --group tool dist/*.whl
	$(WHEEL)/bin/python -c 'import ptscaffold; assert "site-packages" in ptscaffold.__file__'
	$(WHEEL)/bin/mypy --config-file pyproject.toml --python-executable $(WHEEL)/bin/python \
		--exclude /templates/ -p ptscaffold
	PATH=$(abspath $(WHEEL))/bin:$(PATH) $(WHEEL)/bin/pytest --numprocesses 2 $(WHEEL_TESTS) $(COVERED)

# The speed of `new` and `update` against their peers, of training against a hand-written loop and the
# projects of peers; PEERS="--lht FOLDER --ignite FOLDER" adds those that no registry has.
benchmark: $(VENV)/.dev
	python benchmarks/commands.py --results benchmarks/commands.md
	python benchmarks/update.py --results benchmarks/update.md
	python benchmarks/growth.py --results benchmarks/growth.md
	python benchmarks/training.py --results benchmarks/training.md
	python benchmarks/scaling.py --results benchmarks/scaling.md
	python benchmarks/first_step.py --results benchmarks/first_step.md
	python benchmarks/peers.py $(PEERS) --results benchmarks/peers.md

# All three domains on one GPU, against a loop tuned by hand.
benchmark-gpu: $(VENV)/.dev
	python benchmarks/gpu.py --results benchmarks/gpu.md

# All nine projects on real data, against linear models; needs Debian's packages (benchmarks/real_sets.py),
# and many hours without a GPU. REAL="--raw FILE --sizes 500" runs it in parts.
benchmark-real: $(VENV)/.dev
	python benchmarks/real_data.py $(REAL) --results benchmarks/real_data.md

# The feature serve against a plain FastAPI and LitServe, over loopback.
benchmark-serve: $(VENV)/.dev
	uv pip install --quiet --python $(BIN)/python --group serving
	python benchmarks/serve.py --results benchmarks/serve.md

# The site, in build/site; REPO_URL and SITE_URL are the addresses of repository and site, if there are any.
$(VENV)/.docs: $(VENV)/.tool
	uv pip install --quiet --python $(BIN)/python --group docs
	touch $@

docs: $(VENV)/.docs
	NO_MKDOCS_2_WARNING=1 mkdocs build --strict

# The pictures and the film of README.md, the pictures of docs/gallery.md, from projects made now; needs Chromium.
pictures: $(VENV)/.dev
	python docs/pictures.py
	python docs/film.py
	python docs/gallery.py

clean:
	rm -rf $(VENV) $(WHEEL) build demo dist .mypy_cache .pytest_cache .ruff_cache
