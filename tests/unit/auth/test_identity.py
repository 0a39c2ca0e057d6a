"""What a caller may do is decided by whole names and by nothing else."""

import pytest

from services.scheduler.auth.identity import ANYONE, Access, Identity, Role
from services.scheduler.errors import ForbiddenError


def caller(role: Role, *hubs: str) -> Identity:
    return Identity(name="ada", role=role, hubs=frozenset(hubs))


@pytest.mark.parametrize("other", ["orders2", "order", "Orders", "ORDERS", "a-orders", "*", ""])
def test_a_hub_is_the_callers_by_its_whole_name(other: str) -> None:
    ada = caller(Role.CONTRIBUTOR, "orders", "default")
    for hub in ("orders", "default"):
        ada.check(hub, Access.CHANGE)
    assert not ada.sees(other)
    for access in Access:
        with pytest.raises(ForbiddenError, match="no access to task hub"):
            ada.check(other, access)


def test_without_a_hub_nothing_is_the_callers() -> None:
    nobody = caller(Role.CONTRIBUTOR)
    assert not nobody.sees("default")
    with pytest.raises(ForbiddenError):
        nobody.check("default", Access.READ)
    with pytest.raises(ForbiddenError):
        nobody.check_every_hub()


def test_whose_a_hub_is_counts_before_what_they_may_do() -> None:
    # Otherwise a reader would be told of hubs that are not there.
    with pytest.raises(ForbiddenError, match="no access to task hub 'other'"):
        caller(Role.READER, "default").check("other", Access.CHANGE)


def test_a_name_that_a_caller_makes_up_is_neither_long_nor_a_line_of_its_own() -> None:
    with pytest.raises(ForbiddenError) as refused:
        caller(Role.READER, "default").check("x\n\x1b" + "y" * 10_000, Access.READ)
    told = str(refused.value)
    assert len(told) < 150
    assert told.isprintable()


def test_without_authentication_everything_is_allowed() -> None:
    for access in Access:
        ANYONE.check("whatever", access)
    ANYONE.check_every_hub()
    assert ANYONE.may_change
