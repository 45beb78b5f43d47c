# `make demo` and `make test` each start from nothing: they make .venv, install, and run.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
TORCH := 2.13.0
TORCH_CPU_INDEX := https://download.pytorch.org/whl/cpu
DEMO := demo

GPU_OUT ?= gpu
GPU_SECONDS ?= 200
GPU_KERNEL_SECONDS ?= 150

.PHONY: demo test lint types unit soak bench gpu screenshots system-packages clean

demo: $(VENV)/runtime
	@mkdir -p $(DEMO)
	$(BIN)/frontier search examples/demo.yaml --db $(DEMO)/frontier.db --runs $(DEMO)/runs
	$(BIN)/frontier front latest --db $(DEMO)/frontier.db
	$(BIN)/frontier export latest best --db $(DEMO)/frontier.db --out $(DEMO)/models/$$(date +%Y%m%d-%H%M%S)
	@echo
	@echo "open the dashboard with: $(BIN)/frontier dashboard --db $(DEMO)/frontier.db"

test: $(VENV)/dev system-packages lint types unit

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# The repository root is the package, so the type checker sees it through a folder that holds it by its name.
types: $(VENV)/dev
	mkdir -p $(VENV)/typing
	ln -sfn ../.. $(VENV)/typing/frontier
	cd $(VENV)/typing && ../bin/mypy --config-file ../../pyproject.toml -p frontier

# Two files at a time: much of what tests do is wait for processes they started.
unit: $(VENV)/dev
	$(BIN)/python -m pytest -n 2 --dist loadfile

# What is too long for every change: campaigns of kills at random instants.
soak: $(VENV)/dev system-packages
	$(BIN)/python -m pytest -m soak

# Hours on two cores. Each prints a table; the ranking keeps what it trained in ranking-cache and goes on from there.
bench: $(VENV)/bench
	$(BIN)/python benchmarks/latency_validation.py
	$(BIN)/python benchmarks/latency_population.py
	$(BIN)/python benchmarks/latency_memory.py
	$(BIN)/python benchmarks/latency_tables.py
	$(BIN)/python benchmarks/kernels_on_cpu.py
	$(BIN)/python benchmarks/supernet_overhead.py
	$(BIN)/python benchmarks/ledger.py
	$(BIN)/python benchmarks/dashboard.py
	$(BIN)/python benchmarks/scale_sim.py
	$(BIN)/python benchmarks/supernet_gap.py
	$(BIN)/python benchmarks/equal_flops.py
	$(BIN)/python benchmarks/ranking.py --space hybrid-lm
	$(BIN)/python benchmarks/ranking.py --space pyramid-vit --task digits
	$(BIN)/python benchmarks/search_efficiency.py --workers 2
	$(BIN)/python benchmarks/scoring_throughput.py

# On a machine with an NVIDIA GPU, with the torch, triton, pydantic, numpy and pytest of PYTHON: nothing is installed.
# The reports in $(GPU_OUT) grow as they are made: gpu_kernels.json and .md for GPU_KERNEL_SECONDS at most,
# gpu_profile.json for GPU_SECONDS. Python finds the package by a link to this folder.
gpu:
	@$(PYTHON) -c 'import importlib.util as u, sys; u.find_spec("torch") or sys.exit("make gpu: needs torch"); \
	    import torch; torch.cuda.is_available() or sys.exit(f"make gpu: needs an NVIDIA GPU; torch {torch.__version__} sees none")'
	@status=0; packages=$$(mktemp -d); ln -s "$(CURDIR)" "$$packages/frontier"; \
	export PYTHONUNBUFFERED=1 PYTHONPATH="$$packages:$$PYTHONPATH"; \
	$(PYTHON) -m pytest tests/gpu -q --durations=5 || status=1; \
	$(PYTHON) benchmarks/kernels_on_gpu.py --out "$(GPU_OUT)" --seconds $(GPU_KERNEL_SECONDS) || status=1; \
	$(PYTHON) benchmarks/gpu_profile.py --out "$(GPU_OUT)" --seconds $(GPU_SECONDS) || status=1; \
	rm -r "$$packages"; exit $$status

screenshots: $(VENV)/dev system-packages
	$(BIN)/python -m frontier.dashboard.screenshots --db $(DEMO)/frontier.db --out $(DEMO)/screenshots

# Browser tests drive Chromium, those of the ledger a PostgreSQL server. Both are installed where that is allowed; a test
# that misses one says so.
system-packages:
	@if [ -z "$$(ls /usr/lib/postgresql/*/bin/postgres 2>/dev/null)" ] && ! command -v postgres >/dev/null; then \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	        apt-get install -y -qq --no-install-recommends postgresql >/dev/null; \
	    else echo "PostgreSQL's server is not installed: tests of it will be skipped"; fi; fi
	@if ! command -v chromium >/dev/null; then \
	    if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	        apt-get update -qq && DEBIAN_FRONTEND=noninteractive \
	        apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	    else echo "chromium is not installed: browser tests will be skipped"; fi; fi

$(VENV)/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Frontier needs Python 3.11 or newer")'
	$(PYTHON) -m venv $(VENV)

# Without an NVIDIA driver the CPU build of torch is named outright, so that no CUDA packages come along; with one,
# the index's own build is taken. `make TORCH_BUILD=torch==2.13.0 demo` asks for that build anywhere.
$(VENV)/torch: $(VENV)/bin/python
	@if [ -n "$(TORCH_BUILD)" ]; then $(PIP) "$(TORCH_BUILD)"; \
	elif command -v nvidia-smi >/dev/null; then $(PIP) torch==$(TORCH); \
	elif [ "$$(uname -s)" = Linux ]; then \
	    $(PIP) "torch==$(TORCH)+cpu" 2>/dev/null || $(PIP) "torch==$(TORCH)+cpu" --extra-index-url $(TORCH_CPU_INDEX); \
	else $(PIP) torch==$(TORCH); fi
	@touch $@

$(VENV)/runtime: pyproject.toml constraints.txt $(VENV)/torch
	$(PIP) -e .
	@touch $@

$(VENV)/dev: pyproject.toml constraints.txt $(VENV)/torch
	$(PIP) -e .[dev]
	@touch $@ $(VENV)/runtime

$(VENV)/bench: pyproject.toml constraints.txt $(VENV)/torch
	$(PIP) -e .[dev,bench]
	@touch $@ $(VENV)/dev $(VENV)/runtime

clean:
	rm -rf $(VENV) $(DEMO)
