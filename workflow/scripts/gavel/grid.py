"""The runs of a study's grid and what they are called; for the workflow, and for what reads its results."""

from collections.abc import Mapping


def run_name(algorithm: str, weight: float, seed: int) -> str:
    return f"{algorithm}-lambda{weight:g}-seed{seed}"


def grid(rl: Mapping) -> dict[str, dict]:
    """Run -> its `algorithm`, `lambda` and `seed`; none where a config's section names none."""
    return {
        run_name(algorithm, weight, seed): {"algorithm": algorithm, "lambda": weight, "seed": seed}
        for algorithm in rl.get("algorithms", ())
        for weight in rl.get("lambda", ())
        for seed in rl.get("seeds", ())
    }


def primary(named: Mapping, votes: int | None) -> dict:
    """The primary comparison, `{"run", "set", "metric", "k"}`; `votes` is the largest k of maj@k."""
    run = run_name(named["algorithm"], named["lambda"], named["seed"])
    return {"run": run, "set": named["set"], "metric": named["metric"], "k": votes if named["metric"] == "maj" else 1}
