import pytest

from services.scheduler.engine.protos import pb
from services.scheduler.engine.status import RECEPTION, TERMINAL, Message, Reception, Status

MESSAGES = (Message.DELIVER, Message.SUSPEND, Message.RESUME, Message.TERMINATE, Message.REWIND)
# One row per status, its columns in the order of MESSAGES.
EXPECTED = """
PENDING     BUFFERED  SUSPENDS  IGNORED  ENDS     REFUSED
RUNNING     BUFFERED  SUSPENDS  IGNORED  ENDS     REFUSED
SUSPENDED   BUFFERED  IGNORED   RESUMES  ENDS     REFUSED
COMPLETED   IGNORED   IGNORED   IGNORED  IGNORED  REFUSED
TERMINATED  IGNORED   IGNORED   IGNORED  IGNORED  REFUSED
FAILED      IGNORED   IGNORED   IGNORED  IGNORED  REWINDS
"""
ROWS = {row.split()[0]: row.split()[1:] for row in EXPECTED.strip().splitlines()}


def test_the_expectation_names_every_status_and_every_message() -> None:
    assert set(ROWS) == {status.name for status in Status}
    assert set(MESSAGES) == set(Message)


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("message", Message)
def test_every_status_receives_every_message_as_written_down(
    status: Status, message: Message
) -> None:
    assert RECEPTION[status, message].name == ROWS[status.name][MESSAGES.index(message)]


def test_the_table_holds_nothing_else() -> None:
    assert set(RECEPTION) == {(status, message) for status in Status for message in Message}


def test_every_reception_happens_somewhere() -> None:
    assert set(RECEPTION.values()) == set(Reception)


def test_the_statuses_are_those_of_the_protocol_that_instances_have() -> None:
    ours = {f"ORCHESTRATION_STATUS_{status.name}": int(status) for status in Status}
    protocol = dict(pb.OrchestrationStatus.items())
    del protocol["ORCHESTRATION_STATUS_CONTINUED_AS_NEW"]
    del protocol["ORCHESTRATION_STATUS_CANCELED"]
    assert ours == protocol


@pytest.mark.parametrize("status", Status)
def test_what_has_ended_is_terminal_and_nothing_else(status: Status) -> None:
    ended = {"COMPLETED", "FAILED", "TERMINATED"}
    assert status.is_terminal is (status.name in ended)
    assert (status in TERMINAL) is (status.name in ended)
