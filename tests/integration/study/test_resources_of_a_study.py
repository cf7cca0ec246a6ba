"""What the small study's jobs used of what they had asked for, by the workflow's own benchmark files."""

from gavel.cli import resources

MOST_CORES = 1.5  # by a job of one thread: one that used all of two cores would show nearly two


def test_no_rule_takes_more_threads_memory_or_time_than_it_asks_for(finished):
    found = resources.used_resources(finished.results / "benchmarks")
    assert {"prepare_data", "train_sft", "train_rl", "generate", "score", "judge_policy"} <= set(found)
    given = resources.requested_resources(finished.results / "config.yaml")
    assert given["compute"]["threads"] == 1
    assert {rule: own.cores for rule, own in found.items() if own.cores > MOST_CORES} == {}
    text = resources.page(found, given, 1.5)
    assert "used more than it requested" not in text
