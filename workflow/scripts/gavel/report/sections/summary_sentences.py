"""Sentences computed from the results: the answer, what happened in each λ = 0 run, how many labels were used."""

from gavel.report import run_selection
from gavel.report.cells import difference_text, join_words, p_value, percent, seconds
from gavel.report.plots.style import label
from gavel.report.results import Results
from gavel.study.layout import judge_stages
from gavel.training.rl.validation_rules import judge_reflects_fall

MANY_CUT = 0.1  # of a run's responses to a test set
MANY_RUNS = 4  # more than these are counted, not named


def headline_sentence(results: Results) -> tuple[str, str]:
    """(outcome, sentence) of the primary comparison: yes (above zero), no (below zero), or unclear."""
    primary, first = results.primary, results.baseline
    run, name, metric, k = primary["run"], primary["set"], primary["metric"], primary["k"]
    row = results.comparison(run, first.run, name, metric, k)
    own, base = results.metric(run, name, metric, k), results.metric(first.run, name, metric, k)
    if row is None or own is None or base is None:
        states = {results.runs.get(one, {}).get("status", "missing") for one in primary["runs"]}
        one = "the run" if len(primary["runs"]) == 1 else "its runs"
        return "Unclear, no answer", (
            f"The primary comparison, {results.names.get(run, run)} against {first.name} on {name}, is missing from "
            f"the results (status of {one}: {join_words(sorted(states))})."
        )
    measure = "greedy" if metric == "greedy" else f"{metric}@{k}"
    subject, checkpoints = results.names[run], "final checkpoint"
    if results.is_pooled:
        about = results.study["primary"]
        kind = label("", about["algorithm"], about["lambda"])
        subject, checkpoints = f"On average over {len(primary['runs'])} seeds, {kind}", "final checkpoints"
    facts = (
        f"{subject} answers {percent(own.value)} % of the {row.n:,} questions of the test set {name} correctly "
        f"({measure}, {checkpoints}), {first.name} {percent(base.value)} %: a difference of "
        f"{difference_text(row, 'seeds and questions' if results.is_pooled else '')}, p {_p(row.p)}."
    )
    # Keep a number and its sign on one line.
    facts = facts.replace(" %", "\u00a0%")
    if row.low > 0:
        outcome, meaning = f"Yes, above {_baseline(results)}", "The interval lies above zero."
    elif row.high < 0:
        outcome, meaning = f"No, below {_baseline(results)}", "The interval lies below zero: RL made the model worse."
    else:
        outcome, meaning = (
            "Unclear, no difference shown",
            "The interval contains zero: the difference is not significant.",
        )
    return outcome, " ".join([*_simulated(results), facts, meaning, *_bounds(results)])


def _simulated(results: Results) -> list[str]:
    """A sentence on a judge, or members of a panel, simulated from the gold answers of unlabelled questions."""
    what = simulated_judge(results)
    if what is None:
        return []
    what = what.replace(" %", "\u00a0%")
    return [f"{what} simulated from the gold answers of all questions, unlabelled ones included."]


def simulated_judge(results: Results) -> str | None:
    """What of the judge is simulated from the gold answers of all questions: the beginning of a sentence, or None."""
    settings = (results.calibration or {}).get("settings") or {}
    members = (settings.get("panel") or {"members": {}})["members"]
    if names := [name for name, own in members.items() if "simulated" in own]:
        return f"Of the panel's judges, {join_words(names)} {'is' if len(names) == 1 else 'are'}"
    section = results.study["judge"]["simulated"]
    if not section:
        return None
    return "The judge is" if section["weight"] == 1 else f"{percent(section['weight'])} % of the judge's score is"


def _bounds(results: Results) -> list[str]:
    """A sentence on controls that know these answers."""
    controls = results.study["controls"]
    if "all-answers" not in (*controls["rewards"], *controls["sft"]):
        return []
    return ["The bounds with all answers know the gold answers of unlabelled questions."]


def _baseline(results: Results) -> str:
    return "the SFT baseline" if results.baseline.run == "sft" else results.baseline.name


def _p(value: float) -> str:
    text = p_value(value)
    return text if text.startswith("<") else f"= {text}"


def cut_responses(results: Results) -> list[str]:
    """A sentence on the runs that reach the limit on a response's length in more than `MANY_CUT` of a test set."""
    cut = {run: max((_cut(results, run, name) for name in results.sets), default=0.0) for run in results.runs}
    if not (many := {run: share for run, share in cut.items() if share > MANY_CUT}):
        return []
    if len(many) > MANY_RUNS:
        worst = max(many, key=lambda run: many[run])
        shares = [f"{len(many)} of {len(cut)} runs more than {percent(MANY_CUT)}\u00a0%"]
        shares += [f"{results.names[worst]} up to {percent(many[worst])}\u00a0%"]
    else:
        shares = [f"{results.names[run]} up to {percent(share)}\u00a0%" for run, share in many.items()]
    return [
        f"Responses that reach solution.max_new_tokens ({results.study['solution']['max_new_tokens']}) are cut there, "
        f"mostly before their answer: of a test set's, {join_words(shares)}. If the policy has not collapsed, raise "
        "the limit."
    ]


def _cut(results: Results, run: str, name: str) -> float:
    row = results.metric(run, name, "finished")
    return 0.0 if row is None else 1 - float(row.value)


def label_use(results: Results) -> list[str]:
    """Sentences on the labels that each kind of run used, including those used for selection."""
    sentences = []
    counts = (results.splits or {}).get("counts") or {}
    first = results.baseline
    sft = results.runs[first.run].get("labels")
    if first.run == "base":
        sentences.append("Every RL run starts from the base model, which was not trained on this study's labels.")
    elif sft:
        labeled = counts.get("labeled")
        some = isinstance(labeled, int) and sft < labeled
        which = (
            f"{sft:,} of {labeled:,} labelled questions, those with a solution"
            if some
            else f"{sft:,} labelled questions"
        )
        sentences.append(f"SFT trained on {which}; every RL run starts from it.")
    used = []
    for lam in sorted({about["lambda"] for run, about in results.runs.items() if run != first.run}):
        counted = {
            (about.get("labels"), about.get("unlabeled")) for about in results.runs.values() if about["lambda"] == lam
        }
        shown = [
            f"{a:,} labels and {b:,} unlabelled questions"
            for a, b in sorted(counted - {(None, None)}, key=str)
            if None not in (a, b)
        ]
        if shown:
            used.append(f"{' or '.join(shown)} at λ = {lam:g}")
    if used:
        sentences.append(f"RL used {join_words(used)}.")
    validation = counts.get("validation")
    if isinstance(validation, int):
        steps = ["select the SFT checkpoint"] if first.run == "sft" else []
        steps += ["select the judge's best step"] if judge_stages(results.study) else []
        select = ", ".join([*steps, "calibrate"])
        sentences.append(
            f"The {validation:,} validation questions are labelled too. Their labels {select} the judge and select "
            "every RL run's best validation checkpoint. " + _without_labels(results)
        )
    return sentences


def _without_labels(results: Results) -> str:
    """What no label has touched at λ = 0."""
    judge = results.study["judge"]
    if judge["rl"] or judge["verifier"]:
        also = " and through SFT" if results.baseline.run == "sft" else ""
        return f"At λ = 0, the final checkpoint has used labels only through the training of its judge{also}."
    if results.baseline.run == "sft":
        return "At λ = 0, RL is label-free only for the final checkpoint."
    return "At λ = 0, no label of this study has been used for the final checkpoint."


def judge_only_runs(results: Results) -> list[str]:
    """A sentence for each λ = 0 run on its judge reward and true accuracy; of many seeds, only the plotted ones."""
    sentences = []
    for run in run_selection.selected_runs(results):
        table = results.monitors.get(run, ())
        if run == results.baseline.run or results.runs[run]["lambda"] != 0 or not {"judge", "accuracy"} <= set(table):
            continue
        known = table.dropna(subset=["judge", "accuracy"])
        if len(known) < 2:
            continue
        first, last = known.iloc[0], known.iloc[-1]
        pairwise = "true_win_rate" in known
        text = (
            f"{results.names[run]}: from step {first.step:.0f} to {last.step:.0f}, the judge's "
            f"{f'win rate against {results.baseline.name}' if pairwise else 'reward'} went from "
            f"{first.judge:.2f} to {last.judge:.2f}, true accuracy from {first.accuracy:.2f} to "
            f"{last.accuracy:.2f}"
        )
        if pairwise:
            text += f", the true win rate from {first.true_win_rate:.2f} to {last.true_win_rate:.2f}"
        if "judge_wrong" in known and known.judge_wrong.notna().all():
            wrongly = "preferred but wrong" if pairwise else "accepted but wrong"
            text += f", and the fraction {wrongly} from {first.judge_wrong:.2f} to {last.judge_wrong:.2f}"
        if (step := results.collapse(run)) is not None:
            text += f". The monitor flagged a collapse at step {step:.0f}"
        truth = "true_win_rate" if pairwise else "accuracy"
        gap = (last.judge - last[truth]) - (first.judge - first[truth])
        if pairwise and last[truth] < first[truth] and not judge_reflects_fall(last, first):
            text += ". The judge's win rate fell less than half as far as the true one: this is reward hacking"
        elif not pairwise and last.judge > first.judge and last.accuracy < first.accuracy:
            text += ". Reward rose while accuracy fell: this is reward hacking"
        elif gap > 0.05:
            text += ". The gap between reward and truth widened"
        sentences.append(text + ".")
    return sentences


def collapses(results: Results) -> str | None:
    """A sentence on the collapses that the monitor flagged; None if no run was validated."""
    validated = [run for run in results.monitors if run != results.baseline.run]
    if not validated:
        return None
    if not any("judge" in (table := results.monitors[run]) and table.judge.notna().any() for run in validated):
        return "The monitor could not detect a collapse: the judge scored none of the validation samples."
    steps = {run: results.collapse(run) for run in validated}
    fallen = [f"{results.names[run]} at step {step:.0f}" for run, step in steps.items() if step is not None]
    return f"The monitor flagged a collapse of {join_words(fallen)}." if fallen else "The monitor flagged no collapse."


def missing_parts(results: Results) -> list[str]:
    """Sentences on what is missing: failed runs, runs without results, the judge, test results."""
    sentences = []
    for status, words in (("failed", "failed"), ("missing", "produced no result")):
        runs = [results.names[run] for run, about in results.runs.items() if about.get("status") == status]
        if runs:
            sentences.append(
                f"{join_words(runs)} {words}; tables and figures omit {'it' if len(runs) == 1 else 'them'}."
            )
    for run, about in results.runs.items():
        if about.get("reason"):
            sentences.append(f"Last line of the log of {results.names[run]}: {about['reason']}")
    if results.metrics.empty:
        sentences.append("There are no test results: metrics.csv is missing or empty.")
    else:
        evaluated = set(results.metrics.run)
        left = [
            results.names[run]
            for run, about in results.runs.items()
            if about.get("status") == "finished" and run not in evaluated
        ]
        if left:
            sentences.append(f"{join_words(left)} finished but {'was' if len(left) == 1 else 'were'} not evaluated.")
        if len(results.sets) == 1:
            sentences.append(
                f"There is only one test set, {results.sets[0]}: results say nothing about other questions."
            )
        without_judge = [run for run in evaluated & results.runs.keys() if results.runs[run]["lambda"] == 1]
        if evaluated - {results.baseline.run} and not without_judge and not results.controls.runs:
            sentences.append(
                "No run without the judge's reward (λ\u00a0=\u00a01, or a control) was evaluated: a difference cannot "
                "be credited to the judge."
            )
        for row in results.metrics[results.metrics.metric == "not_run"].itertuples():
            run = results.names.get(row.run, row.run)
            sentences.append(
                f"{row.value:.1%} of the programs of {run} ({row.checkpoint}) on {row.set} did not run within "
                "solution.batch_seconds: its metrics leave them out, as neither correct nor wrong."
            )
    if results.calibration is None:
        sentences.append("There is no judge calibration: this study has no judge, or its calibration did not run.")
    return sentences


def total_time(results: Results) -> str:
    """A sentence on the time of training and of all jobs."""
    jobs = results.benchmarks.seconds.sum()
    training = sum(about.get("seconds") or 0 for about in results.runs.values())
    parts = [f"training took {seconds(training)} in total over all runs"] if training else []
    parts += [f"all timed jobs took {seconds(jobs)} in total, some of them in parallel"] if jobs else []
    return (join_words(parts).capitalize() + ".") if parts else "No timings were recorded."
