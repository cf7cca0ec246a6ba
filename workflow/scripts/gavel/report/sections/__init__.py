"""The sections of a study's page: they make tables, figures and sentences from a results folder.

- `summary_sentences`: sentences computed from the results, such as the one at the top
- `first_screen`: how the study was set up, and what it found
- `accuracy`: the test results
- `controls`: other rewards, other baselines and upper bounds
- `training`: training curves and rewarded wrong responses
- `replays`: what other judges would have rewarded
- `watchers`: judges that watch the runs, and their alarms
- `monitor_errors`: how often the monitor's rule is wrong
- `sampling_mismatch`: how far vLLM's log-probabilities are from the trainer's
- `votes`: answers chosen from several samples
- `perturbation_kinds`: perturbed test sets, by kind of perturbation
- `judge`: the judge's calibration and probes
- `signal`: whether RL had anything to learn from
- `judge_benchmark`: the judge benchmark
- `judge_training`: the judge's training
- `questions_by_step`: the rollout browser
- `samples`: the sample browser
- `prompts`: the first prompt of each kind
- `data_and_cost`: data, algorithms and cost
- `workflow`: the graph of rules
"""
