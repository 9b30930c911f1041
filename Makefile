# Two commands set everything up: `make cars` trains on drawn cars, `make test` runs every test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := schedules denoisers samplers datasets features launchers
EDITABLE := -e ".[dev]" $(foreach p,$(PLUGINS),-e ./plugins/$(p))
INPUTS := pyproject.toml constraints.txt $(foreach p,$(PLUGINS),plugins/$(p)/pyproject.toml)

# uv installs in a fraction of pip's time. It does not read pip.conf: where it does not reach an index, pip does the same.
UV := $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --constraint constraints.txt
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: constraints cars test quick long peers chaos chaos-sweep fuzz bench bench-quality gpu-pack gpu lint format setup ui clean help

help:  ## what there is to make
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/'

cars: setup  ## train a DDPM on drawn cars (minutes on two CPU cores)
	$(BIN)/wb run recipes/cars_linear.toml

# Two processes of one thread each: twice two threads on two cores would wait for one another.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses 2 --dist worksteal
FAST := tests/diffusion tests/metrics tests/recipe tests/registry tests/test_docs.py tests/test_imports.py tests/test_public.py \
	plugins/samplers plugins/schedules

test: setup  ## the tests; ARGS="-k sampler" and the like are passed to pytest
	$(PYTEST) $(ARGS)

quick: setup  ## style, types and the fast tests, in a minute
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(PYTEST) -m "not slow and not long and not chaos" $(FAST) $(ARGS)

peers: $(VENV)/.peers  ## compare with diffusers and k-diffusion, which this installs
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/peers plugins/diffusers

long: setup  ## the tests that `make test` leaves out because they take longer
	$(PYTEST) -m long $(ARGS)

chaos: setup  ## the tests of failures, then kill, cut, fill and lie to runs, into docs/reliability.md (an hour)
	$(PYTEST) -m chaos
	$(BIN)/python tests/chaos/all.py $(CHAOS)

fuzz: setup  ## fuzz the reading of recipes, guided by coverage (ten minutes)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check atheris
	$(BIN)/python tests/chaos/fuzz.py --minutes 10

chaos-sweep: setup  ## kill workers and coordinators of a sweep at random, and count what is lost (minutes)
	$(BIN)/python tests/chaos/sweep.py --track $(CHAOS)

# BENCH="--only training" and the like; benchmarks/README.md tells all options.
bench: $(VENV)/.bench  ## how fast we and the peers are, into docs/performance.md (about an hour)
	$(BIN)/python -m benchmarks $(BENCH)

bench-quality: $(VENV)/.bench  ## how good photographs are after equal minutes of training (more than an hour)
	$(BIN)/python -m benchmarks.quality $(BENCH)

# For a GPU machine without a network: Python 3.12 with torch and torchvision there. The folder gpu-pack/ travels with the checkout.
gpu-pack: setup  ## collect wheels, weights and CIFAR-10 images for `make gpu` into gpu-pack/ (60 MiB at most)
	$(BIN)/python -m benchmarks.gpu.pack

# On that machine. Wheels of this checkout are built and installed next to the pack, not into the machine's Python.
gpu:  ## tests and measurements on a GPU, from what `make gpu-pack` collected (nine minutes)
	$(PYTHON) -m pip install --quiet --no-index --find-links gpu-pack/wheels --no-deps --target gpu-pack/site --upgrade gpu-pack/wheels/*.whl
	PYTHONPATH=$(CURDIR)/gpu-pack/site $(PYTHON) -m pip install --quiet --no-index --no-deps --no-build-isolation --target gpu-pack/site --upgrade \
	  . $(foreach p,$(PLUGINS),./plugins/$(p))
	PYTHONPATH=$(CURDIR)/gpu-pack/site $(PYTHON) -m benchmarks.gpu $(GPU)

lint: setup  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: setup  ## let ruff put the code in order
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

ui: setup  ## look at the runs
	$(BIN)/wb ui

setup: $(VENV)/.installed  ## the virtual environment with everything in it

$(VENV)/.installed: $(INPUTS)
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name one: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(PIP) uv
	$(UV) $(EDITABLE) || $(PIP) $(EDITABLE)
	touch $@

# Of k-diffusion only the samplers are wanted. The rest of it needs wandb, CLIP, kornia and, through dctorch, numpy 1.
$(VENV)/.peers: $(VENV)/.installed plugins/diffusers/pyproject.toml
	$(UV) -e ".[peers]" -e ./plugins/diffusers || $(PIP) -e ".[peers]" -e ./plugins/diffusers
	$(PIP) --no-deps k-diffusion==0.1.1.post1
	touch $@

$(VENV)/.bench: $(VENV)/.installed plugins/diffusers/pyproject.toml
	$(UV) -e ".[bench]" -e ./plugins/diffusers || $(PIP) -e ".[bench]" -e ./plugins/diffusers
	touch $@

# Universal: one file for every platform and Python version. Pins that still fit are kept; UPGRADE=--upgrade takes the newest.
constraints: setup  ## renew constraints.txt from the pyproject files
	printf -- '-e %s\n' '.[dev,peers,bench]' $(foreach p,$(PLUGINS) diffusers,./plugins/$(p)) | $(BIN)/uv pip compile - \
	  --universal --python-version 3.11 --no-annotate --no-header --quiet --output-file constraints.txt $(UPGRADE) \
	  --no-emit-package diffusion-workbench $(foreach p,$(PLUGINS) diffusers,--no-emit-package diffusion-workbench-$(p))

clean:  ## remove the virtual environment and caches, keep runs
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache
