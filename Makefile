# Each target is a line or two of ordinary commands; README.md explains them.
PYTHON ?= python3
CORES ?= all
# Elsewhere than on a machine with GPUs, PyTorch's own CPU builds save several GB:
#   make report TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
PORT ?= 5000
RESULTS ?= results
BIN := .venv/bin

.PHONY: report test test-all test-slurm bench ui lint format docs readme weights clean

report: .venv/installed
	$(BIN)/snakemake --cores $(CORES) results/report.html

test: .venv/installed
	$(BIN)/pytest -q -n logical --maxprocesses 8 --dist loadgroup --no-loadscope-reorder

# What measures times, kills processes or starts servers runs by itself.
test-all: test
	$(BIN)/pip install -q -e '.[test,servers]'
	$(BIN)/pytest -q tests --ignore tests/unit --ignore tests/study

test-slurm: .venv/installed
	GAVEL_TEST_SLURM=1 $(BIN)/pytest -q -rs tests/slurm $(if $(ONLY),-k "$(ONLY)")

bench: .venv/installed
	$(BIN)/python benchmarks/programs.py
	$(BIN)/python benchmarks/verifier.py
	$(BIN)/python benchmarks/judge.py
	$(BIN)/python benchmarks/pairwise.py
	$(BIN)/python benchmarks/sampling.py
	$(BIN)/python benchmarks/rl.py
	$(BIN)/python benchmarks/report.py
	$(BIN)/python benchmarks/scale.py

ui: .venv/installed
	$(BIN)/python workflow/scripts/ui.py --results $(RESULTS) --port $(PORT)

lint: .venv/installed
	$(BIN)/ruff check . && $(BIN)/ruff format --check . && $(BIN)/snakefmt --check Snakefile workflow && $(BIN)/snakemake --lint && $(BIN)/lint-imports --no-cache

format: .venv/installed
	$(BIN)/ruff check --fix . && $(BIN)/ruff format . && $(BIN)/snakefmt Snakefile workflow

docs: .venv/installed
	$(BIN)/python workflow/scripts/write_reference.py
	$(BIN)/python tools/draw_workflow.py

readme: .venv/installed
	$(BIN)/python workflow/scripts/write_readme.py

weights: .venv/installed
	$(BIN)/snakemake --cores $(CORES) results/weights/models/student results/weights/models/judge \
	  --config results_dir=results/weights student='{model: scratch}' judge='{model: scratch}'
	$(BIN)/snakemake --cores $(CORES) results/weights-judges/models/judge \
	  --config results_dir=results/weights-judges student='{model: results/weights/models/student}' \
	  judge='{model: scratch, scratch: {steps: 1500, tasks: [single-token, reasoning, pairwise, pairwise-reasoning]}}'
	rm -rf resources/models && cp -r results/weights/models resources/models
	cp -r results/weights-judges/models/judge resources/models/judges
	$(BIN)/python workflow/scripts/round_weights.py resources/models/judges 2 resources/models/two-bit-judge
	rm -f resources/models/*/.snakemake_timestamp

clean:
	rm -rf .venv .snakemake
	find results -mindepth 1 -maxdepth 1 ! -name README.md -exec rm -rf {} +

.venv/installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Gavel needs Python 3.11 or newer; say which: make report PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv --help >/dev/null 2>&1 && $(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "This Python has no venv module; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	$(if $(TORCH_INDEX),$(BIN)/pip install -q --index-url $(TORCH_INDEX) "$$(grep -o 'torch==[0-9.]*' pyproject.toml)")
	$(BIN)/pip install -q -e '.[test]'
	touch $@
