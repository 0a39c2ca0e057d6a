"""Stacks without chaos, for what is tested of the harness itself."""

from tests.e2e.conftest import new_stack

__all__ = ["new_stack"]
