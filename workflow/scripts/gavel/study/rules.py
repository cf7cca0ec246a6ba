"""A table of the workflow's rules: log and benchmark files, and the resources that their jobs request.

The rule files, `gavel resources`, `gavel cost` and the report read it; a test checks that it matches the rule files. A
name that is not in the table is a `KeyError`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

# Resolved config -> how many of `compute.gpus` a job can use, if there are any.
GPUs = Callable[[dict[str, Any]], int]


def _all(study: dict[str, Any]) -> int:
    return int(study["compute"]["gpus"])


def _one(study: dict[str, Any]) -> int:
    return 1


def _processes(study: dict[str, Any]) -> int:
    return int(study["compute"]["processes"])


def _sampler(study: dict[str, Any]) -> int:
    vllm = study["evaluation"]["vllm"]
    return vllm["tensor_parallel_size"] if vllm else 1


def _own_server(study: dict[str, Any]) -> bool:
    """Whether each job that asks the judge starts its own server, whose GPUs are part of the job's."""
    server = study["judge"]["server"]
    return bool(server) and server["serve"] == "job"


def _policy_and_judge(study: dict[str, Any]) -> int:
    return _all(study) if _own_server(study) else 1


def _judge(study: dict[str, Any]) -> int:
    judge = study["judge"]
    here = bool(judge["panel"]) or (judge["model"] is not None and not judge["server"])
    return _all(study) if _own_server(study) else int(here)


def _judge_if_asked(study: dict[str, Any]) -> int:
    return _judge(study) if study["evaluation"]["judge"] else 0


@dataclass(frozen=True)
class Rule:
    """A rule of the workflow.

    Attributes:
        log: log file below `logs/`, without `.log`; a job's wildcards in braces (`gavel.study.layout.Layout.log`).
        benchmark: Snakemake's benchmark file below `benchmarks/`, without `.tsv`; None if the rule has none.
        light: requests the profile's `default-resources`, one thread and no GPU; other rules request `compute`.
        threads: if they differ from `compute.threads`.
        parallel: `compute.processes` share a job's work.
        use: how many GPUs a job can use; None if it uses none.
    """

    log: str
    benchmark: str | None = None
    light: bool = False
    threads: int | None = None
    parallel: bool = False
    use: GPUs | None = None

    @property
    def group(self) -> str:
        """The file or folder in `benchmarks/` for this rule; related rules may share a folder."""
        return (self.benchmark or "").partition("/")[0]

    def gpus(self, study: dict[str, Any]) -> int:
        """How many of `compute.gpus` a job requests; 0 if the study has none.

        Args:
            study: the resolved config.
        """
        return self.use(study) if self.use and study["compute"]["gpus"] else 0


RULES = {
    "fetch": Rule("hub/{what}", "hub/{what}", light=True),
    "prepare_data": Rule("data", "data", light=True),
    "audit_data": Rule("audit", "audit", light=True),
    "scratch_student": Rule("scratch-student", "scratch-student", threads=4),
    "scratch_judge": Rule("scratch-judge", "scratch-judge"),
    "convert_gguf": Rule("gguf/{which}", "gguf/{which}"),
    "train_sft": Rule("sft", "sft", parallel=True, use=_processes),
    "validate_base": Rule("base", "base", use=_one),
    "judge_policy": Rule("judge", "judge", use=_policy_and_judge),
    "judge_trained": Rule("judge/{run}", "judge/{run}", use=_policy_and_judge),
    "calibrate_judge": Rule("calibration", light=True),
    "measure_signal": Rule("signal", light=True),
    "gate_rl": Rule("gate", light=True),
    "calibrate_trained": Rule("policies", light=True),
    "selection_pairs": Rule("judge-training/selection-pairs", "selection_pairs", use=_one),
    "labeled_pairs": Rule("judge-training/labelled-pairs", "labelled_pairs", use=_one),
    "labeled_responses": Rule("judge-training/labelled-responses", "labelled_responses", use=_one),
    "selection_responses": Rule("judge-training/selection-responses", "selection_responses", use=_one),
    "contrasting_pairs": Rule("judge-training/pairs{iteration}", "contrasting_pairs/{iteration}", use=_one),
    "judgments": Rule("judge-training/judgments{iteration}", "judgments/{iteration}", use=_one),
    "train_judge": Rule("judge-training/{stage}", "train_judge/{stage}", parallel=True, use=_processes),
    "benchmark_items": Rule("judge-benchmark/items", "benchmark_items", use=_one),
    "benchmark_judge": Rule("judge-benchmark/{judge}", "benchmark_judge/{judge}", use=_judge),
    "benchmark_table": Rule("judge-benchmark/table", light=True),
    "train_rl": Rule("rl/{run}", "rl/{run}", parallel=True, use=_all),
    "control_examples": Rule("controls/{run}-examples", "control_examples/{run}", use=_policy_and_judge),
    "train_control": Rule("controls/{run}", "controls/{run}", parallel=True, use=_processes),
    "rollouts_table": Rule("rollouts", light=True),
    "replay_rollouts": Rule("replay/{judge}", "replay/{judge}", use=_all),  # a judge's own server may need them all
    "generate": Rule("generate/{run}", "generate/{run}", use=_sampler),
    "share_responses": Rule("shared-responses", light=True),
    "score": Rule("score/{run}", "score/{run}", use=_judge_if_asked),
    "compute_metrics": Rule("metrics", "metrics", light=True),
    "report_html": Rule("report", light=True),
    "compare_variants": Rule("comparison", light=True),
}


def rule_of_benchmark(file: str) -> str | None:
    """The rule that wrote a benchmark file, such as `rl/grpo-lambda1-seed0`; None if no rule writes it.

    Args:
        file: path below `benchmarks/`, without its suffix; `judge` and `judge/<run>` belong to different rules.
    """
    group, below, _ = file.partition("/")
    for name, rule in RULES.items():
        if rule.benchmark and (rule.group, "/" in rule.benchmark) == (group, bool(below)):
            return name
    return None
