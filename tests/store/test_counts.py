"""Counts are kept with every change, in its transaction, and are never off by one."""

import os
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from contextlib import closing
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scripts.local_stack import ROOT
from services.scheduler.engine.entity import Entity
from services.scheduler.engine.protos import pb
from services.scheduler.engine.status import Status
from services.scheduler.store.database import open_writer
from services.scheduler.store.entity_store import EntityStore
from services.scheduler.store.statements import SQL
from services.scheduler.store.store import Store
from tests.unit.engine.given import LATER, NOW, parent, started, text


def counted(connection: sqlite3.Connection) -> dict[tuple[str, int], int]:
    """What the counts say, without those that are 0."""
    rows = connection.execute(SQL["counts"]).fetchall()
    return {(kind, status): number for kind, status, number in rows if number}


def found(connection: sqlite3.Connection) -> dict[tuple[str, int], int]:
    """What a look at every row says."""
    rows = connection.execute("SELECT parent_id IS NULL, status FROM instances").fetchall()
    numbers = Counter(("root" if is_root else "child", status) for is_root, status in rows)
    query = "SELECT count(*) FROM entities WHERE state IS NOT NULL"
    (entities,) = connection.execute(query).fetchone()
    return {**numbers, **({("entity", 0): entities} if entities else {})}


steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["root", "child", "suspend", "run", "end", "delete", "state", "no state", "lock"]
        ),
        st.integers(0, 9),
    ),
    max_size=40,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_they_are_what_a_look_at_every_row_says(
    writer: sqlite3.Connection, store: Store, entities: EntityStore, steps: list[tuple[str, int]]
) -> None:
    writer.execute("BEGIN")
    for step, number in steps:
        take(store, entities, step, number)
        assert counted(writer) == found(writer)
    writer.execute("ROLLBACK")
    store.forget()
    assert counted(writer) == found(writer) == {}


def take(store: Store, entities: EntityStore, step: str, number: int) -> None:
    row = store.find_instance(f"i{number}")
    entity_id = f"@e@{number}"
    entity = entities.find_entity(entity_id)
    if step in {"root", "child"}:
        if row is None:
            instance = pb.OrchestrationInstance(instanceId=f"i{number}", executionId=text("0" * 32))
            given_by = parent() if step == "child" else None
            event = started(orchestrationInstance=instance, parentInstance=given_by)
            store.add_instance(event, NOW, None)
    elif step in {"state", "no state", "lock"}:
        seq = entities.add_entity(entity_id, NOW) if entity is None else entity.seq
        state = {"state": "1", "no state": None}.get(step)
        changed = Entity(entity_id=entity_id, state=state, section=None, owner=None)
        if step == "lock":
            entities.save_lock(seq, changed)
        else:
            entities.save_entity(seq, changed, LATER)
    elif row is not None and step == "delete":
        store.delete_instance(row.seq)
        if entity is not None:
            entities.delete_entity(entity.seq)
    elif row is not None:
        status = {"suspend": Status.SUSPENDED, "run": Status.RUNNING, "end": Status.FAILED}[step]
        store.save_status(row.seq, status, LATER)


WRITES = """
import sys
from pathlib import Path
from services.scheduler.store.database import open_writer
writer = open_writer(Path(sys.argv[1]))
number = 0
while True:
    writer.execute("BEGIN")
    for _ in range(7):
        number += 1
        writer.execute(
            "INSERT INTO instances (instance_id, execution_id, name, status, created_at,"
            " updated_at) VALUES (?, '', 'n', 6, 0, 0)", (str(number),))
        writer.execute("UPDATE instances SET status = 1 WHERE seq = ?", (number - 3,))
    writer.execute("COMMIT")
    print(number, flush=True)
"""


def test_they_are_right_after_the_process_was_killed(file: Path) -> None:
    command = [sys.executable, "-c", WRITES, str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(20):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    with closing(open_writer(file)) as reopened:
        assert counted(reopened) == found(reopened)
        assert sum(counted(reopened).values()) >= 140
