"""What stands in the task hubs that the pages are about: every kind of instance, by name."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from durabletask.azuremanaged.client import DurableTaskSchedulerClient
from durabletask.entities import EntityInstanceId

from scripts.local_stack import LocalStack
from tests.browser.odd_shop import HOSTILE, HOSTILE_IMAGE
from tests.conformance.hub import Hub
from tests.e2e.schedulers import QUIET

SHOP: Final = "default"
# Read by tests that count: nothing is added to it after its furnishing.
MUSEUM: Final = "museum"
EMPTY: Final = "empty"
HUBS: Final = (SHOP, MUSEUM, EMPTY)
TICKS: Final = 5_000
FAN: Final = 120

# Of the museum: how many roots there are by status, and sub-orchestrations beside them.
MUSEUM_ROOTS: Final = {
    "Running": 3,
    "Completed": 70,
    "Failed": 4,
    "Terminated": 2,
    "Pending": 5,
    "Suspended": 1,
}
MUSEUM_CHILDREN: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    """The ids of what every test may look at; none may change it."""

    failed: str = "failed-run"
    retried: str = "retried-run"
    waiting: str = "waiting-run"
    nested: str = "nested-run"
    fanned: str = "fanned-run"
    long: str = "long-run"
    locking: str = "locking-run"
    tagged: str = "tagged-run"
    large: str = "large-run"
    # As hostile as an id can be: markup, and what an address would misread.
    hostile: str = f"{HOSTILE}/?a=b&c#d%41 e"


@contextmanager
def hub_named(stack: LocalStack, name: str) -> Iterator[Hub]:
    """A task hub, as a client sees it."""
    with DurableTaskSchedulerClient(
        host_address=stack.endpoint,
        taskhub=name,
        token_credential=None,
        secure_channel=False,
        logger=QUIET,
    ) as client:
        yield Hub(endpoint=stack.endpoint, name=name, client=client)


def furnish_shop(hub: Hub) -> Shop:
    """Starts everything, and waits until all of it has come to where it stays."""
    shop, start = Shop(), hub.client.schedule_new_orchestration
    # First: whoever holds the locks keeps everybody else waiting.
    for key, amount in (("from", 10), ("to", 1), (HOSTILE, 5)):
        hub.client.signal_entity(EntityInstanceId("account", key), "set", amount)
    hub.client.signal_entity(EntityInstanceId("account", "texts"), "set", {"html": HOSTILE_IMAGE})
    start("ticks", input=TICKS, instance_id=shop.long)
    start("fails", input={"order": 7}, instance_id=shop.failed)
    start("retries", input=2, instance_id=shop.retried)
    start("waits", input={"deep": {"er": [1, 2, 3]}}, instance_id=shop.waiting)
    start("nests", input=3, instance_id=shop.nested)
    start("fans_out", input=FAN, instance_id=shop.fanned)
    start("transfers", input=["from", "to"], instance_id=shop.locking)
    start("quick", input=list(range(30_000)), instance_id=shop.large)
    tags = {"customer": "Ada", "priority": "high"}
    start("quick", input="a text", instance_id=shop.tagged, version="2.1.0", tags=tags)
    given = {"note": HOSTILE + HOSTILE_IMAGE}
    start(HOSTILE, input=given, instance_id=shop.hostile, tags={HOSTILE: HOSTILE_IMAGE})
    ended = (shop.failed, shop.retried, shop.nested, shop.fanned, shop.large, shop.tagged)
    for instance_id in ended:
        hub.ended(instance_id)
    hub.until_status(shop.locking, "holds the locks")
    hub.until_status(shop.waiting, {"waiting for": "approval"})
    hub.until_status(shop.hostile, {HOSTILE: HOSTILE_IMAGE})
    hub.client.raise_orchestration_event(shop.hostile, HOSTILE_IMAGE, data=HOSTILE)
    hub.ended(shop.hostile)
    hub.ended(shop.long)
    return shop


def furnish_museum(hub: Hub) -> None:
    """Starts what is counted, one status after the other: the order of creation is known."""
    start = hub.client.schedule_new_orchestration
    for number in range(MUSEUM_ROOTS["Completed"]):
        start("quick", input=number, instance_id=f"order-{number:03}")
    for number in range(MUSEUM_ROOTS["Failed"]):
        start("fails", input=number, instance_id=f"bad-{number}")
    # With a running child each.
    for number in range(2):
        start("has_waiting_child", input=number, instance_id=f"parent-{number}")
    start("waits", input=0, instance_id="approval-0")
    for number in range(MUSEUM_ROOTS["Terminated"]):
        start("waits", input=number, instance_id=f"stopped-{number}")
    start("waits", input=0, instance_id="held-0")
    # Nobody registers this one, so it stays pending.
    for number in range(MUSEUM_ROOTS["Pending"]):
        start("nobody_does_this", input=number, instance_id=f"pending-{number}")
    for child in ("parent-0.child", "parent-1.child", "approval-0", "held-0"):
        hub.until_status(child, {"waiting for": "approval"})
    for number in range(MUSEUM_ROOTS["Terminated"]):
        hub.client.terminate_orchestration(f"stopped-{number}", output="enough")
        hub.until_it_is("TERMINATED", f"stopped-{number}")
    hub.client.suspend_orchestration("held-0")
    hub.until_it_is("SUSPENDED", "held-0")
    for instance_id in (f"order-{MUSEUM_ROOTS['Completed'] - 1:03}", "bad-3"):
        hub.ended(instance_id)


def until(true: Callable[[], Any], *, seconds: float = 20.0) -> None:
    """Waits for what no page shows."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"not within {seconds:g} s"
        time.sleep(0.02)


def as_json(value: object) -> str:
    """A payload as the SDK writes it."""
    return json.dumps(value)
