"""How much of its accuracy a policy loses when questions are perturbed: GSM-Plus's performance drop rate (PDR).

Li et al. 2024 (arXiv 2402.19255): 1 - accuracy on the perturbed questions / accuracy on the questions that they were
made from. They divide by the accuracy on all of GSM8K's test set; here it is that on the seed questions of the set at
hand, each once, so that a part of GSM-Plus is held against its own seeds.
"""

from collections.abc import Mapping

from gavel.statistics import ratio_drop, wilson


def drop_rates(
    perturbed: Mapping[str, float],
    seed_of: Mapping[str, str],
    original: Mapping[str, float],
    kinds: Mapping[str, str],
) -> list[dict]:
    """The PDR over all perturbed questions whose seed was answered too, and per perturbation kind.

    Args:
        perturbed: question id -> greedy verdict, 0 or 1.
        seed_of: question id -> id of the question that it was made from.
        original: id of a question of another set -> greedy verdict of the same run.
        kinds: question id -> perturbation kind.

    Returns:
        Rows `{"metric", "k", "value", "low", "high", "n"}`, metric `pdr` or `pdr_kind:<kind>`; 95 % interval from a
        bootstrap over seed questions (where all perturbed questions came out the same, from Wilson's interval of their
        accuracy), `n` perturbed questions. Where no seed is answered rightly there is no rate, and
        no row.
    """
    linked = [name for name in perturbed if seed_of.get(name) in original]
    groups = {"pdr": linked} | {
        f"pdr_kind:{kind}": [name for name in linked if kinds.get(name) == kind] for kind in sorted(set(kinds.values()))
    }
    found = []
    for metric, names in groups.items():
        seeds = list(dict.fromkeys(seed_of[name] for name in names))
        places = {seed: place for place, seed in enumerate(seeds)}
        changed, sizes = [0.0] * len(seeds), [0] * len(seeds)
        for name in names:
            changed[places[seed_of[name]]] += perturbed[name]
            sizes[places[seed_of[name]]] += 1
        right = [original[seed] for seed in seeds]
        if any(right):
            value, low, high = ratio_drop(changed, sizes, right)
            if sum(changed) in (0, len(names)):  # no spread to resample, which is no certainty
                base = sum(right) / len(right)
                low, high = (1 - rate / base for rate in reversed(wilson(sum(changed), len(names))))
            found.append({"metric": metric, "k": 1, "value": value, "low": low, "high": high, "n": len(names)})
    return found
