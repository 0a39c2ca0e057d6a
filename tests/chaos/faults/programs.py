"""What programs do to their own: poison, work items that are too large, and a new version."""

import sqlite3
from contextlib import closing
from typing import Any, Final

import grpc

from services.shared.sdk import new_client, status_code
from tests.chaos.kinds import Kind, Scene, at_once
from tests.chaos.load import connection_of
from tests.chaos.odd_programs import STEPS
from tests.e2e.processes import wait_until

_MODULE: Final = "tests.chaos.odd_programs"
_STARTED_SECONDS_MAX: Final = 60.0
# Twice may be chance, but is counted; from three on the scheduler delivers an item alone.
_COUNTED_DELIVERIES: Final = 2
_VERSIONED: Final = 5
_VERSIONS: Final = tuple(STEPS)


def _start(scene: Scene, name: str, instance_id: str, **fields: Any) -> None:
    """Starts an orchestration, whatever becomes of the first tries."""

    def is_started() -> bool:
        try:
            client.schedule_new_orchestration(name, instance_id=instance_id, **fields)
        except grpc.RpcError as error:
            return status_code(error) is grpc.StatusCode.ALREADY_EXISTS
        return True

    with new_client(connection_of(scene.stack), call_seconds=5) as client:
        wait_until(is_started, seconds=_STARTED_SECONDS_MAX)


def _poison(scene: Scene) -> None:
    _start(scene, "poisoned", "poison")
    scene.stack.invite("poison", _MODULE, "poison", instances={"poison": None})


def _grow(scene: Scene) -> None:
    _start(scene, "grows", "growth")
    scene.stack.invite("growth", _MODULE, "growth", instances={"growth": None})


def _is_counted(scene: Scene) -> bool:
    """Whether the scheduler counts what has ended its worker's stream."""
    query = (
        "SELECT max(i.deliveries, coalesce(max(a.deliveries), 0)), i.completed_at FROM instances i"
        " LEFT JOIN activities a ON a.instance = i.seq WHERE i.instance_id = ?"
    )
    with closing(sqlite3.connect(f"file:{scene.stack.file}?mode=ro", uri=True)) as connection:
        try:
            deliveries, ended = connection.execute(query, (scene.lane,)).fetchone()
        except sqlite3.Error:
            return False  # it is just being opened anew
    return deliveries is not None and (ended is not None or deliveries >= _COUNTED_DELIVERIES)


def _change_version(scene: Scene) -> None:
    """The new version comes, the old one goes, and what it had begun goes on."""
    ids = {version: [f"v{version[0]}-{n}" for n in range(_VERSIONED)] for version in _VERSIONS}
    everything = {
        instance_id: list(range(1, STEPS[version] + 1))
        for version in _VERSIONS
        for instance_id in ids[version]
    }
    for version in _VERSIONS:
        scene.stack.invite(f"version-{version}", _MODULE, version, instances=everything)
        for instance_id in ids[version]:
            _start(scene, "versioned", instance_id, version=version)
    [old] = [guest for guest in scene.stack.guests if guest.part.name == "version-1.0.0"]
    old.part.stop()


KINDS: Final = (
    Kind(
        name="poison activity",
        lanes=("poison",),
        inject=_poison,
        is_over=_is_counted,
        repeats=False,
    ),
    Kind(
        name="work item too large",
        lanes=("growth",),
        inject=_grow,
        is_over=_is_counted,
        repeats=False,
    ),
    Kind(
        name="new worker version",
        lanes=("version",),
        inject=_change_version,
        is_over=at_once,
        repeats=False,
    ),
)
