"""Floor 5: what a worker process runs: jobs and the callback listener."""
