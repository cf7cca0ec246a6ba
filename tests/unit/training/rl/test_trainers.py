"""RL's own parts: the order of questions, batch arithmetic, and the critic's trainer on TRL's seams."""

import inspect
import math
from dataclasses import replace

import pytest
import torch
from datasets import Dataset
from trl import GRPOTrainer

from gavel.common.dataclass_config import from_section
from gavel.common.errors import InputError
from gavel.judge.verdict import Judge, Verdict
from gavel.models import loading
from gavel.study import params
from gavel.study.schema import training
from gavel.training.rl import algorithms, grpo_config
from gavel.training.rl import rollout as rl_rollout
from gavel.training.rl.algorithms import Passes
from gavel.training.rl.grpo import PackedGRPOTrainer
from gavel.training.rl.ppo import Critic, PPOTrainer
from gavel.training.rl.rewards import LambdaSchedule, MissingRewards, MixedReward, RewardRules
from gavel.training.rl.settings import RLSettings
from helpers import gradients

LABELED = [{"id": f"l{i}", "question": f"l{i}", "gold": str(i)} for i in range(5)]
UNLABELED = [{"id": f"u{i}", "question": f"u{i}", "gold": None} for i in range(7)]
SECTION = training.Rl(steps=2, prompts_per_step=2, num_generations=4, warmup=0, generation_batch_size=64)
SETTINGS = from_section(RLSettings, params.rl({"rl": SECTION.model_dump(by_alias=True)}), "rl")


def order(lam, **changes):
    values = {"steps": 3, "per_step": 4, "labeled_fraction": 0.5, "seed": 0} | changes
    return rl_rollout.question_order(LABELED, UNLABELED, lam=lam, **values)


def test_every_step_takes_its_share_of_both_pools():
    rows = order(0.5)
    for step in range(3):
        assert [row["labeled"] for row in rows[4 * step : 4 * step + 4]] == [True, True, False, False]


def test_at_lambda_one_all_questions_are_labelled():
    assert all(row["labeled"] and row["gold"] is not None for row in order(1.0))


def test_at_lambda_zero_no_answer_leaves_the_file():
    rows = order(0.0)
    assert {row["gold"] for row in rows} == {None}
    assert any(row["labeled"] for row in rows)


def test_a_pool_is_used_up_before_a_question_comes_again():
    first = [row["question"] for row in order(1.0, steps=5, per_step=1)]
    assert sorted(first) == [row["question"] for row in LABELED]


def test_cells_with_the_same_seed_see_the_same_questions():
    assert [r["question"] for r in order(0.5)] == [r["question"] for r in order(0.25)]
    assert [r["question"] for r in order(0.5)] != [r["question"] for r in order(0.5, seed=1)]


def test_an_empty_pool_that_is_needed_is_an_error():
    with pytest.raises(InputError, match=r"data.unlabeled: no questions, but every step at lambda 0.5 takes 2"):
        rl_rollout.question_order(LABELED, [], lam=0.5, steps=1, per_step=4, labeled_fraction=0.5, seed=0)


def test_completions_must_divide_into_batches(tmp_path):
    with pytest.raises(InputError, match="8 completions a step"):
        grpo_config.trainer_config(
            algorithms.get("grpo"), replace(SETTINGS, micro_batch_size=3), Passes(1, 1), 8, 0, str(tmp_path)
        )


@pytest.mark.parametrize(("epochs", "minibatches", "micro"), [(1, 1, None), (1, 1, 2), (2, 2, None), (2, 2, 2)])
def test_one_rollout_a_step_whatever_the_batching(tmp_path, epochs, minibatches, micro):
    settings, passes = replace(SETTINGS, micro_batch_size=micro), Passes(epochs, minibatches)
    made = grpo_config.trainer_config(algorithms.get("grpo"), settings, passes, 8, 0, str(tmp_path))
    assert made.per_device_train_batch_size * made.steps_per_generation == 8
    updates_per_rollout = made.steps_per_generation // made.gradient_accumulation_steps * made.num_iterations
    assert updates_per_rollout == epochs * minibatches
    assert made.max_steps == 2 * updates_per_rollout


class HalfJudge(Judge):
    """Pays by the length of the solution, so that groups have spread."""

    def verdicts(self, questions, solutions):
        return [Verdict((len(text) % 7) / 7) for text in solutions]


def trainer(kind, model, tokenizer, tmp_path, settings=(), **ppo):
    """One rollout of two questions x four completions, ready to be looked at."""
    steps = replace(SETTINGS, **{"learning_rate": 1e-3} | dict(settings))
    critic = replace(SETTINGS.ppo, **{"critic_warmup": 0} | ppo)
    about = algorithms.get(kind)
    passes = about.passes(critic.passes)
    rows = [{"question": f"Ben has {i} keys", "gold": "4" if i % 2 else None, "labeled": bool(i % 2)} for i in range(4)]
    made = (PPOTrainer if kind == "ppo" else PackedGRPOTrainer)(
        model=model,
        reward_funcs=MixedReward(LambdaSchedule(0.5), HalfJudge(), RewardRules("program"), MissingRewards(0.5)),
        args=grpo_config.trainer_config(about, steps, passes, 8, 0, str(tmp_path)),
        train_dataset=Dataset.from_list([row | {"prompt": row["question"]} for row in rows]),
        processing_class=tokenizer,
        rollout_func=rl_rollout.Rollout(0, math.prod(passes), 64),
        kl_in_reward=steps.kl_placement == "reward",
        **({"critic": critic} if about.critic else {"leave_one_out": about.leave_one_out}),
    )
    made.model.train()
    return made


def rollout(made):
    batch = next(iter(made.get_train_dataloader()))
    return made._generate_and_score_completions(batch)


def test_group_advantages_sum_to_zero(model, tokenizer, tmp_path):
    output = rollout(trainer("grpo", model, tokenizer, tmp_path))
    assert output["advantages"].view(2, 4).sum(1).abs().max() < 1e-5
    assert output["advantages"].abs().max() > 0


@pytest.mark.parametrize("kind", algorithms.ALGORITHMS)
def test_every_algorithm_takes_a_step(model, tokenizer, tmp_path, kind, record_run):
    record_run(algorithm=kind)
    made = trainer(kind, model, tokenizer, tmp_path)
    before = {name: p.detach().clone() for name, p in made.model.named_parameters() if "critic" not in name}
    made.train()
    moved = [name for name, p in made.model.named_parameters() if name in before and not torch.equal(p, before[name])]
    assert len(moved) > len(before) / 2
    assert made.state.log_history[-2]["grad_norm"] > 0


def test_leaving_one_out_is_the_mean_of_the_others(model, tokenizer, tmp_path):
    made = trainer("rloo", model, tokenizer, tmp_path)
    kept = []
    calculate = made._calculate_rewards
    made._calculate_rewards = lambda *args, **kwargs: kept.append(calculate(*args, **kwargs)) or kept[-1]
    advantages = rollout(made)["advantages"].view(2, 4)
    rewards = kept[0][:, 0].view(2, 4)
    others = (rewards.sum(1, keepdim=True) - rewards) / 3
    assert torch.allclose(advantages, rewards - others, atol=1e-6)


def test_the_critic_starts_at_zero_and_values_every_token(model, tokenizer, tmp_path):
    output = rollout(trainer("ppo", model, tokenizer, tmp_path))
    assert output["values"].shape == output["completion_ids"].shape
    assert output["values"].abs().max() == 0


def test_ppo_advantages_are_whitened_in_each_pool(model, tokenizer, tmp_path):
    output = rollout(trainer("ppo", model, tokenizer, tmp_path))
    rows, mask = output["advantages"], output["completion_mask"].bool()
    for pool in (slice(0, 4), slice(4, 8)):
        inside = rows[pool][mask[pool]]
        assert inside.mean().abs() < 1e-5
        assert abs(inside.std(correction=0) - 1) < 1e-4


def test_the_first_ratio_is_one_with_stored_log_probabilities(model, tokenizer, tmp_path):
    made = trainer("ppo", model, tokenizer, tmp_path)
    output = rollout(made)
    with torch.no_grad():
        again, _, _ = made._get_per_token_logps_and_entropies(
            made.model,
            torch.cat([output["prompt_ids"], output["completion_ids"]], 1),
            torch.cat([output["prompt_mask"], output["completion_mask"]], 1),
            output["completion_ids"].shape[1],
        )
    ratio = ((again - output["old_per_token_logps"]) * output["completion_mask"]).exp()
    assert (ratio - 1).abs().max() < 1e-5


def test_ppos_first_update_is_reinforce_with_whitened_rewards(model, tokenizer, tmp_path):
    """With gamma = GAE lambda = 1, a zero critic and no value gradient on the policy's trunk."""
    made = trainer("ppo", model, tokenizer, tmp_path, gamma=1.0, gae_lambda=1.0, epochs=2, minibatches=1)
    output = rollout(made)
    made.current_gradient_accumulation_steps = 1
    made._compute_loss(made.model, output).backward()
    policy = {n: p.grad.clone() for n, p in made.model.named_parameters() if not n.startswith("critic.")}
    made.model.zero_grad()
    rewards, mask = made._rewards[:, 0], output["completion_mask"]
    white = torch.zeros(mask.shape)
    for pool in (slice(0, 4), slice(4, 8)):
        spread = rewards[pool].unsqueeze(1).expand(-1, mask.shape[1])[mask[pool].bool()]
        white[pool] = (rewards[pool].unsqueeze(1) - spread.mean()) / (spread.std(correction=0) + 1e-8)
    logps, _, _ = made._get_per_token_logps_and_entropies(
        made.model,
        torch.cat([output["prompt_ids"], output["completion_ids"]], 1),
        torch.cat([output["prompt_mask"], mask], 1),
        mask.shape[1],
    )
    (-(logps * white * mask).sum() / mask.sum()).backward()
    for name, parameter in made.model.named_parameters():
        if not name.startswith("critic."):
            assert torch.allclose(policy[name], parameter.grad, atol=1e-6), name


def test_a_shared_trunk_is_read_once_and_left_alone_during_warm_up(model, tokenizer, tmp_path):
    """After the warm-up the value loss reaches the trunk, and its values are those of a pass of its own."""
    made = trainer("ppo", model, tokenizer, tmp_path, trunk="shared", critic_warmup=1)
    torch.nn.init.normal_(made.model.critic.head.weight)
    assert not any(name.startswith("critic.trunk") for name, _ in made.model.named_parameters())
    output = rollout(made)
    output["returns"] = output["returns"] + 1
    output["advantages"] = torch.zeros_like(output["advantages"])  # so that all gradients are the value loss's
    made.current_gradient_accumulation_steps = 1
    passes, trunk = [], made.model.base_model
    trunk.register_forward_pre_hook(lambda *_: passes.append(1))
    reached = {}
    for step in (0, 4):  # two mini-batches, two epochs: the second rollout begins at update 4
        made.state.global_step = step
        made.model.zero_grad()
        made._compute_loss(made.model, output).backward()
        reached[step] = sum(p.grad.abs().sum().item() for p in trunk.parameters() if p.grad is not None)
        assert made.model.critic.head.weight.grad.abs().sum() > 0
    assert passes == [1, 1]
    assert reached[0] == 0
    assert reached[4] > 0


@pytest.mark.parametrize("trunk", ["own", "shared"])
def test_ppo_trains_with_either_trunk(model, tokenizer, tmp_path, trunk):
    made = trainer("ppo", model, tokenizer, tmp_path, trunk=trunk)
    made.train()
    assert made.state.global_step == 8
    assert made.model.critic.head.weight.abs().sum() > 0


@pytest.mark.parametrize(
    "settings", [{"bf16": True}, {"gradient_checkpointing": True}, {"kl_coefficient": 0.1}], ids=str
)
@pytest.mark.parametrize(("kind", "trunk"), [("grpo", "own"), ("ppo", "own"), ("ppo", "shared")])
def test_packed_groups_train_with_every_option(model, tokenizer, tmp_path, kind, trunk, settings):
    made = trainer(kind, model, tokenizer, tmp_path, settings=settings, trunk=trunk)
    assert made.packs
    made.train()
    norms = [entry["grad_norm"] for entry in made.state.log_history if "grad_norm" in entry]
    assert all(math.isfinite(norm) for norm in norms)
    assert max(norms) > 0


@pytest.mark.parametrize("kind", ["grpo", "ppo"])
def test_a_reference_is_scored_with_trls_head_too(model, tokenizer, tmp_path, kind):
    """As on a GPU or in several processes, where the own head is not used."""
    made = trainer(kind, model, tokenizer, tmp_path, settings={"kl_coefficient": 0.1})
    made.own_head = False
    made.train()
    assert made.packs
    assert [entry["kl"] for entry in made.state.log_history if "kl" in entry]


def with_moved_reference(kind, model, tokenizer, tmp_path, **ppo):
    """A trainer with the KL in the reward, whose reference is another policy than its own."""
    made = trainer(kind, model, tokenizer, tmp_path, settings={"kl_coefficient": 0.3, "kl_placement": "reward"}, **ppo)
    with torch.no_grad():
        for weight in made.ref_model.parameters():
            weight.add_(0.05 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)))
    return made


def log_ratios(made, output):
    """`(B, T)` log(policy / reference), each model asked apart."""
    tokens = torch.cat([output["prompt_ids"], output["completion_ids"]], 1)
    mask = torch.cat([output["prompt_mask"], output["completion_mask"]], 1)
    width = output["completion_ids"].shape[1]
    with torch.no_grad():
        policy, reference = (
            made._get_per_token_logps_and_entropies(m, tokens, mask, width)[0] for m in (made.model, made.ref_model)
        )
    return (policy - reference) * output["completion_mask"]


@pytest.mark.parametrize("kind", ["grpo", "rloo"])
def test_kl_in_the_reward_of_groups_is_part_of_what_is_centred(model, tokenizer, tmp_path, kind):
    made = with_moved_reference(kind, model, tokenizer, tmp_path)
    output = rollout(made)
    rewards = (made._rewards[:, 0] - 0.3 * log_ratios(made, output).sum(1)).view(2, 4)
    factor = 4 / 3 if kind == "rloo" else 1
    wanted = (rewards - rewards.mean(1, keepdim=True)).flatten() * factor
    assert torch.allclose(output["advantages"], wanted, atol=1e-5)


def test_kl_in_the_reward_of_ppo_is_paid_token_by_token(model, tokenizer, tmp_path):
    made = with_moved_reference("ppo", model, tokenizer, tmp_path, gamma=1.0, gae_lambda=1.0)
    output = rollout(made)
    kl_rewards = -0.3 * log_ratios(made, output)
    still_to_come = kl_rewards.flip(1).cumsum(1).flip(1) + made._rewards[:, :1]
    assert torch.allclose(output["returns"], still_to_come * output["completion_mask"], atol=1e-5)


@pytest.mark.parametrize("kind", ["grpo", "ppo"])
def test_kl_in_the_reward_is_not_in_the_loss_too(model, tokenizer, tmp_path, kind):
    made = with_moved_reference(kind, model, tokenizer, tmp_path)
    output = rollout(made)
    made.current_gradient_accumulation_steps = 1
    losses = []
    for made.beta in (0.3, 0.0):
        losses.append(made._compute_loss(made.model, output).item())
    assert losses[0] == losses[1]
    assert made._metrics["train"]["kl"]


def test_the_critic_has_its_own_learning_rate(model, tokenizer, tmp_path):
    made = trainer("ppo", model, tokenizer, tmp_path, critic_learning_rate=0.05)
    policy, critic = made.create_optimizer().param_groups
    assert (policy["lr"], critic["lr"]) == (1e-3, 0.05)
    assert len(critic["params"]) == len(list(Critic(model).parameters()))
    total = {id(p) for p in made.model.parameters()}
    assert {id(p) for group in (policy, critic) for p in group["params"]} == total


def test_samples_of_a_group_stand_together_and_depend_on_the_step(model, tokenizer, tmp_path):
    made = trainer("grpo", model, tokenizer, tmp_path)
    texts = ["Ben has 4 keys"] * 4 + ["Anna has 5 keys"] * 4
    first = rl_rollout.Rollout(0, 1, 64)(texts, made)
    assert rl_rollout.Rollout(0, 1, 64)(texts, made) == first
    made.state.global_step = 1
    assert rl_rollout.Rollout(0, 1, 64)(texts, made) != first


def test_each_occurrence_of_a_question_in_a_rollout_has_its_own_completions(model, tokenizer, tmp_path):
    made = trainer("grpo", model, tokenizer, tmp_path)
    once, twice = ["Ben has 4 keys"] * 4, ["Ben has 4 keys"] * 8
    found = rl_rollout.Rollout(0, 1, 64)(twice, made)["completion_ids"]
    assert found[:4] != found[4:]
    assert found[:4] == rl_rollout.Rollout(0, 1, 64)(once, made)["completion_ids"]
    assert found == rl_rollout.Rollout(0, 1, 4)(twice, made)["completion_ids"]
    made.num_generations = 8  # one group: not two occurrences
    assert rl_rollout.Rollout(0, 1, 64)(twice, made)["completion_ids"][:4] == found[:4]


def scored(made, output, **options):
    """Log-probabilities and entropies of a rollout, where there are tokens."""
    found = made._get_per_token_logps_and_entropies(
        made.model,
        torch.cat([output["prompt_ids"], output["completion_ids"]], 1),
        torch.cat([output["prompt_mask"], output["completion_mask"]], 1),
        output["completion_ids"].shape[1],
        **options,
    )
    return [part[output["completion_mask"].bool()] for part in found if part is not None]


def test_packed_groups_score_as_trl_scores_each_completion(model, tokenizer, tmp_path):
    made = trainer("grpo", model, tokenizer, tmp_path)
    output = rollout(made)
    assert made.packs
    packed = scored(made, output, compute_entropy=True) + scored(made, output, batch_size=3)
    made.packs = False
    for found, wanted in zip(packed, scored(made, output, compute_entropy=True) * 2, strict=False):
        assert torch.allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize("trunk", ["own", "shared"])
def test_the_critic_gives_packed_completions_the_values_of_padded_ones(model, tokenizer, tmp_path, trunk):
    made = trainer("ppo", model, tokenizer, tmp_path, trunk=trunk)
    torch.nn.init.normal_(made.model.critic.head.weight)
    output = rollout(made)
    inside = output["completion_mask"].bool()
    packed = made._values(output)[inside]
    made.packs = False
    assert packed.std() > 0.1
    assert torch.allclose(packed, made._values(output)[inside], atol=1e-5)


@pytest.mark.parametrize("kind", ["grpo", "ppo"])
def test_micro_batches_hold_whole_groups_and_lose_no_row(model, tokenizer, tmp_path, kind):
    made = trainer(kind, model, tokenizer, tmp_path, minibatches=2, settings={"micro_batch_size": 4})
    batch = next(iter(made.get_train_dataloader()))
    first = made._prepare_inputs(batch)
    assert {tuple(row) for row in first["prompt_ids"].tolist()} == {tuple(first["prompt_ids"][0].tolist())}
    rows = torch.cat([part["completion_ids"] for part in made._buffered_inputs])
    assert len(rows) == 8
    assert len(made._buffered_inputs) == 2
    for part in made._buffered_inputs:
        assert {len(value) for value in part.values() if isinstance(value, torch.Tensor) and value.ndim} == {4}


@pytest.mark.parametrize("missing", [False, True], ids=["all rewarded", "some rewards missing"])
@pytest.mark.parametrize(
    ("kind", "settings"),
    [(kind, {}) for kind in algorithms.ALGORITHMS]
    + [("grpo", {"kl_coefficient": 0.1}), ("ppo", {"kl_coefficient": 0.1}), ("ppo", {"ppo": {"trunk": "shared"}})]
    + [("ppo", {"ppo": {"minibatches": 1}})],
    ids=str,
)
def test_the_gradient_does_not_depend_on_the_micro_batch_size(tiny, tokenizer, tmp_path, kind, settings, missing):
    found = {}
    for micro in (None, 4, 2):
        made = gradients.trainer(
            kind, loading.load_model(tiny), tokenizer, tmp_path, micro=micro, missing=missing, **settings
        )
        found[micro] = gradients.gradients(made)
    assert len(found[None]) == (settings.get("ppo", {}).get("minibatches") or {"ppo": 2, "gspo": 4}.get(kind, 1))
    for micro in (4, 2):
        for own, whole in zip(found[micro], found[None], strict=True):
            assert gradients.difference(own, whole, critic=False) < 1e-5
            if kind == "ppo":
                assert gradients.difference(own, whole, critic=True) < 1e-5


@pytest.mark.parametrize("own_head", [True, False], ids=["own head", "TRL's head"])
@pytest.mark.parametrize("kind", ["grpo", "ppo", "gspo"])
def test_the_entropy_bonus_is_minus_the_gradient_of_the_mean_entropy(tiny, tokenizer, tmp_path, kind, own_head):
    found = {}
    for coefficient in (0.0, 0.5):
        made = gradients.trainer(
            kind, loading.load_model(tiny), tokenizer, tmp_path, entropy_coefficient=coefficient, ppo={"minibatches": 1}
        )
        made.own_head = own_head and made.own_head
        found[coefficient] = gradients.gradients(made)[0]
    output = made._buffered_inputs[0]
    made.model.zero_grad()
    made.packs = False  # as TRL computes it: each completion with its own prompt, and all logits
    tokens = torch.cat([output["prompt_ids"], output["completion_ids"]], 1)
    mask = torch.cat([output["prompt_mask"], output["completion_mask"]], 1)
    width = output["completion_ids"].shape[1]
    logs = made.model(tokens, attention_mask=mask).logits[:, -width - 1 : -1].log_softmax(-1)
    inside = output["completion_mask"]
    ((-(logs.exp() * logs).sum(-1) * inside).sum() / inside.sum()).backward()
    wanted = {name: p.grad for name, p in made.model.named_parameters() if p.grad is not None}
    bonus = {name: found[0.0][name] - found[0.5][name] for name in wanted}
    assert gradients.difference({name: bonus[name] / 0.5 for name in wanted}, wanted, critic=False) < 1e-3


@pytest.mark.parametrize("kind", algorithms.ALGORITHMS)
@pytest.mark.parametrize("packs", [True, False])
def test_truncated_completions_that_are_masked_teach_nothing(tiny, tokenizer, tmp_path, kind, packs):
    """The gradient is the same whatever their advantages are; a rollout of nothing else has none."""
    found = []
    for change in (0.0, 5.0, None):
        made = gradients.trainer(kind, loading.load_model(tiny), tokenizer, tmp_path, mask_truncated=True)
        made.packs, made.own_head = packs, packs and made.own_head
        cut = 2 if change is not None else 1
        made.rollout_func = gradients.ScriptedRollout(tokenizer.eos_token_id, cut)
        rewarded = made._rewarded_rollout

        def changed(inputs, rewarded=rewarded, change=change or 0.0):
            output = rewarded(inputs)
            lost = output["completion_mask"].sum(1) == 0
            advantages = output["advantages"]
            output["advantages"] = torch.where(lost if advantages.ndim == 1 else lost[:, None], change, advantages)
            return output

        made._rewarded_rollout = changed
        found.append(gradients.gradients(made)[0])
    assert gradients.difference(found[1], found[0], critic=False) == 0
    assert all(gradient.abs().max() > 0 for name, gradient in found[0].items() if "embed" in name)
    assert all(gradient.abs().max() == 0 for gradient in found[2].values())


SEAMS = (
    "_calculate_rewards _generate_and_score_completions _compute_loss _get_per_token_logps_and_entropies "
    "_prepare_inputs"
)


@pytest.mark.parametrize("name", SEAMS.split())
def test_trl_still_has_the_seams_that_we_override(name):
    """A new TRL that moves one of these must be read before the pin in pyproject.toml is raised."""
    assert hasattr(GRPOTrainer, name), (
        f"GRPOTrainer.{name} is gone: gavel/training/rl/grpo.py or gavel/training/rl/ppo.py overrides it"
    )


def test_trl_still_buffers_a_rollout_as_we_regroup_it():
    source = inspect.getsource(GRPOTrainer._prepare_inputs)
    for words in ("self._buffered_inputs = [", "self._step % self.args.steps_per_generation"):
        assert words in source, f"`{words}` is gone from GRPOTrainer._prepare_inputs: read gavel/training/rl/grpo.py"
    source = inspect.getsource(GRPOTrainer._get_per_token_logps_and_entropies)
    for words in ("fused_lm_head=True", "outputs.log_probs", "outputs.entropy"):
        assert words in source, f"`{words}` is gone from GRPOTrainer's scoring: read gavel/training/rl/grpo.py"


def test_trl_still_takes_per_token_advantages_and_a_rollout_function():
    assert "rollout_func" in inspect.signature(GRPOTrainer.__init__).parameters, (
        "gavel/training/rl/train.py passes rollout_func"
    )
    source = inspect.getsource(GRPOTrainer._compute_loss)
    assert "advantages.dim() == 1" in source, (
        "GRPOTrainer no longer takes (B, T) advantages: read gavel/training/rl/ppo.py"
    )
