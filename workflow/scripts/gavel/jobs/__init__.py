"""What every job needs around its function.

- `job`: threads, state folder, lock and MLflow run of a workflow job
- `launch`: start a job's additional processes
- `process_group`: connect the processes of a training job
- `serving`: start a server for a job
- `serving_process`: supervise that server
- `threads`: a job's use of the CPU
- `snakemake_lock`: remove Snakemake's stale lock after a crash
"""
