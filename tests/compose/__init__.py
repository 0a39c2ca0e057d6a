"""The stack on a Docker engine."""
