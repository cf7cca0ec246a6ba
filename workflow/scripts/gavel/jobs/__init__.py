"""Running jobs: the setup common to all jobs, multiple processes, servers started by a job, locks."""
