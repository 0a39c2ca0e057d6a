import logging

import pytest

from services.scheduler.auth.strangers import Strangers
from services.scheduler.errors import UnauthenticatedError


def test_of_many_strangers_one_is_told_and_how_many_there_were(
    caplog: pytest.LogCaptureFixture,
) -> None:
    now = 0.0
    strangers = Strangers(lambda: now)
    error = UnauthenticatedError("The token is not known")
    with caplog.at_level(logging.INFO):
        for number in range(1_000):
            strangers.refused("Hello", error, code="UNAUTHENTICATED", peer=f"ipv4:{number}")
        now = 10.0
        strangers.refused("Hello", error, code="UNAUTHENTICATED", peer="ipv4:last")
    assert caplog.messages == [
        "Hello refused: The token is not known (ipv4:0, and 0 before it)",
        "Hello refused: The token is not known (ipv4:last, and 999 before it)",
    ]
