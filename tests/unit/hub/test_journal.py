import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest

from services.scheduler.engine.status import Status
from services.scheduler.hub.journal import Journal
from services.scheduler.store.rows import InstanceRow
from tests.unit.dispatch.virtual_time import in_virtual_time

ROW = InstanceRow(
    seq=1,
    instance_id="run",
    execution_id="e",
    name="main",
    version=None,
    status=Status.PENDING,
    parent_id=None,
    parent_execution_id=None,
    created_at=0,
    updated_at=0,
    scheduled_at=None,
    completed_at=None,
    custom_status=None,
    failure=None,
    tags=None,
    trace=None,
    deliveries=0,
)
CHILD = replace(ROW, instance_id="run:0001", parent_id="run")


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    return {key: value for key, value in vars(record).items() if key in {"instance_id", "event"}}


@in_virtual_time
async def test_what_a_client_started_is_told_and_its_children_only_to_who_debugs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    journal = Journal("default")
    journal.started(ROW)
    journal.started(CHILD)
    journal.ended(CHILD, Status.FAILED)
    journal.ended(ROW, Status.COMPLETED)
    assert [fields_of(record) for record in caplog.records] == [
        {"instance_id": "run", "event": "started"},
        {"instance_id": "run", "event": "completed"},
    ]
    assert journal.started_count == 2
    assert dict(journal.ended_counts) == {Status.FAILED: 1, Status.COMPLETED: 1}
    caplog.set_level(logging.DEBUG)
    journal.ended(CHILD, Status.FAILED)
    assert fields_of(caplog.records[-1]) == {"instance_id": "run:0001", "event": "failed"}


@in_virtual_time
async def test_thousands_are_told_in_sums_and_not_one_is_left_out(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    journal = Journal("default")
    for _ in range(5_000):
        journal.started(ROW)
    for _ in range(3):
        journal.ended(ROW, Status.COMPLETED)
    assert len(caplog.records) == 10
    await asyncio.sleep(2)
    assert len(caplog.records) == 11
    last = caplog.records[-1].getMessage()
    assert last == "further orchestrations of task hub default: 3 completed, 4,990 started"
    journal.ended(ROW, Status.COMPLETED)
    assert len(caplog.records) == 12
