"""The dashboard: web pages over the scheduler's management API, and nothing else."""
