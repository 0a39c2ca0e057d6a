"""How a submission is cut into batches and what its parts are called.

A contract: the orchestrators split by it and the client finds the parts again by it.
"""

from collections.abc import Sequence
from typing import TypeVar

Item = TypeVar("Item")


def split(items: Sequence[Item], size: int) -> list[Sequence[Item]]:
    """`items` in batches of `size`, in their order; the last one may be shorter."""
    return [items[start : start + size] for start in range(0, len(items), size)]


def child_instance_id(parent: str, number: int) -> str:
    """The instance id of a parent's child, numbered from 1.

    The same text that the Python SDK makes by default, so that it reads alike everywhere.
    """
    return f"{parent}:{number:04x}"
