import logging

import pytest

from services.worker.outages import OutageFilter, Outages


class Clock:
    """Seconds that a test lets pass."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        """What time it is."""
        return self.now


def told_in(seconds: int, outages: Outages, clock: Clock, text: str, *, every: int) -> list[float]:
    """When a text that comes `every` so many seconds is told."""
    told: list[float] = []
    for at in range(int(clock.now), int(clock.now) + seconds, every):
        clock.now = at
        if outages.is_due(text):
            told.append(clock.now)
    return told


def test_an_outage_is_told_at_once_and_then_after_pauses_that_grow_to_five_minutes() -> None:
    clock = Clock()
    told = told_in(2_000, Outages(clock), clock, "refused", every=4)
    assert told == [0, 8, 24, 56, 120, 248, 504, 804, 1_104, 1_404, 1_704]


def test_another_cause_and_another_outage_are_told_at_once() -> None:
    clock = Clock()
    outages = Outages(clock)
    assert told_in(20, outages, clock, "refused", every=4) == [0, 8]
    assert outages.is_due("the certificate has expired")
    # Who tries every few seconds and is silent for so long was connected.
    clock.now += 31
    assert outages.is_due("refused")
    assert not outages.is_due("refused")


def test_which_address_of_a_name_was_the_last_one_is_no_other_cause() -> None:
    clock = Clock()
    outages = Outages(clock)
    assert outages.is_due("last error: ipv4:127.0.0.1:8080: Connection refused")
    assert not outages.is_due("last error: ipv6:%5B::1%5D:8080: Connection refused")


def test_the_sdks_lines_are_thinned_out_and_all_others_pass(
    caplog: pytest.LogCaptureFixture,
) -> None:
    logger = logging.getLogger("tests.outages")
    thin = OutageFilter(Outages(Clock()))
    logger.addFilter(thin)
    try:
        for attempt in range(3):
            logger.warning("Failed to create connection: %s", "refused")
            logger.warning("Connection failed, retrying in 1.5 seconds (attempt %d)", attempt)
        logger.warning("Error in work item stream: %s", "closed")
        logger.warning("Error in work item stream: %s", "closed")
        logger.warning("Error in work item stream: Locally cancelled by application!")
    finally:
        logger.removeFilter(thin)
    assert caplog.messages == [
        "Failed to create connection: refused",
        "Error in work item stream: closed",
        "Error in work item stream: closed",
    ]
