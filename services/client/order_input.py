"""The orders of a file that are to be submitted, or what a person has to mend before.

Imports neither gRPC nor the SDK: a file can be looked at before there is a scheduler.
"""

from collections.abc import Callable, Sequence
from pathlib import Path

from services.client.errors import BadInputError
from services.client.order_files import OrderFileError, describe_problems, read_orders
from services.shared.orders import Order


def good_orders(
    file: Path, *, skip_invalid: bool, tell: Callable[[str], None], hint: str
) -> Sequence[Order]:
    """The orders of `file`; raises `BadInputError` with what is wrong and where.

    With `skip_invalid` the bad rows are left out, and `tell` is told of them; the `hint` ends a
    refusal that could be had without.
    """
    try:
        found = read_orders(file)
    except OrderFileError as error:
        raise BadInputError(str(error)) from error
    if not found.problems:
        return found.orders
    problems = describe_problems(found.problems)
    number = len(found.problems)
    rows = f"{number:,} bad row{'' if number == 1 else 's'}"
    if not skip_invalid:
        raise BadInputError(f"{file}: {rows}, nothing was submitted\n{problems}\n{hint}".rstrip())
    if not found.orders:
        raise BadInputError(f"{file}: no good row is left\n{problems}")
    tell(f"left out {rows} of {file}:\n{problems}")
    return found.orders
