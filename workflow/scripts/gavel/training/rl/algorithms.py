"""The RL algorithms as a table: what each name means in TRL's terms, and what is left out of its paper.

To add one that TRL can express, add a line; one that needs a critic or another rollout also gets a file like
`gavel.training.rl.ppo`. Settings are our choice unless a source is given.
"""

from dataclasses import asdict, dataclass
from typing import Any, NamedTuple

from gavel.common.errors import InputError


class Passes(NamedTuple):
    """Passes over one rollout, and optimiser steps in each."""

    epochs: int
    minibatches: int


@dataclass(frozen=True)
class Algorithm:
    """One algorithm on the common rollout.

    Attributes:
        loss_type, scale_rewards, ratio: TRL's `loss_type`, `scale_rewards` and `importance_sampling_level`.
        clip: how far below and above 1 the ratio may move before it is clipped.
        source: of the algorithm and its settings.
        left_out: what is left out of the source, or done differently.
        critic: per-token advantages come from a value function.
        leave_one_out: the baseline is the mean of the group's other rewards, not of all.
        minibatches: optimiser steps on one rollout; with a critic `rl.ppo` in the config sets them.
    """

    loss_type: str
    scale_rewards: str
    ratio: str
    clip: tuple[float, float]
    source: str
    left_out: str
    critic: bool = False
    leave_one_out: bool = False
    minibatches: int = 1

    def describe(self) -> dict[str, Any]:
        return asdict(self)

    def passes(self, ppo: Passes) -> Passes:
        """How often a rollout is trained on; with a critic as `ppo`, from the config's `rl.ppo`."""
        return ppo if self.critic else Passes(1, self.minibatches)


# The KL to the starting policy is off for all of them unless `rl.kl_coefficient` is set; `rl.kl_placement` adds it to
# the loss or to the reward.
ALGORITHMS = {
    "grpo": Algorithm(
        "grpo", "none", "token", (0.2, 0.2),
        "Shao et al. 2024 (DeepSeekMath), through TRL's GRPOTrainer",
        "advantages are centred but not divided by the group's standard deviation, which here amplified judge noise "
        "in groups that are all wrong; the KL term is off unless rl.kl_coefficient is set",
    ),
    "dr_grpo": Algorithm(
        "dr_grpo", "none", "token", (0.2, 0.2),
        "Liu et al. 2025 (Dr. GRPO), as TRL's documentation gives it: no division by the group's standard deviation, "
        "nor by a completion's length",
        "nothing in the loss; template and data are the study's",
    ),
    "dapo": Algorithm(
        "dapo", "group", "token", (0.2, 0.28),
        "Yu et al. 2025 (DAPO), as TRL's documentation gives it: loss averaged over tokens, upper clip 0.28",
        "dynamic sampling unless rl.group_filter is set, and the penalty for overlong completions",
    ),
    "gspo": Algorithm(
        "grpo", "group", "sequence", (3e-4, 4e-4),
        "Zheng et al. 2025 (GSPO), with the settings of TRL's paper index: ratio of sequences, clip 3e-4 and 4e-4, "
        "four mini-batches per rollout",
        "nothing in the loss",
        minibatches=4,
    ),
    "rloo": Algorithm(
        "dr_grpo", "none", "token", (0.2, 0.2),
        "REINFORCE leave-one-out, as TRL's documentation describes it: the baseline is the mean of the other "
        "completions",
        "log-probabilities are summed over a completion and divided by the longest one allowed, a constant; where a "
        "reward is missing the factor n / (n - 1) is still the full group's",
        leave_one_out=True,
    ),
    "ppo": Algorithm(
        "dapo", "none", "token", (0.2, 0.2),
        "Schulman et al. 2017; value and GAE settings after ReFT (Luong et al. 2024)",
        "policy and value losses are averaged over the tokens of the rollout, not of a mini-batch; the critic is a "
        "copy of the policy's trunk unless rl.ppo.trunk is shared; several completions per question, as in GRPO. KL to "
        "the starting policy is off unless rl.kl_coefficient is set (ReFT has it in the reward: rl.kl_placement)",
        critic=True,
    ),
}  # fmt: skip


def get(name: str) -> Algorithm:
    """Look up an algorithm. Raises `InputError` for an unknown name."""
    if name not in ALGORITHMS:
        raise InputError(f"rl.algorithms: {name!r} does not exist; choose from {', '.join(ALGORITHMS)}")
    return ALGORITHMS[name]
