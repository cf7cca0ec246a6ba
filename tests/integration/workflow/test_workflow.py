"""The workflow as Snakemake sees it: its graph, its rules, its answers to a wrong config. Nothing is run."""

import ast
import re
from collections import defaultdict

import pytest
import yaml

from gavel.common.errors import InputError
from gavel.common.paths import ROOT
from gavel.solutions.answer_types import modules_of_other_types
from gavel.study import resolve
from gavel.study.code_digest import closure
from gavel.study.layout import Layout
from gavel.study.rules import RULES, rule_of_benchmark
from helpers.workflow import snakemake

SCRIPTS = ROOT / "workflow" / "scripts"
READS_TESTS = {"audit_data", "generate", "score", "compute_metrics", "report_html"}


@pytest.fixture(scope="module")
def jobs(tmp_path_factory) -> dict[str, set[str]]:
    """Rule -> all files that its jobs read, from a dry-run of the default study in an empty folder."""
    done = snakemake(
        "-n", "--quiet", "host", "--configfile", str(ROOT / "config/config.yaml"), cwd=tmp_path_factory.mktemp("empty")
    )
    assert done.returncode == 0, done.stderr
    found, rule = defaultdict(set), None
    for line in (done.stdout + done.stderr).splitlines():
        if match := re.match(r"(?:local)?rule (\w+):", line):
            rule = match[1]
        elif match := re.match(r"\s+input: (.*)", line):
            found[rule] |= set(match[1].split(", "))
    return found


def test_only_evaluation_and_audit_read_the_test_sets(jobs):
    tested = ("/test/", "/evaluation/")
    readers = {rule for rule, files in jobs.items() if any(part in name for name in files for part in tested)}
    assert {"generate", "score", "audit_data"} <= readers, "the dry-run's output was not understood"
    assert readers <= READS_TESTS
    assert "train_rl" in jobs
    assert "train_sft" in jobs


def test_no_training_rule_depends_on_one_that_reads_the_test_sets(jobs):
    for rule in ("train_sft", "train_rl", "judge_policy", "calibrate_judge", "judge_trained"):
        assert not any("/evaluation/" in name or name.endswith(("metrics.csv", "audit.json")) for name in jobs[rule])


def test_labels_reach_rl_from_the_labelled_file_only(jobs):
    data = {name for name in jobs["train_rl"] if name.startswith("results/data/")}
    assert data == {f"results/data/{name}.jsonl" for name in ("labeled", "unlabeled", "validation")}


def shipped() -> dict:
    return yaml.safe_load((ROOT / "config/config.yaml").read_text())


@pytest.fixture(scope="module")
def read_by(tmp_path_factory) -> dict[str, set[str]]:
    """Rule -> files that one of its jobs reads, where the judge is trained and benchmarked."""
    folder, raw = tmp_path_factory.mktemp("judged"), shipped()
    trained = {"self_taught": {"iterations": 1, "dpo": None}, "rl": {"steps": 2}}
    raw["judge"] = raw["judge"] | {"kind": "pairwise", "benchmark": {"questions": 50}} | trained
    (folder / "study.yaml").write_text(yaml.safe_dump(raw))
    done = snakemake("-n", "--quiet", "host", "--configfile", "study.yaml", cwd=folder)
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^rule (\w+):\n    input: (.*)", done.stdout + done.stderr, re.M)
    return {rule: set(files.split(", ")) for rule, files in found}


def test_the_report_waits_for_what_the_training_of_the_judge_leaves(jobs, read_by):
    assert not any("/judge/training/" in name for name in jobs["report_html"])
    files = [f"{stage}/{name}" for stage in ("iteration1-sft", "rl") for name in ("run.json", "monitor.csv")]
    files += ["pairs1.jsonl", "judgments1.jsonl"]
    assert {f"results/judge/training/{name}" for name in files} <= read_by["report_html"]


def test_judges_are_benchmarked_only_where_the_config_asks(jobs, read_by):
    names = {"benchmark_items", "benchmark_judge", "benchmark_table"}
    assert not names & set(jobs)
    assert names <= set(read_by)
    assert "results/data/validation.jsonl" in read_by["benchmark_items"]
    assert not any("/test/" in file or "/evaluation/" in file for name in names for file in read_by[name])
    assert "results/judge/benchmark/items.jsonl" in read_by["benchmark_judge"]
    assert "results/judge/benchmark.csv" in read_by["report_html"]
    assert not any(file.startswith("results/judge/benchmark") for file in read_by["train_rl"])


def test_without_sft_every_rule_reads_the_student_itself(tmp_path):
    raw = shipped() | {"sft": None}
    raw["judge"] = raw["judge"] | {"kind": "pairwise", "benchmark": {"questions": 50}}
    raw["judge"] |= {"self_taught": {"iterations": 1}, "rl": {"steps": 2}}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    done = snakemake("-n", "--quiet", "host", "--configfile", "study.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^rule (\w+):\n    input: (.*)\n    output: (.*)", done.stdout + done.stderr, re.M)
    read, written = defaultdict(set), defaultdict(set)
    for rule, inputs, outputs in found:
        read[rule] |= set(inputs.split(", "))
        written[rule] |= set(outputs.split(", "))
    student = str(ROOT / "resources/models/student")
    rules = ("judge_policy", "train_rl", "generate", "validate_base", "benchmark_items", "selection_pairs")
    assert all(student in read[rule] for rule in (*rules, "labeled_pairs", "contrasting_pairs"))
    assert "train_sft" not in read
    assert not any("runs/sft" in name for names in (*read.values(), *written.values()) for name in names)
    assert written["validate_base"] == {f"results/runs/base/{name}" for name in ("monitor.csv", "run.json")}
    assert "results/evaluation/base/main/samples.jsonl" in written["score"]
    assert "results/runs/base/run.json" in read["report_html"]
    listed = snakemake("-n", "sft", "--quiet", "host", "--configfile", "study.yaml", cwd=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert "rule validate_base:" in listed.stdout + listed.stderr


def test_jobs_ask_slurm_for_what_they_need(tmp_path):
    raw = shipped()
    raw["compute"] = {"gpus": 3, "processes": 2, "mem_mb": 5000, "runtime": 90}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    profile = ("--workflow-profile", str(ROOT / "profiles/slurm"))
    done = snakemake("-n", "--quiet", "host", *profile, "--configfile", "study.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    jobs = re.findall(r"^rule (\w+):.*?^    resources: (.*?)$", done.stdout + done.stderr, re.M | re.S)
    asked = {rule: set(resources.split(", ")) for rule, resources in jobs}
    gpus = {"train_sft": 2, "train_rl": 3, "judge_policy": 1, "judge_trained": 1, "generate": 1, "score": 1}
    gpus |= {"validate_base": 1}
    for rule, count in gpus.items():
        assert {"mem_mb=5000", "runtime=90", f"gpu={count}"} <= asked.pop(rule)
    assert {"prepare_data", "audit_data", "calibrate_judge", "compute_metrics", "report_html"} <= set(asked)
    for rule, resources in asked.items():
        assert {"mem_mb=1500", "runtime=30"} <= resources, rule
        assert not any(each.startswith("gpu") for each in resources), rule


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({"compute": {"gpus": 0}}, {"train_rl": 0, "generate": 0, "score": 0, "judge_policy": 0}),
        ({"evaluation": {"judge": False}}, {"score": 0, "judge_policy": 1}),
        ({"evaluation": {"vllm": {"tensor_parallel_size": 2}}}, {"generate": 2, "score": 1}),
        ({"judge": {"server": {"base_url": "http://x/v1"}}}, {"score": 0, "judge_policy": 1, "train_rl": 4}),
        ({"judge": {"server": {"serve": "job", "gpus": [1, 2]}}}, {"score": 4, "judge_policy": 4, "train_sft": 1}),
    ],
)
def test_a_job_holds_no_gpu_that_it_has_no_use_for(changes, counts):
    raw = shipped()
    raw["compute"] = {"gpus": 4}
    for section, values in changes.items():
        raw[section] = raw[section] | values
    resolved = resolve.resolve(raw, ROOT)
    assert {rule: RULES[rule].gpus(resolved) for rule in counts} == counts


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"rl": {"algoritms": ["grpo"]}}, "unknown key 'rl.algoritms'; did you mean 'rl.algorithms'?"),
        ({"rl": {"monitor": {"every": 5}}}, "unknown key 'rl.monitor'; it is now 'rl.validation'"),
        ({"rl": {"lambda": [0, 2]}}, "rl.lambda.1"),
        ({"data": {"train": {"reader": "gsm8k", "path": "missing.jsonl"}}}, "data.train.path: no such file or folder"),
        ({"student": {"model": "./nowhere"}}, "student.model: no such file or folder: ./nowhere"),
        ({"judge": {"benchmark": {"questions": 201}}}, "judge.benchmark.questions: 201 of 400 validation problems"),
        ({"results_dir": f"{ROOT}/docs"}, f"results_dir: {ROOT}/docs is in the project's folder docs"),
    ],
)
def test_a_wrong_config_is_told_before_any_job(tmp_path, monkeypatch, change, message):
    """By what the workflow calls first; that its error ends a dry-run with one line is the next test's."""
    monkeypatch.chdir(tmp_path)
    raw = shipped()
    for section, values in change.items():
        raw[section] = raw[section] | values if isinstance(values, dict) else values
    with pytest.raises(InputError, match=re.escape(message)):
        resolve.resolve(raw, ROOT)


def refused(folder, text: str, *more: str) -> str:
    """What a dry-run of this config says that it ends with."""
    (folder / "mine.yaml").write_text(text)
    done = snakemake("-n", "--configfile", "mine.yaml", *more, cwd=folder)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr + done.stdout


def test_a_wrong_config_ends_the_dry_run_with_one_line(tmp_path):
    raw = shipped()
    raw["student"] = {"model": "./nowhere"}
    assert "student.model: no such file or folder: ./nowhere" in refused(tmp_path, yaml.safe_dump(raw))


def test_files_that_say_something_else_than_they_seem_to_end_the_dry_run(tmp_path):
    """What Snakemake has merged shows none of this: the files are read again, as is the command line. All that is
    refused then is in tests/unit/study/test_config_files.py."""
    text = (ROOT / "config/config.yaml").read_text().replace("results_dir: results\n", "")
    nameless = text.replace("study: tiny\n", "")
    mine = text.replace("study: tiny\n", "study: mine\n")
    assert "mine.yaml: `study` is missing, so the results would overwrite the default study's" in refused(
        tmp_path, nameless
    )
    assert "mine.yaml:48: key 'rl' is given twice, first on line 29" in refused(tmp_path, mine + "rl: {steps: 3}\n")
    twice = refused(tmp_path, mine, "--config", "rl={steps: 3, steps: 4}")
    assert "--config: key 'rl.steps' is given twice" in twice
    renamed = refused(tmp_path, mine, "--config", "rl={kl_in: reward}")
    assert "unknown key 'rl.kl_in'; it is now 'rl.kl_placement'" in renamed


def test_a_gguf_student_is_converted_before_the_data_are_checked_and_sft_trains_it(tmp_path):
    raw = shipped()
    (tmp_path / "a.gguf").touch()
    raw["student"] = {"model": "a.gguf"}
    (tmp_path / "study.yaml").write_text(yaml.safe_dump(raw))
    done = snakemake("-n", "--quiet", "host", "--configfile", "study.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = re.findall(r"^rule (\w+):\n    input: (.*)\n    output: (.*)", done.stdout + done.stderr, re.M)
    jobs = {rule: (files.split(", "), made) for rule, files, made in found}
    assert jobs["convert_gguf"] == (["a.gguf"], "results/models/gguf/student")
    assert "results/models/gguf/student" in jobs["prepare_data"][0]
    assert "results/models/gguf/student" in jobs["train_sft"][0]


def test_overrides_alone_build_on_the_default_study(tmp_path):
    (tmp_path / "config").symlink_to(ROOT / "config")
    done = snakemake("-n", "--quiet", "host", "--config", "rl={lambda: [0.5]}", "results_dir=mine", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "mine/runs/grpo-lambda0.5-seed0/final" in done.stdout + done.stderr
    assert "results/runs" not in done.stdout + done.stderr


def scripts_of(module: str, answer_type: str = "number") -> set[str]:
    """Workflow scripts whose code digest covers a library module, in a study with answers of a type."""
    scripts = [path for path in SCRIPTS.glob("*.py") if "snakemake.script" in path.read_text()]
    unused = modules_of_other_types(answer_type) | {
        "gavel.judge.controls",
        "gavel.judge.panel",
        "gavel.judge.simulated",
        "gavel.study.named_judge",
        "gavel.training.rl.watchers",
    }
    return {path.stem for path in scripts if f"gavel.{module}" in closure(path, SCRIPTS / "gavel", unused)}


ASKS_THE_JUDGE = {
    "benchmark_judge",
    "control_examples",
    "judge_policy",
    "judgments",
    "replay_rollouts",
    "score",
    "train_judge",
    "train_rl",
}
# What an edit of a module reruns, by the names of the rules' scripts.
RERUNS = {
    # Observers, and what is merely reported.
    "common.log": set(),
    "common.redaction": set(),
    "jobs.serving": set(),
    "jobs.serving_process": set(),
    "jobs.snakemake_lock": set(),
    "tracking.exporter": set(),
    "tracking.job_record": set(),
    "tracking.store": set(),
    "tracking.study": set(),
    "tracking.tracker": set(),
    "common.environment": {"report_html"},
    # Types of rows: the code that writes and reads the rows is what counts.
    "data.records": set(),
    "evaluation.records": set(),
    "judge.records": set(),
    "models.records": set(),
    "judge_eval.records": set(),
    "training.records": set(),
    "training.judge.records": set(),
    # The data.
    "data.fields": {"prepare_data"},
    "data.normalise": {"audit_data", "prepare_data"},
    "data.tables": {"prepare_data"},
    # The judge: only the rules that ask one.
    "judge.label_judge": ASKS_THE_JUDGE,
    "judge.backends.cache": ASKS_THE_JUDGE,
    "judge.backends.local": ASKS_THE_JUDGE,
    "judge.backends.reasoning": ASKS_THE_JUDGE,
    "judge.backends.server": ASKS_THE_JUDGE,
    "judge.pairwise": ASKS_THE_JUDGE,
    "judge.ratings": ASKS_THE_JUDGE,
    "judge.single_token": ASKS_THE_JUDGE,
    "judge.simulated": set(),  # in a study without a simulated judge
    "judge.panel": set(),  # in a study without a panel
    "judge.controls": set(),  # in a run that is no control
    "judge_eval.signal": {"measure_signal"},
    "judge_eval.benchmark": {"benchmark_judge"},
    "judge_eval.benchmark_metrics": {"benchmark_table", "report_html", "compare_variants"},
    "judge_eval.calibration": {"calibrate_judge", "calibrate_trained", "gate_rl", "report_html", "compare_variants"},
    "judge_eval.pairs": {"checked_responses", "solution_pairs"},
    "judge_eval.checked_responses": {"checked_responses"},
    # The type of the study's answers, and a type that it does not have.
    "solutions.number_answers": {
        "calibrate_judge",
        "checked_responses",
        "contrasting_pairs",
        "control_examples",
        "judge_policy",
        "prepare_data",
        "replay_rollouts",
        "rollouts_table",
        "score",
        "scratch_judge",
        "scratch_student",
        "solution_pairs",
        "train_control",
        "train_rl",
        "train_sft",
        "validate_base",
    },
    "solutions.choice_answers": set(),
    # Training.
    "training.batches": {"train_control", "train_judge", "train_rl", "train_sft"},
    "training.settings": {"train_control", "train_judge", "train_rl", "train_sft"},
    "training.trl_config": {"train_control", "train_judge", "train_rl", "train_sft"},
    "training.control_examples": {"control_examples"},
    "training.base": {"validate_base"},
    "training.judge.judgments": {"judgments", "train_judge"},
    "training.judge.self_taught_settings": {"contrasting_pairs", "judgments", "train_judge"},
    "training.judge.settings": {"train_judge"},
    "training.judge.verifier": {"train_judge"},
    "training.judge.unlabeled_pairs": {"contrasting_pairs"},
    "training.rl.ppo": {"train_rl"},
    "training.rl.rewards": {"replay_rollouts", "rollouts_table", "train_rl"},
    "training.rl.settings": {"train_judge", "train_rl"},
    "training.rl.vllm_rollouts": {"train_rl"},
    "training.rl.watchers": set(),  # in a study without judges that watch
    # After training.
    "replay.study": {"replay_rollouts"},
    "replay.truth": {"rollouts_table"},
    "replay.questions_by_step": {"report_html", "compare_variants", "rollouts_table"},
    "evaluation.generate": {"generate"},
    "models.vllm_generation": {"generate"},
    "report.baseline": {"report_html", "compare_variants"},
    "report.page": {"report_html", "compare_variants"},
    "report.plots.results": {"report_html", "compare_variants"},
    "stats.voting": {
        "contrasting_pairs",
        "control_examples",
        "compute_metrics",
        "compare_variants",
        "report_html",
    },
    # Checked before the first job, and where a fetched model is checked.
    "study.checks": {"fetch"},
    "models.gguf": {"convert_gguf", "fetch", "report_html"},
}


@pytest.mark.parametrize("module", RERUNS)
def test_an_edit_reruns_what_it_affects(module):
    assert (SCRIPTS / "gavel" / f"{module.replace('.', '/')}.py").is_file()
    assert scripts_of(module) == RERUNS[module]


def test_the_verifier_and_the_sampler_rerun_no_more_than_they_must():
    training = {"train_sft", "train_rl"}
    assert {"score", "judge_policy"} | training <= scripts_of("solutions.verifier")
    assert not scripts_of("solutions.verifier") & {"generate", "compute_metrics", "report_html", "prepare_data"}
    assert {"generate"} | training <= scripts_of("models.sampling")
    assert not scripts_of("models.sampling") & {"prepare_data", "audit_data", "compute_metrics", "report_html"}


def test_a_type_of_answer_reruns_the_jobs_that_read_or_make_answers_in_studies_that_have_it():
    for module, answer_type, other in (
        ("solutions.choice_answers", "choice", "number"),
        ("solutions.number_answers", "number", "choice"),
    ):
        affected = scripts_of(module, answer_type)
        assert {"prepare_data", "train_sft", "train_rl", "judge_policy", "score"} <= affected
        assert not affected & {"generate", "audit_data", "compute_metrics", "report_html"}
        assert scripts_of(module, other) == set()


def test_sft_depends_on_no_judge_but_its_interface():
    modules = closure(SCRIPTS / "train_sft.py", SCRIPTS / "gavel")
    assert [name for name in modules if name.startswith("gavel.judge")] == ["gavel.judge", "gavel.judge.verdict"]


def test_the_interface_of_the_judge_and_its_table_of_kinds_import_nothing_of_the_library():
    for module in ("verdict", "kinds"):
        assert "gavel" not in (SCRIPTS / f"gavel/judge/{module}.py").read_text().split("import ", 1)[1]


def test_files_of_types_hold_nothing_else():
    """Or an edit of theirs could change a result and rerun nothing."""
    paths = list((SCRIPTS / "gavel").rglob("records.py"))
    assert {f"{path.relative_to(SCRIPTS / 'gavel').with_suffix('')}".replace("/", ".") for path in paths} == {
        name for name in RERUNS if name.endswith(".records")
    }
    for path in paths:
        for node in ast.parse(path.read_text()).body[1:]:
            if isinstance(node, ast.ImportFrom):
                assert node.module == "typing" or node.module.endswith(".records"), ast.unparse(node)
            elif isinstance(node, ast.ClassDef):
                fields = node.body[1:] if ast.get_docstring(node) else node.body
                assert all(isinstance(one, ast.AnnAssign) and one.value is None for one in fields), node.name
            else:
                assert isinstance(node, ast.Assign) and ast.unparse(node.value).startswith("TypedDict("), node.lineno


def test_a_package_is_its_docstring():
    for path in (SCRIPTS / "gavel").rglob("__init__.py"):
        body = ast.parse(path.read_text()).body
        rest = [ast.unparse(node) for node in body[1:]]
        assert isinstance(body[0], ast.Expr), path
        assert rest == (["__version__ = '0.1.0'"] if path.parent.name == "gavel" else []), path


def test_a_prompt_is_an_input_of_the_rules_that_read_it(jobs):
    solving, judging = (str(ROOT / f"resources/prompts/{name}.txt") for name in ("solve", "judge"))
    assert {rule for rule, files in jobs.items() if judging in files} == {
        "judge_policy", "judge_trained", "score", "train_rl",
    }  # fmt: skip
    assert {rule for rule, files in jobs.items() if solving in files} == {
        "generate", "judge_policy", "judge_trained", "train_rl", "train_sft", "validate_base",
    }  # fmt: skip
    assert not any(name.endswith(".txt") for path in (SCRIPTS / "gavel").rglob("*") for name in [path.name])


def test_every_rule_has_a_log_and_an_environment():
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        for rule in re.split(r"^ *rule ", path.read_text(), flags=re.M)[1:]:
            name = rule.split(":")[0]
            assert re.search(r"^ +log:", rule, re.M), name
            assert re.search(r"^ +conda:", rule, re.M), name
            assert not re.search(r"^ +run:", rule, re.M), name


def rules_of_the_workflow() -> dict[str, list[str]]:
    """Rule -> its texts in workflow/rules, more than one where a stage may be taken from another study."""
    found = defaultdict(list)
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        for text in re.split(r"^(?= *(?:rule |use rule ))", path.read_text(), flags=re.M)[1:]:
            within = len(text) - len(text.lstrip())  # a rule may stand in an `if`
            text = "\n".join(line[min(within, len(line) - len(line.lstrip())) :] for line in text.split("\n"))
            found[re.match(r"(?:use rule \w+ as |rule )(\w+)", text)[1]].append(text)
    return found


def test_the_table_of_rules_is_that_of_the_workflow():
    written = rules_of_the_workflow()
    assert set(RULES) == set(written)
    for name, texts in written.items():
        assert all(f'LAYOUT.log(RULES["{name}"])' in text for text in texts), name
        assert {text for part in texts for text in re.findall(r'RULES\["(\w+)"\]', part)} == {name}
        own = [text for text in texts if "share_stage.py" not in text]  # a shared stage is linked, which costs nothing
        for text in own:
            rule, asker = RULES[name], name
            if base := re.match(r"use rule (\w+) as", text):
                asker, text = base[1], text + "".join(written[base[1]])
            assert ("\n    benchmark:\n" in text) == (rule.benchmark is not None), name
            assert (f'asks_for("{asker}")' in text) == (rule.use is not None), name
            assert ("\n    resources:\n" in text) != rule.light, name
            assert ("COMPUTE" in text) == rule.parallel, name
            assert ("threads: RULES" in text) == (rule.threads is not None), name
            assert ("threads: THREADS" in text) == (not rule.light and rule.threads is None), name
    with pytest.raises(KeyError):
        RULES["train_grpo"]


def test_a_benchmark_file_leads_to_its_rule():
    files = {name: Layout("x").benchmark(rule) for name, rule in RULES.items() if rule.benchmark}
    shared = files["judge_policy"], files["judge_trained"]
    assert shared == ("x/benchmarks/judge.tsv", "x/benchmarks/judge/{run}.tsv")
    for name, path in files.items():
        below = path.removeprefix("x/benchmarks/").removesuffix(".tsv")
        assert rule_of_benchmark(re.sub(r"{\w+}", "some/thing", below)) == name
    assert rule_of_benchmark("metrics/sft") is None
    with pytest.raises(ValueError, match="no benchmark file"):
        Layout("x").benchmark(RULES["gate_rl"])


def test_a_jobs_log_has_its_names():
    files = Layout("x")
    assert files.log(RULES["train_rl"]) == "x/logs/rl/{run}.log"
    assert files.log(RULES["train_rl"], run="grpo-lambda1-seed0") == "x/logs/rl/grpo-lambda1-seed0.log"
    with pytest.raises(KeyError):
        files.log(RULES["train_rl"], stage="rl")


def test_scripts_are_thin():
    for path in SCRIPTS.glob("*.py"):
        if "snakemake.script" in path.read_text():
            assert len(path.read_text().splitlines()) <= 45, path.name
