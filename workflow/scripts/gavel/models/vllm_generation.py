"""Sampling with vLLM, for evaluating models that are too large for `gavel.models.sampling`."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gavel.common.requirements import require_package
from gavel.common.seeding import prompt_seed
from gavel.models.loading import Student
from gavel.models.sampling import Sample, count_occurrences
from gavel.models.task import Task
from gavel.models.vllm_options import device_options

if TYPE_CHECKING:
    import vllm


@dataclass(frozen=True, slots=True)
class VllmSettings:
    """The config's `evaluation.vllm`. It has no defaults, because a resolved config holds every key.

    Attributes:
        gpu_memory_utilization: fraction of a GPU's memory for vLLM.
        tensor_parallel_size: GPUs per copy of the model.
        max_model_length: maximum length of prompt plus response, in tokens; None for the model's own.
    """

    gpu_memory_utilization: float
    tensor_parallel_size: int
    max_model_length: int | None


class VllmPolicy:
    """A checkpoint in vLLM, on this machine's GPUs or, with vLLM's build for CPUs, on its CPU.

    Every occurrence of a prompt has its own seed, so samples do not depend on the other prompts. They differ from those
    of `gavel.models.sampling`.

    Args:
        folder: checkpoint folder.
        student: how the checkpoint is loaded.
        task: what it is asked; its tokenizer is loaded for that.

    Raises:
        InputError: the package vllm is not installed, or the tokenizer cannot be loaded.
    """

    def __init__(self, folder: str, student: Student, task: Task, settings: VllmSettings):
        require_package("vllm", "evaluation.vllm")
        import vllm

        self.tokenizer, self.params = task.load_tokenizer(student, folder), vllm.SamplingParams
        self.engine = vllm.LLM(
            model=folder,
            dtype=student.dtype,
            trust_remote_code=False,
            gpu_memory_utilization=settings.gpu_memory_utilization,
            tensor_parallel_size=settings.tensor_parallel_size,
            max_model_len=settings.max_model_length,
            **device_options(own_seeds=True),
        )

    def solve(
        self,
        questions: Iterable[str],
        task: Task,
        *,
        n: int = 1,
        temperature: float = 0.0,
        greedy: bool = False,
        seed: int = 0,
    ) -> list[list[Sample]]:
        """As `gavel.models.policy.Policy.solve`; vLLM makes its own batches."""
        if greedy:
            asked = list(questions)
            first = self.solve(asked, task, seed=seed)
            others = self.solve(asked, task, n=n, temperature=temperature, seed=seed)
            return [[*one, *more] for one, more in zip(first, others, strict=True)]
        prompts = task.prompts(questions, self.tokenizer)
        encoded = task.encode(prompts, self.tokenizer)
        options = [
            self.params(
                n=n,
                temperature=temperature,
                max_tokens=task.max_new_tokens,
                seed=prompt_seed(seed, prompt, occurrence, 4),
                stop_token_ids=[self.tokenizer.eos_token_id],
            )
            for prompt, occurrence in zip(prompts, count_occurrences(prompts), strict=True)
        ]
        answers = self.engine.generate([{"prompt_token_ids": ids} for ids in encoded], options, use_tqdm=False)
        return [[self._sample(output) for output in answer.outputs] for answer in answers]

    def _sample(self, output: "vllm.CompletionOutput") -> Sample:
        ids = list(output.token_ids)
        finished = bool(ids) and ids[-1] == self.tokenizer.eos_token_id
        return Sample(ids, self.tokenizer.decode(ids, skip_special_tokens=True), finished)
