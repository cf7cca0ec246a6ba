"""From YAML to a workflow.

The schema (`schema`), paths and defaults (`resolve`), variants (`sweep`), where every file of a study lies (`layout`),
the table of rules (`rules`), what each rule's job depends on (`params`), checks before the first job (`checks`), what a
study will cost (`cost`), and what an edit of the code reruns (`code_digest`).
"""
