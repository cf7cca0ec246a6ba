"""Write tasks, results and sample logs in the formats of lm-evaluation-harness (`gavel.data.lm_eval` reads its logs).

A task is `<name>.yaml` and the questions, `<name>.jsonl`, in a folder for `lm_eval --include_path`. Each question has
the complete prompt, so that the harness asks exactly what the study asked. The metric and two filters are those of the
harness's task `gsm8k`. A third, `gavel`, is Gavel's verifier (`gavel.data.lm_eval_filter`).

An output folder has a folder for each model, with `results_<time>.json` and for each task
`samples_<task>_<time>.jsonl`, as `lm_eval --output_path FOLDER --log_samples` leaves them.

Sources, of version 0.4.13: `lm_eval/result_schema.py`, `lm_eval/evaluator.py`, `lm_eval/evaluator_utils.py`,
`lm_eval/loggers/evaluation_tracker.py` and `lm_eval/tasks/gsm8k/gsm8k.yaml`.
"""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from math import sqrt
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple, TypedDict

import yaml

from gavel.common.files import write_json, write_jsonl, write_text
from gavel.data import lm_eval_filter
from gavel.data.lm_eval_filter import NO_ANSWER
from gavel.solutions.other_verifiers import FILTERS, IGNORED, Reading
from gavel.solutions.verifier import Format

GAVEL = "gavel"  # the filter that is Gavel's verifier
VERSION = 3.0  # of the harness's task `gsm8k`
METRIC = "exact_match"
FUNCTIONS = "gavel_filter"  # the module beside a task that has the filter's functions


class _Function(str):
    """A function in a task's YAML file, `module.name`."""


yaml.SafeDumper.add_representer(_Function, lambda dumper, value: dumper.represent_scalar("!function", value))


class Doc(TypedDict):
    """A question of a task; `answer` is the gold answer and `kind` the question's (`gavel.data.records.Record`)."""

    id: str
    question: str
    prompt: str
    answer: str
    kind: str | None


class HarnessTask(NamedTuple):
    """A test set as a task.

    Attributes:
        format: format of the responses.
        until: texts at which generation stops, besides the tokenizer's end token.
        max_new_tokens: maximum length of a response, in tokens.
        temperature: 0 for greedy responses.
        repeats: responses to each question.
    """

    name: str
    docs: list[Doc]
    format: Format
    until: list[str]
    max_new_tokens: int
    temperature: float = 0.0
    repeats: int = 1

    @property
    def generation(self) -> dict[str, Any]:
        """The harness's generation settings."""
        sampling = {"do_sample": self.temperature > 0, "temperature": self.temperature}
        return {"until": self.until, **sampling, "max_gen_toks": self.max_new_tokens}

    def config(self, folder: Path) -> dict[str, Any]:
        """The contents of the task's YAML file, whose questions are in `folder`."""
        filters: dict[str, dict[str, Any]] = {
            name: {"function": "regex", "group_select": filter.match, "regex_pattern": filter.pattern}
            for name, filter in FILTERS.items()
        }
        filters[GAVEL] = {"function": "custom", "filter_fn": _Function(f"{FUNCTIONS}.{self.format}")}
        return {
            "task": self.name,
            "dataset_path": "json",
            "dataset_kwargs": {"data_files": {"test": str(folder.resolve() / f"{self.name}.jsonl")}},
            "test_split": "test",
            "output_type": "generate_until",
            "doc_to_text": "{{prompt}}",
            "doc_to_target": "{{answer}}",
            "target_delimiter": "",
            "num_fewshot": 0,
            "generation_kwargs": self.generation,
            "repeats": self.repeats,
            "filter_list": [
                {"name": name, "filter": [filter, {"function": "take_first"}]} for name, filter in filters.items()
            ],
            "metric_list": [
                {
                    "metric": METRIC,
                    "aggregation": "mean",
                    "higher_is_better": True,
                    "ignore_case": True,
                    "ignore_punctuation": False,
                    "regexes_to_ignore": list(IGNORED),
                }
            ],
            "metadata": {"version": VERSION},
        }


class AnsweredTask(NamedTuple):
    """A task with a model's responses.

    Attributes:
        responses: to each question, `task.repeats` each.
        readings: filter -> what it found in each question's first response, in order; None if that is unknown, because
            a program did not run.
    """

    task: HarnessTask
    responses: list[list[str]]
    readings: Mapping[str, Sequence[Reading | None]]

    def rows(self) -> Iterator[dict[str, Any]]:
        """The task's sample log: the questions under each filter, without those whose reading is unknown."""
        for name, readings in self.readings.items():
            asked = zip(self.task.docs, self.responses, readings, strict=True)
            for number, (doc, responses, reading) in enumerate(asked):
                if reading is not None:
                    yield {
                        "doc_id": number,
                        "doc": doc,
                        "target": doc["answer"],
                        "arguments": {"gen_args_0": {"arg_0": doc["prompt"], "arg_1": self.task.generation}},
                        "resps": [responses],
                        "filtered_resps": [NO_ANSWER if reading.answer is None else reading.answer],
                        "filter": name,
                        "metrics": [METRIC],
                        "doc_hash": _digest(json.dumps(doc, indent=2, ensure_ascii=False)),
                        "prompt_hash": _digest(doc["prompt"]),
                        "target_hash": _digest(doc["answer"]),
                        METRIC: float(reading.correct),
                    }

    def metrics(self) -> dict[str, Any]:
        """The task's entry in `results`: each filter's mean and standard error."""
        found: dict[str, Any] = {"name": self.task.name, "alias": self.task.name, "sample_len": len(self.task.docs)}
        for name, readings in self.readings.items():
            values = [float(reading.correct) for reading in readings if reading is not None]
            if values:
                found[f"{METRIC},{name}"] = fmean(values)
                error = stdev(values) / sqrt(len(values)) if len(values) > 1 else "N/A"
                found[f"{METRIC}_stderr,{name}"] = error
        return found

    def digest(self) -> str:
        """The harness's digest of questions, prompts and gold answers; the same as of a run of its own on the task."""
        return _digest("".join(row["doc_hash"] + row["prompt_hash"] + row["target_hash"] for row in self.rows()))


def write_tasks(tasks: Sequence[HarnessTask], folder: Path) -> None:
    """Write tasks into a folder for `lm_eval --include_path`. The harness needs Gavel beside it for its filter."""
    source = (
        f'"""Written by Gavel: its verifier as a filter."""\n\nfrom {lm_eval_filter.__name__} import program, text\n'
    )
    write_text(folder / f"{FUNCTIONS}.py", source)
    for task in tasks:
        write_jsonl(folder / f"{task.name}.jsonl", task.docs)
        write_text(folder / f"{task.name}.yaml", yaml.safe_dump(task.config(folder), sort_keys=False))


def write_results(answered: Sequence[AnsweredTask], *, model: str, model_args: Mapping[str, Any], out: Path) -> Path:
    """Write a model's results and samples, and the tasks into the folder `tasks`.

    Args:
        model: its name, in the files and as a folder.
        model_args: arguments with which the harness would load it.
        out: the output folder.

    Returns:
        The results file.
    """
    write_tasks([each.task for each in answered], out / "tasks")
    now = datetime.now().astimezone()
    # The harness names files by the local time.
    time, folder = now.replace(tzinfo=None).isoformat(timespec="microseconds").replace(":", "-"), out / folder_of(model)
    by_name = {each.task.name: each for each in answered}
    for name, each in by_name.items():
        write_jsonl(folder / f"samples_{name}_{time}.jsonl", each.rows())
    results = {
        "results": {name: each.metrics() for name, each in by_name.items()},
        "group_subtasks": {},
        "configs": {name: each.task.config(out / "tasks") for name, each in sorted(by_name.items())},
        "versions": dict.fromkeys(sorted(by_name), VERSION),
        "n-shot": dict.fromkeys(sorted(by_name), 0),
        "higher_is_better": {name: {METRIC: True} for name in sorted(by_name)},
        "n-samples": {
            name: {"original": len(each.task.docs), "effective": len(each.task.docs)} for name, each in by_name.items()
        },
        "config": {"model": GAVEL, "model_args": dict(model_args)},
        "git_hash": None,
        "date": now.timestamp(),
        "lm_eval_version": None,  # the harness did not write this
        "task_hashes": {name: each.digest() for name, each in by_name.items()},
        "model_source": GAVEL,
        "model_name": model,
        "model_name_sanitized": folder_of(model),
        "system_instruction": None,
        "system_instruction_sha": None,
        "fewshot_as_multiturn": None,
        "chat_template": None,
        "chat_template_sha": None,
        "total_evaluation_time_seconds": None,
    }
    path = folder / f"results_{time}.json"
    write_json(path, results)
    return path


def folder_of(model: str) -> str:
    """The name of a model's folder, as the harness makes it from the model's name or path."""
    return re.sub(r'["<>:/|\\?*\[\]]+', "__", model)


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
