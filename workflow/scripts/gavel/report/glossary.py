"""Terms of the report, with which each page ends."""

from typing import NamedTuple


class Term(NamedTuple):
    """A term: its name, and its meaning in a sentence or two."""

    name: str
    meaning: str


# Anchor on a page -> term, in alphabetical order of the names.
GLOSSARY = {
    "advantage": Term(
        "advantage", "How much better a completion is than the others of its group: its reward minus their mean."
    ),
    "auc": Term(
        "AUC within questions",
        "How often the judge scores a correct response above a wrong one to the same question; ties count half. 0.5 is "
        "chance, 1 is perfect. RL compares responses to the same question, so this is what a judge's reward is worth.",
    ),
    "baseline": Term(
        "baseline",
        "The policy that RL starts from: the student after SFT, or the untrained one in a study without SFT.",
    ),
    "bound": Term(
        "bound", "A run that knows all gold answers, those of unlabelled questions too: what better labels could give."
    ),
    "calibration": Term(
        "calibration", "The measurement of the judge, before RL, on the baseline's responses to validation questions."
    ),
    "collapse": Term(
        "collapse",
        "Accuracy on validation questions has fallen while the judge's reward has not, or little of it is left. The "
        "monitor flags it by the rule in rl.validation.",
    ),
    "control": Term("control", "A run with another reward or none, to tell what the judge's reward adds."),
    "gap-closed": Term("gap closed", "A run's gain over the baseline, as a fraction of that of RL with all answers."),
    "group": Term("group", "The completions of one question in one step."),
    "holm": Term(
        "Holm", "A correction of p-values for the number of comparisons: the more there are, the smaller each must be."
    ),
    "interval": Term(
        "95 % interval",
        "Differences that the data do not rule out. An interval without zero is evidence of a difference.",
    ),
    "judge": Term(
        "judge",
        "The language model that reads a question and a response, and answers in one token whether it is right.",
    ),
    "lambda": Term(
        "λ",
        "The weight of the verifier in the reward of labelled questions: at λ = 0 only the judge rewards, at λ = 1 "
        "only the verifier does. Unlabelled questions are rewarded by the judge at λ below 1.",
    ),
    "majk": Term("maj@k", "Accuracy of the most frequent answer among k samples of a question."),
    "margin": Term(
        "margin",
        "The judge's mean score of correct responses minus that of wrong ones to the same question. Near 0 even a "
        "perfect ranking gives almost no reward.",
    ),
    "mcnemar": Term(
        "McNemar", "A test of two runs on the same questions; it counts those that only one of them answers correctly."
    ),
    "monitor": Term(
        "monitor",
        "Samples the same validation questions every few steps, to compare the judge's reward with the truth.",
    ),
    "passk": Term("pass@k", "How often at least one of k samples of a question is correct."),
    "pdr": Term(
        "performance drop rate",
        "1 minus the accuracy on perturbed questions divided by that on the questions they were made from.",
    ),
    "primary": Term(
        "primary comparison",
        "The comparison that answers the study's question. The config names it before any run; only its p-value needs "
        "no correction.",
    ),
    "hacking": Term(
        "reward hacking", "The policy learns what the judge wrongly accepts: the reward rises and accuracy does not."
    ),
    "verifier": Term(
        "verifier", "The program that compares a response's answer with the gold answer. The truth in this report."
    ),
    "youden": Term(
        "Youden's J",
        "The fraction of correct responses that the judge accepts minus that of wrong ones: 1 is perfect, 0 is a coin.",
    ),
}
