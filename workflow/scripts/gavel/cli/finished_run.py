"""What `gavel export` and `gavel harness` read of a finished run: its checkpoint, its test samples, and its test sets
as tasks of lm-evaluation-harness."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl
from gavel.data.lm_eval_files import GAVEL, AnsweredTask, Doc, HarnessTask
from gavel.evaluation.records import ScoredSample
from gavel.solutions.other_verifiers import FILTERS, Reading, by_filter, with_answer
from gavel.solutions.verifier import Format
from gavel.study import layout, params
from gavel.study.finished import read_config
from gavel.study.layout import Layout

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from gavel.models.task import Task

SAMPLED = "_sampled"  # ends the names of tasks with the sampled responses


class Question(NamedTuple):
    """A test question with its scored responses: the greedy one, and the sampled ones."""

    greedy: ScoredSample
    sampled: list[ScoredSample]


class FinishedRun:
    """A run of a finished study, whose main checkpoint has been evaluated.

    Args:
        results: the study's results folder, which may have been moved.
        run: the baseline, or a run of the grid or of the controls.

    Raises:
        InputError: there is no finished study or no such run, or its answers are not numbers, which are all that the
            harness's filters read.
    """

    def __init__(self, results: str, run: str) -> None:
        self.config, self.files, self.run = read_config(results) | {"results_dir": results}, Layout(results), run
        runs = layout.runs(self.config)
        if run not in runs:
            raise InputError(f"{results}: no run {run!r}; choose from {', '.join(runs)}")
        if self.config["data"]["answer_type"] != "number":
            raise InputError(
                f"{results}: data.answer_type is {self.config['data']['answer_type']!r}, but lm-evaluation-harness's "
                "filters for GSM8K read numbers"
            )

    @property
    def name(self) -> str:
        """The run's name in the harness's files."""
        return f"{self.config['study']}/{self.run}"

    @property
    def checkpoint(self) -> str:
        """The folder of the main checkpoint."""
        return layout.checkpoints(self.config)[self.run].main

    @property
    def model_args(self) -> dict[str, Any]:
        """How the harness loads the checkpoint."""
        arguments = {"pretrained": self.checkpoint, "dtype": self.config["student"]["dtype"]}
        # A chat template has the special tokens already.
        return arguments | ({} if self._task.special_tokens else {"add_bos_token": False})

    @property
    def format(self) -> Format:
        """Format of the responses, `text` or `program`."""
        return self.config["solution"]["format"]

    @property
    def tests(self) -> list[str]:
        """Names of the test sets."""
        return list(self.config["data"]["tests"])

    def task_name(self, test: str) -> str:
        return f"{self.config['study']}_{test}"

    def questions(self, test: str) -> list[Question]:
        """The scored samples of a test set. Raises `InputError` if there are none."""
        path = self.files.evaluation(self.run, test).samples
        if not Path(path).is_file():
            raise InputError(f"{path}: no such file; the run is not evaluated yet: `gavel run` the study to its end")
        rows = (cast(ScoredSample, row) for row in read_jsonl(path))
        groups = [list(group) for _, group in groupby(rows, key=lambda row: row["id"])]
        return [Question(first, rest) for first, *rest in groups]

    def task(self, test: str, questions: Sequence[Question]) -> HarnessTask:
        """A test set as a task for greedy responses, with exactly the prompts that the student read."""
        rows = [question.greedy for question in questions]
        asked = self._prompts([row["question"] for row in rows])
        docs = [
            Doc(id=row["id"], question=row["question"], prompt=prompt, answer=row["gold"], kind=row["kind"])
            for row, prompt in zip(rows, asked, strict=True)
        ]
        return HarnessTask(self.task_name(test), docs, self.format, self._until, self._task.max_new_tokens)

    def answered(self, test: str, append_answers: bool) -> list[AnsweredTask]:
        """A test set as tasks with the run's responses: one with the greedy ones, one with the sampled ones, if any.

        Args:
            append_answers: write what each program returns below it (`with_answer`).
        """
        questions = self.questions(test)
        task = self.task(test, questions)
        made = [_answered(task, [[question.greedy] for question in questions], append_answers)]
        if several := [question for question in questions if question.sampled]:
            task = self.task(test, several)
            temperature, repeats = self.config["evaluation"]["temperature"], len(several[0].sampled)
            task = task._replace(name=task.name + SAMPLED, temperature=temperature, repeats=repeats)
            made.append(_answered(task, [question.sampled for question in several], append_answers))
        return made

    @cached_property
    def _task(self) -> "Task":
        from gavel.models.task import Task

        return Task.from_config(params.solution(self.config))

    @cached_property
    def _tokenizer(self) -> "PreTrainedTokenizerBase | None":
        """The checkpoint's tokenizer, which only prompts with a chat template need."""
        if not self._task.chat:
            return None
        from gavel.models.loading import Student  # torch takes seconds

        tokens: Mapping[str, Any] = {key: self.config["student"][key] for key in ("pad_token", "eos_token")}
        return self._task.load_tokenizer(Student(**tokens), self.checkpoint)

    @property
    def _until(self) -> list[str]:
        """The end token, if it is not the one that the checkpoint's own tokenizer names."""
        end = self._tokenizer.eos_token if self._tokenizer else self.config["student"]["eos_token"]
        return [end] if end else []

    def _prompts(self, questions: Sequence[str]) -> list[str]:
        return self._task.prompts(questions, cast("PreTrainedTokenizerBase", self._tokenizer))


def _answered(task: HarnessTask, samples: Sequence[Sequence[ScoredSample]], append_answers: bool) -> AnsweredTask:
    responses = [
        [with_answer(row["response"], row["answer"]) if append_answers else row["response"] for row in rows]
        for rows in samples
    ]
    readings: dict[str, list[Reading | None]] = {
        name: [by_filter(filter)(texts[0], doc["answer"]) for texts, doc in zip(responses, task.docs, strict=True)]
        for name, filter in FILTERS.items()
    }
    firsts = [rows[0] for rows in samples]
    readings[GAVEL] = [None if row["correct"] is None else Reading(row["answer"], row["correct"]) for row in firsts]
    return AnsweredTask(task, responses, readings)
