"""`scripts/azure-up`, `azure-down` and `azure-status`: the scheduler's resources in Azure.

Everything is done by `az`, with commands that are shown, so that a person can type them as well.
Needs Python's standard library alone: it works in a checkout without `.venv`.
"""
