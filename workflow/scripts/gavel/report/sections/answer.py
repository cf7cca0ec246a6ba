"""Sentences computed from the results: the answer, what each λ = 0 run did, how many labels were used."""

from gavel.report import crowd
from gavel.report.cells import difference_text, listing, p_value, percent, seconds
from gavel.report.results import Results
from gavel.training.rl.collapse import seen


def primary_answer(results: Results) -> tuple[str, str]:
    """(verdict, sentence) of the primary comparison: above zero, not shown, below zero, or not available."""
    run, name, metric, k = results.primary.values()
    row = results.comparison(run, "sft", name, metric, k)
    own, base = results.metric(run, name, metric, k), results.metric("sft", name, metric, k)
    if row is None or own is None or base is None:
        state = (results.runs.get(run) or {}).get("status", "missing")
        return "No answer", (
            f"The primary comparison, {results.names.get(run, run)} against SFT on {name}, is not among the "
            f"results (status of the run: {state})."
        )
    measure = "greedy" if metric == "greedy" else f"{metric}@{k}"
    facts = (
        f"{results.names[run]} answers {percent(own.value)} % of the {row.n:,} questions of the test set "
        f"{name} "
        f"correctly ({measure}, last step), SFT {percent(base.value)} %: a difference of "
        f"{difference_text(row)}, p {_p(row.p)}."
    )
    # A line must not end between a number and its sign.
    facts = facts.replace(" %", "\u00a0%")
    if row.low > 0:
        return "Above the SFT baseline", f"{facts} The interval lies above zero."
    if row.high < 0:
        return "Below the SFT baseline", f"{facts} The interval lies below zero: reward made the model worse."
    return (
        "No difference shown",
        f"{facts} The interval contains zero: these data show neither a gain nor a loss.",
    )


def _p(value: float) -> str:
    text = p_value(value)
    return text if text.startswith("<") else f"= {text}"


def label_use(results: Results) -> list[str]:
    """How many labels each kind of run saw, those used for selection included."""
    found = []
    counts = (results.splits or {}).get("counts") or {}
    sft = results.runs["sft"].get("labels")
    if sft:
        found.append(f"SFT trained on {sft:,} labelled problems; every RL run starts from it.")
    used = []
    for lam in sorted({about["lambda"] for run, about in results.runs.items() if run != "sft"}):
        seen = {
            (about.get("labels"), about.get("unlabeled")) for about in results.runs.values() if about["lambda"] == lam
        }
        shown = [
            f"{a:,} labels and {b:,} unlabelled questions"
            for a, b in sorted(seen - {(None, None)}, key=str)
            if None not in (a, b)
        ]
        if shown:
            used.append(f"{' or '.join(shown)} at λ = {lam:g}")
    if used:
        found.append(f"RL used {listing(used)}.")
    validation = counts.get("validation")
    if isinstance(validation, int):
        found.append(
            f"The {validation:,} validation problems carry labels too: these chose the SFT checkpoint, "
            f"calibrated the judge "
            "and chose every best-by-validation checkpoint. At λ = 0 only the last step's RL is free of "
            "labels."
        )
    return found


def judge_alone(results: Results) -> list[str]:
    """What judge reward and true accuracy did over each λ = 0 run, whatever it was (of many seeds: of those that are
    drawn)."""
    found = []
    for run in crowd.shown_runs(results):
        table = results.monitors.get(run, ())
        if run == "sft" or results.runs[run]["lambda"] != 0 or not {"judge", "accuracy"} <= set(table):
            continue
        known = table.dropna(subset=["judge", "accuracy"])
        if len(known) < 2:
            continue
        first, last = known.iloc[0], known.iloc[-1]
        compares = "true_win_rate" in known
        text = (
            f"{results.names[run]}: from step {first.step:.0f} to {last.step:.0f} the judge's "
            f"{'win rate against SFT' if compares else 'reward'} went from "
            f"{first.judge:.2f} to {last.judge:.2f}, true accuracy from {first.accuracy:.2f} to "
            f"{last.accuracy:.2f}"
        )
        if compares:
            text += f", the true win rate from {first.true_win_rate:.2f} to {last.true_win_rate:.2f}"
        if "judge_wrong" in known and known.judge_wrong.notna().all():
            wrongly = "judge prefers it, but wrong" if compares else "judge says yes, but wrong"
            text += f", and '{wrongly}' from {first.judge_wrong:.2f} to {last.judge_wrong:.2f}"
        if (step := results.collapse(run)) is not None:
            text += f". The monitor called it a collapse at step {step:.0f}"
        truth = "true_win_rate" if compares else "accuracy"
        gap = (last.judge - last[truth]) - (first.judge - first[truth])
        if compares and last[truth] < first[truth] and not seen(last, first):
            text += ". The judge's win rate fell less than half as far as the true one: the judge is being exploited"
        elif not compares and last.judge > first.judge and last.accuracy < first.accuracy:
            text += ". Reward rose while accuracy fell: the judge is being exploited"
        elif gap > 0.05:
            text += ". The gap between reward and truth widened"
        found.append(text + ".")
    return found


def collapses(results: Results) -> str | None:
    """Which runs the monitor called collapsed, that it called or could call none; None where no run was validated."""
    validated = [run for run in results.monitors if run != "sft"]
    if not validated:
        return None
    if not any("judge" in (table := results.monitors[run]) and table.judge.notna().any() for run in validated):
        return "The monitor could call no collapse: the judge scored none of the validation samples."
    steps = {run: results.collapse(run) for run in validated}
    fallen = [f"{results.names[run]} at step {step:.0f}" for run, step in steps.items() if step is not None]
    return f"The monitor called a collapse of {listing(fallen)}." if fallen else "The monitor called no collapse."


def absent(results: Results) -> list[str]:
    """What is missing from the study: runs that failed or left nothing, the judge, test results."""
    found = []
    for status, words in (("failed", "failed"), ("missing", "left no result")):
        runs = [results.names[run] for run, about in results.runs.items() if about.get("status") == status]
        if runs:
            found.append(f"{listing(runs)} {words}; tables and figures leave {'it' if len(runs) == 1 else 'them'} out.")
    for run, about in results.runs.items():
        if about.get("reason"):
            found.append(f"The log of {results.names[run]} ends: {about['reason']}")
    if results.metrics.empty:
        found.append("No test result exists: metrics.csv is missing or empty.")
    else:
        evaluated = set(results.metrics.run)
        left = [
            results.names[run]
            for run, about in results.runs.items()
            if about.get("status") == "finished" and run not in evaluated
        ]
        if left:
            found.append(f"{listing(left)} finished but {'was' if len(left) == 1 else 'were'} not evaluated.")
        if len(results.sets) == 1:
            found.append(f"There is one test set, {results.sets[0]}: nothing is said about other kinds of questions.")
        for row in results.metrics[results.metrics.metric == "not_run"].itertuples():
            run = results.names.get(row.run, row.run)
            found.append(
                f"{row.value:.1%} of the programs of {run} ({row.checkpoint}) on {row.set} did not run within "
                "solution.batch_seconds: they are missing from its figures, neither right nor wrong."
            )
    if results.calibration is None:
        found.append("There is no judge calibration: this study has no judge, or its calibration did not run.")
    return found


def total_time(results: Results) -> str:
    """Seconds over all jobs and over training."""
    jobs = results.benchmarks.seconds.sum()
    training = sum(about.get("seconds") or 0 for about in results.runs.values())
    parts = [f"training took {seconds(training)} over all runs"] if training else []
    parts += [f"all timed jobs took {seconds(jobs)}, some of them at the same time"] if jobs else []
    return (listing(parts).capitalize() + ".") if parts else "No timings were kept."
