"""Train a judge: a pairwise one by imitating judgments (SFT), from preferences between judgments (DPO) or by GRPO, and
a single-token one by SFT on responses that are known to be right or wrong (`gavel.training.judge.verifier`).

`sft` and `dpo` train on judgments (`gavel.training.judge.judgments`), as the self-taught evaluators of Wang et al. 2024
(arXiv 2408.02666) do one after the other. `grpo` needs only pairs with a known better solution, as do the reward
reasoning models of Guo et al. 2025 (arXiv 2505.14674). The judge's reward is +1 if it prefers the correct solution and
-1 if it does not, and its reasoning is unconstrained. We have read the README and configs of the former's code, and the
abstract and reviews of the latter. The trainers are TRL's. A judge is selected, like a student, by its accuracy on
validation pairs, or a single-token one by its AUC within validation questions.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, cast

from datasets import Dataset
from transformers import PreTrainedModel, PreTrainedTokenizerBase, Trainer
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

from gavel.common.errors import InputError
from gavel.common.files import read_jsonl
from gavel.common.journal import Mirror
from gavel.common.seeding import cycle_shuffled
from gavel.jobs.launch import RunFolders
from gavel.judge.pairwise import PairwiseJudge
from gavel.judge.records import CheckedResponse, Pair
from gavel.judge.single_token import SingleTokenJudge
from gavel.models import loading
from gavel.models.context import check_texts
from gavel.stats.intervals import clustered_mean
from gavel.training import distributed, lora, trl_config
from gavel.training.callback import RunCallback, finish_run
from gavel.training.judge.judgments import both_orders, dpo_examples, load_pairwise, sft_examples
from gavel.training.judge.records import Judgment
from gavel.training.judge.settings import JudgeDPOSettings, JudgeRLSettings, JudgeSFTSettings, JudgeTrainingSettings
from gavel.training.judge.verifier import AucWithin, verifier_examples
from gavel.training.records import JudgeSummary
from gavel.training.rl import algorithms
from gavel.training.rl.algorithms import Passes
from gavel.training.rl.grpo import PackedGRPOTrainer
from gavel.training.rl.grpo_config import trainer_config
from gavel.training.rl.rollout import Rollout
from gavel.training.state import RunState

VERDICT_TOKENS = 16  # room for the cue between a reasoning and the label word, and for the label word


class PreferenceReward:
    """GRPO's reward of judgments: +1 if the label word after the cue is the correct one, else -1.

    Guo et al. 2025 reward with +1 and -1; a judgment without a label word has not preferred the correct solution.
    """

    __name__ = "preferred"

    def __init__(self, cue: str):
        self.cue = cue

    def __call__(self, completions: Sequence[str], label: Sequence[str], **trl: Any) -> list[float]:
        reached = [self.verdict(text) == own.strip() for text, own in zip(completions, label, strict=True)]
        if log := trl.get("log_metric"):
            log("preferred", sum(reached) / len(reached))
        return [1.0 if one else -1.0 for one in reached]

    def verdict(self, text: str) -> str | None:
        """The word after the cue; for a direct judge the first word."""
        after = text if not self.cue.strip() else text.partition(self.cue.strip())[2]
        return next(iter(after.split()), None)


@dataclass(frozen=True)
class Setup:
    """What a TRL trainer is built from.

    Attributes:
        judge: the judge before training; it defines the prompts.
        examples: training examples, of the method's `examples`.
        steps: optimiser steps.
        folder: of the checkpoints.
        key: the config section of the method's settings.
    """

    model: PreTrainedModel
    judge: PairwiseJudge | SingleTokenJudge
    examples: Sequence[dict[str, Any]]
    settings: JudgeTrainingSettings
    steps: int
    folder: Path
    callback: RunCallback
    key: str

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        return self.judge.in_process_backend.tokenizer

    @property
    def warmup(self) -> int:
        """At most a quarter of the steps: the first warm-up step moves nothing, and few examples give few steps."""
        return min(self.settings.warmup, self.steps // 4)

    def config(self, kind: type[trl_config.Config], **options: Any) -> trl_config.Config:
        """TRL's configuration for SFT or DPO."""
        settings = self.settings
        assert isinstance(settings, JudgeSFTSettings)  # or DPO's
        own = {"max_steps": self.steps, "warmup_steps": self.warmup, "seed": settings.seed}
        return trl_config.supervised(kind, settings, self.folder, self.key, **own, **options)

    def trainer_arguments(self, config: SFTConfig | DPOConfig) -> dict[str, Any]:
        """Arguments of TRL's SFT and DPO trainers besides the model."""
        return {
            "args": config,
            "train_dataset": Dataset.from_list(list(self.examples)),
            "processing_class": self.tokenizer,
            "callbacks": [self.callback],
            "peft_config": lora.adapters(self.settings.lora, f"{self.key}.lora"),
        }


def _sft(setup: Setup) -> SFTTrainer:
    tokens = {"eos_token": setup.tokenizer.eos_token, "pad_token": setup.tokenizer.pad_token}
    config = setup.config(SFTConfig, completion_only_loss=True, **tokens)
    return SFTTrainer(setup.model, **setup.trainer_arguments(config))


def _dpo(setup: Setup) -> DPOTrainer:
    """DPO plus an SFT loss on the chosen judgment, which Wang et al. weight by 1.5 at a beta of 0.1."""
    settings = setup.settings
    assert isinstance(settings, JudgeDPOSettings)
    nll = settings.nll_coefficient
    config = setup.config(
        DPOConfig,
        beta=settings.beta,
        loss_type=["sigmoid", "sft"] if nll else ["sigmoid"],
        loss_weights=[1.0, nll] if nll else None,
        pad_token=setup.tokenizer.pad_token,
    )
    return DPOTrainer(setup.model, **setup.trainer_arguments(config))


def _grpo(setup: Setup) -> PackedGRPOTrainer:
    kind, settings = algorithms.get("grpo"), setup.settings
    assert isinstance(settings, JudgeRLSettings) and isinstance(setup.judge, PairwiseJudge)
    settings = replace(settings, warmup=setup.warmup)
    longest, folder = _longest_judgment(setup.judge), str(setup.folder)
    config = trainer_config(kind, settings, Passes(1, 1), longest, settings.seed, folder)
    cue = both_orders(setup.judge, [{"id": "", "prompt": "", "chosen": "", "rejected": ""}])[0].cue
    special_tokens = not setup.judge.in_process_backend.chat
    return PackedGRPOTrainer(
        model=setup.model,
        reward_funcs=PreferenceReward(cue),
        args=config,
        train_dataset=Dataset.from_list(_repeated(setup.examples, settings)),
        processing_class=setup.tokenizer,
        callbacks=[setup.callback],
        rollout_func=Rollout(settings.seed, 1, settings.generation_batch_size, special_tokens=special_tokens),
        peft_config=lora.adapters(settings.lora, f"{setup.key}.lora"),
    )


def _longest_judgment(judge: PairwiseJudge) -> int:
    """The most tokens that the judge may write, including its label word."""
    return judge.reasoner.max_new_tokens + VERDICT_TOKENS if judge.reasoner else 1


def _repeated(examples: Sequence[dict[str, Any]], settings: JudgeRLSettings) -> list[dict[str, Any]]:
    """As many prompts as all steps need, reshuffled whenever they run out."""
    stream = cycle_shuffled(examples, f"judge-{settings.seed}")
    return [next(stream) for _ in range(settings.steps * settings.prompts_per_step)]


class PairAccuracy:
    """How often a judge prefers the correct solution of a pair, averaged over both orders; ties count half.

    Args:
        settings: keyword arguments of `gavel.judge.load.load`.
    """

    def __init__(self, settings: dict[str, Any], pairs: Sequence[Pair]):
        self.judge = load_pairwise(settings)
        self.pairs = pairs

    def __call__(self, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, step: int) -> dict[str, float]:
        """The accuracy as `greedy`, by which the best step is selected, and the position bias."""
        training = model.training
        model.eval()  # neither dropout nor recomputed activations, which would lose the prompts' shared prefix
        self.judge = self.judge.with_model(model)  # its own model is no longer needed
        answers = self.judge.compare([(pair["prompt"], pair["chosen"], pair["rejected"]) for pair in self.pairs])
        comparisons = [answer for answer in answers if answer is not None]  # a model in this process answers everything
        model.train(training)
        won = [(comparison.probability > 0.5) + 0.5 * (comparison.probability == 0.5) for comparison in comparisons]
        low, high = clustered_mean([pair["prompt"] for pair in self.pairs], won)
        n = len(comparisons)
        return {"greedy": sum(won) / n, "greedy_low": low, "greedy_high": high, "n": n} | {
            "first_bias": sum(comparison.first for comparison in comparisons) / n - 0.5,
            "flipped": sum(comparison.flipped for comparison in comparisons) / n,
        }


def _sft_examples(judge: PairwiseJudge, rows: Sequence[Judgment], seed: int) -> list[dict[str, Any]]:
    return _without_bos(judge, sft_examples(rows, seed))


def _dpo_examples(judge: PairwiseJudge, rows: Sequence[Judgment], seed: int) -> list[dict[str, Any]]:
    return _without_bos(judge, dpo_examples(rows, seed))


def _grpo_examples(judge: PairwiseJudge, rows: Sequence[Pair], seed: int) -> list[dict[str, Any]]:
    model = judge.in_process_backend
    return [{"prompt": model.apply_template(one.prompt), "label": one.label} for one in both_orders(judge, rows)]


def _verifier_examples(judge: SingleTokenJudge, rows: Sequence[CheckedResponse], seed: int) -> list[dict[str, Any]]:
    return _without_bos(judge, verifier_examples(judge, rows))  # balanced and in random order already


class Method(NamedTuple):
    """A way to train a judge.

    Attributes:
        key: the config section of its settings.
        trainer: TRL's.
        validation: validates a judge on the file `selection`; its `greedy` value selects the best step.
        examples: `(judge, rows of the file `data`, seed) -> examples`.
        nothing_to_learn: why there may be no examples, and what to do.
        required: whether the study ends without examples; otherwise the judge stays as it is.
        validations: of one training, unless `validate_every` is set.
    """

    key: str
    trainer: Callable[[Setup], Trainer]
    validation: Callable[[dict[str, Any], Any], "PairAccuracy | AucWithin"]
    examples: Callable[[Any, Any, int], list[dict[str, Any]]]
    nothing_to_learn: str
    required: bool = False
    validations: int = 1


METHODS = {
    "sft": Method(
        "judge.self_taught.sft",
        _sft,
        PairAccuracy,
        _sft_examples,
        "the judgments that reached the better solution do not have both label words; raise "
        "judge.self_taught.questions or samples",
    ),
    "dpo": Method(
        "judge.self_taught.dpo",
        _dpo,
        PairAccuracy,
        _dpo_examples,
        "too few pairs have judgments that reached the better solution and others that did not; raise "
        "judge.self_taught.questions, samples or temperature, or leave DPO out (dpo: null)",
    ),
    "grpo": Method(
        "judge.rl",
        _grpo,
        PairAccuracy,
        _grpo_examples,
        "no labelled question has both a correct and an incorrect solution; raise judge.rl.samples",
        required=True,
    ),
    "verifier": Method(
        "judge.verifier",
        _sft,
        AucWithin,
        _verifier_examples,
        "no labelled question has both a right and a wrong response; raise judge.verifier.samples",
        required=True,
        validations=10,
    ),
}


def train(
    *,
    method: str,
    start: str,
    judge_settings: dict[str, Any],
    data: str,
    selection: str,
    run: RunFolders,
    settings: JudgeTrainingSettings,
    name: str,
    mirror: Mirror | None = None,
) -> JudgeSummary:
    """Train a judge, or resume from its last checkpoint.

    Called with the same arguments in every process that trains; the main one writes.

    Args:
        method: a key of `METHODS`.
        start: folder or hub name of the judge to train.
        judge_settings: keyword arguments of `gavel.judge.load.load`; the model in them is not used.
        data: JSONL file of judgments, for `grpo` of pairs `{"id", "prompt", "chosen", "rejected"}`, for `verifier` of
            rows `gavel.judge.records.CheckedResponse`.
        selection: JSONL file of such pairs, or for `verifier` of such rows, from validation questions.
        settings: the method's.

    Returns:
        What `run.json` holds; `untrained` gives the reason if the judge was left unchanged.

    Raises:
        InputError: `grpo` or `verifier` has nothing to learn from, or a text does not fit the judge's context.
    """
    about, rows, selected_on = METHODS[method], list(read_jsonl(data)), list(read_jsonl(selection))
    asked = judge_settings | {"model": start, "cache": None}
    validation = about.validation(asked, selected_on)
    judge, tokenizer = validation.judge, validation.judge.in_process_backend.tokenizer
    examples = about.examples(judge, rows, settings.seed)
    _check_context(judge, rows, examples, data, start)
    if not examples and about.required:
        raise InputError(f"{data}: nothing for {method} to learn from: {about.nothing_to_learn}")
    state = distributed.on_main(lambda: RunState(run.state, run.digest))
    steps = _steps(settings, len(examples))
    every = settings.validate_every or max(1, steps // about.validations)
    callback = RunCallback(
        state, tokenizer, validation, steps=steps, validate_every=every, save_every=every, mirror=mirror
    )
    # A separate copy, or the judge that validates would share the model in training before a checkpoint is loaded.
    model = loading.load_model(start, dtype=asked["dtype"], revision=asked.get("revision"))
    if examples:
        setup = Setup(model, judge, examples, settings, steps, state.checkpoints, callback, about.key)
        trained, untrained = _fit(about.trainer(setup), state)
    else:  # a judge that is right on every pair, or on none, does not end the study
        callback.begin(model, 0)
        trained, untrained = model, f"nothing to learn from: {about.nothing_to_learn}"
    summary: dict[str, Any] = {"run": name, "algorithm": method, "lambda": None, "seed": settings.seed, "steps": steps}
    summary |= {"examples": len(examples), "selected_on": len(selected_on), "settings": asdict(settings)}
    summary |= {"seconds": callback.seconds()} | ({"untrained": untrained} if untrained else {})
    return cast(JudgeSummary, finish_run(state, trained, tokenizer, Path(run.output), summary, mirror))


def _steps(settings: JudgeTrainingSettings, examples: int) -> int:
    """Optimiser steps; none without examples."""
    if not examples:
        return 0
    if isinstance(settings, JudgeRLSettings):
        return settings.steps
    return settings.steps or max(1, examples * settings.epochs // settings.batch_size)


def _fit(trainer: Trainer, state: RunState) -> tuple[PreTrainedModel, str | None]:
    """Train, or resume; returns the trained judge, and why it has learned nothing, if so."""
    trl_config.resume(trainer, state)
    zero_spread = [row["frac_reward_zero_std"] for row in trainer.state.log_history if "frac_reward_zero_std" in row]
    if zero_spread and min(zero_spread) == 1:
        return trainer.model, "all judgments of each prompt got the same reward; raise judge.rl.temperature"
    return trainer.model, None


def _check_context(
    judge: PairwiseJudge | SingleTokenJudge,
    rows: Sequence[Any],
    examples: Sequence[dict[str, Any]],
    data: str,
    model: str,
) -> None:
    """Raises `InputError` if a judgment, or a prompt with what is to be written, does not fit the judge's context."""
    room = 0
    texts = [(row["id"], row["prompt"] + row["judgment"]) for row in rows if "judgment" in row]
    if not texts and isinstance(judge, PairwiseJudge):  # pairs, each asked in both orders
        texts = [(rows[place // 2]["id"], example["prompt"]) for place, example in enumerate(examples)]
        room = _longest_judgment(judge)
    elif not texts:
        prompts = (example["prompt"] + example["completion"] for example in examples)
        texts = list(zip((row["id"] for row in rows), prompts, strict=True))
    check_texts(texts, source=data, model=model, tokenizer=judge.in_process_backend.tokenizer, room=room)


def _without_bos(judge: PairwiseJudge | SingleTokenJudge, examples: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Examples for TRL, which has the tokenizer add what a chat template has already put before a prompt."""
    model = judge.in_process_backend
    own = _added(model.tokenizer) if model.chat else ""
    return [example | {"prompt": example["prompt"].removeprefix(own)} for example in examples]


def _added(tokenizer: PreTrainedTokenizerBase) -> str:
    """What a tokenizer puts before every text: TRL has it added, and a chat template has already done so."""
    return tokenizer.bos_token if tokenizer.bos_token_id in tokenizer("")["input_ids"] else ""
