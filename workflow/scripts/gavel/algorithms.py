"""The RL algorithms as a table: what each name means in TRL's terms, and what of its paper is left out.

To add one that TRL can express, add a line; one that needs a critic or another rollout also gets a file like
`gavel.ppo`.
Nobody has published these settings at this scale: they are our choice unless a source stands beside them.
"""

from dataclasses import asdict, dataclass

from gavel.errors import InputError


@dataclass(frozen=True)
class Algorithm:
    """One algorithm over the common rollout.

    `loss_type`, `scale_rewards` and `ratio` are TRL's `loss_type`, `scale_rewards` and `importance_sampling_level`;
    `clip` is the ratio's clip range; `critic` says whether per-token advantages come from a value function.
    """

    loss_type: str
    scale_rewards: str
    ratio: str
    clip: float
    critic: bool
    source: str
    left_out: str

    def describe(self) -> dict:
        return asdict(self)


ALGORITHMS = {
    "grpo": Algorithm(
        "grpo", "none", "token", 0.2, False,
        "Shao et al. 2024 (DeepSeekMath), through TRL's GRPOTrainer",
        "advantages are centred but not divided by the group's standard deviation, which here amplified judge noise "
        "in groups that are all wrong; the KL term is off unless rl.kl is set",
    ),
    "ppo": Algorithm(
        "bnpo", "none", "token", 0.2, True,
        "Schulman et al. 2017; value and GAE settings after ReFT (Luong et al. 2024)",
        "KL to the SFT policy is in the loss (rl.kl), not in the reward; the critic is a copy of the policy's trunk, "
        "not a head on a shared one; several completions a question, as GRPO has",
    ),
}  # fmt: skip


def get(name: str) -> Algorithm:
    """Look an algorithm up. Raises `InputError` for an unknown name."""
    if name not in ALGORITHMS:
        raise InputError(f"rl.algorithms: {name!r} does not exist; choose from {', '.join(ALGORITHMS)}")
    return ALGORITHMS[name]
