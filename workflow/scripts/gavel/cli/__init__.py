"""The `gavel` command. No other package imports it.

A subcommand has a module of its own name.

- `main`: the command and its list of subcommands
- `init`: `gavel init`: write a study to start from
- `check`: `gavel check`: what a study reads, asks and needs, before it runs
- `run`: `gavel run`: run a study with Snakemake
- `status`: `gavel status`: how far a study is
- `watch`: `gavel watch`: a page about a study while it runs
- `explain`: `gavel explain`: what a config key means
- `score`: `gavel score`: accuracy of a file of responses
- `paired`: `gavel score --compare`: a paired comparison of two files
- `verifiers`: `gavel verifiers`: other verifiers' verdicts on the same responses
- `judge`: `gavel judge`: evaluate a judge on a file
- `judge_files`: ask a judge about the rows of a file
- `layouts`: the row layouts of both commands: `SCORE_LAYOUTS` and `JUDGE_LAYOUTS`
- `rows`: read rows of JSON Lines with their location
- `output_file`: output files that the user names
- `replay`: `gavel replay`: other rewards for a finished study's completions
- `export`: `gavel export`: a finished run's test samples in lm-evaluation-harness's files
- `harness`: `gavel harness`: lm-evaluation-harness on a finished run's checkpoint
- `finished_run`: what both commands read of a finished run
- `compare`: `gavel compare`: compare finished studies
- `publish`: `gavel publish`: a finished run as a model and a data set for the hub
- `cost`: `gavel cost`: estimate GPU hours and memory from configs
- `resources`: `gavel resources`: compare used and requested resources
- `sync`: `gavel sync`: send what MLflow lacks
- `ui`: `gavel ui`: serve MLflow's pages
- `commands`: what subcommands share: registering, renamed commands and options, types of options, tables
"""
