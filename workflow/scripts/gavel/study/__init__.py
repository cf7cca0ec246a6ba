"""From YAML to a workflow.

The schema (`schema`), paths and defaults (`resolve`), variants (`sweep`), where every file of a study is (`layout`),
the table of rules (`rules`), the parameters of each rule's jobs (`params`), checks before the first job (`checks`),
cost estimates (`cost`), and which rules a code change reruns (`code_digest`).
"""
