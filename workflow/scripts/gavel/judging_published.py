"""A judge against published files: RewardBench's pairs, and several models' solutions of the same questions."""

from collections import Counter
from collections.abc import Iterable
from itertools import chain, islice

from tqdm import tqdm

from gavel import judge
from gavel.benchmark_figures import figures as pair_figures
from gavel.errors import InputError
from gavel.judge_benchmark import COSTS, ask
from gavel.judging import BATCH, Asked, asked, begun, figures, settings

PARTS = {"error": "subsets", "steps": "steps"}  # of `gavel.benchmark_figures.PARTS`, those that are told here


def judge_pairs(items: Iterable[dict], path: str, name: str) -> dict:
    """Ask about pairs of solutions, as the judge benchmark does (`gavel.judge_benchmark`), with no answer kept.

    Args:
        items: streamed rows with `prompt`, `chosen`, `rejected`, and `subset` and `steps` where they have them; only
            digests of the texts are kept.
        path: where they come from, for messages.
        name: as for `gavel.judging.judge_file`.

    Returns:
        `n` pairs with an answer, `questions`, `accuracy` (ties half) and `accuracy_ci95`, `auc`, `auc_within` and
        `auc_within_ci95` of the different single solutions (None for a judge that compares, which has `first_bias` and
        `flipped`), `subsets` and `steps`: part -> `n`, `accuracy`, `accuracy_ci95`; the cost, `prompts`, `tokens_read`,
        `tokens_written` and `seconds`; and `missing` where the judge gave no answer on some.

    Raises:
        InputError: there are no rows, the judge cannot be loaded, or it answers on none.
    """
    first, items = begun(items, path)
    kept, rows, cost = [], [], Counter()
    with settings(name) as found:
        watcher = judge.load(**found | {"cache": "off"})
        every = iter(tqdm(chain([first], items), disable=None, unit=" pairs", leave=False))
        while batch := list(islice(every, BATCH)):
            answers, spent = ask(watcher, [item | {"id": len(kept)} for item in batch])
            rows += answers
            kept += [
                {key: hash(item[key]) for key in ("prompt", "chosen", "rejected")}
                | {key: item.get(key) for key in ("subset", "steps")}
                for item in batch
            ]
            cost.update(spent)
    whole, *parts = pair_figures(kept, rows, dict(cost))
    if not whole["n"]:
        raise InputError(f"{path}: the judge answered on no pair; is its server up?")
    result = {"n": whole["n"], "questions": whole["questions"], **_accuracy(whole)}
    if whole["auc"] is None:
        result |= {"auc": None, "auc_within": None, "first_bias": whole["first_bias"], "flipped": whole["flipped"]}
    else:
        within = [whole["auc_within_low"], whole["auc_within_high"]]
        result |= {"auc": whole["auc"], "auc_within": whole["auc_within"], "auc_within_ci95": within}
    for by, title in PARTS.items():
        if own := {row["part"]: {"n": row["n"], **_accuracy(row)} for row in parts if row["by"] == by}:
            result[title] = own
    result |= {key: cost[key] for key in COSTS}
    return result | ({"missing": whole["missing"]} if whole["missing"] else {})


def _accuracy(row: dict) -> dict:
    return {"accuracy": row["accuracy"], "accuracy_ci95": None if row["low"] is None else [row["low"], row["high"]]}


def judge_models(rows: Iterable[tuple[str, str, str, bool]], path: str, name: str) -> dict:
    """Ask about every (model, question, response, correct) row.

    Returns:
        Of all rows what `gavel.judging.judge_file` returns, with `tokens_read`, `tokens_written` and `seconds`; and
        `models`: model -> the same figures of its own rows, without cost.

    Raises:
        InputError: as `gavel.judging.judge_file`.
    """
    models: list[str] = []

    def unnamed():
        for model, *row in rows:
            models.append(model)
            yield tuple(row)

    said = asked(unnamed(), path, name)
    result = figures(said) | {key: getattr(said, key) for key in ("tokens_read", "tokens_written", "seconds")}
    each = {}
    for model in dict.fromkeys(models):
        places = [place for place, other in enumerate(models) if other == model]
        own = ([column[place] for place in places] for column in (said.groups, said.verdicts, said.correct))
        each[model] = figures(Asked(*own, said.seconds, 0, 0))
        del each[model]["solutions_per_second"]
    return result | {"models": each}
