"""From YAML to a workflow.

- `schema`: the typed config
- `config_files`: read config files
- `resolve`: fill in defaults and local paths
- `finished`: the config of a finished study
- `results_folder`: a study's name and results folder
- `results_version`: which version of Gavel has written a results folder
- `sweep`: variants, and the stages that they share: `STAGE_SECTIONS`
- `smoke`: a study made tiny, to see whether every part runs
- `layout`: where a study's files are: `Layout`
- `rules`: the table of rules: `RULES`
- `params`: the parameters of each rule's jobs
- `named_judge`: the judge that a command or the section `replay` names
- `checks`: checks before the first job
- `memory_check`: refuse what would not fit into memory
- `check_data`: check the splits once they are written
- `preview`: what a study reads, asks and needs, before it runs
- `code_digest`: which rules a code change reruns
- `progress`: how much of the work is done, and how long the rest will take
- `remaining`: the same from the files in the results folder
- `status`: how far a study is, from the files in its results folder
- `cost`: cost estimates
- `key_info`: what the schema says of one config key
- `reference`: the reference of all config keys
"""
