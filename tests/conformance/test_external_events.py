import json
import threading
from datetime import timedelta
from typing import Any

import grpc
import pytest
from durabletask import history, task

from tests.conformance.histories import of
from tests.conformance.hub import SECONDS_MAX, Hub, Steps

FALSY: list[Any] = [0, "", False, None, [], {}]


def wait_for(ctx: task.OrchestrationContext, name: str) -> Steps:
    return (yield ctx.wait_for_external_event(name))


def collect(ctx: task.OrchestrationContext, count: int) -> Steps:
    received = []
    for _ in range(count):
        received.append((yield ctx.wait_for_external_event("item")))  # noqa: PERF401 - a comprehension cannot yield
    return received


def test_an_event_reaches_the_orchestration_that_waits(hub: Hub) -> None:
    with hub.worker(orchestrators=[wait_for]):
        instance_id = hub.client.schedule_new_orchestration(wait_for, input="approval")
        hub.client.wait_for_orchestration_start(instance_id)
        hub.client.raise_orchestration_event(instance_id, "approval", data={"by": "Zoë 🚀"})
        state = hub.ended(instance_id)
    assert state.get_output() == {"by": "Zoë 🚀"}
    events = hub.client.get_orchestration_history(instance_id)
    (raised,) = of(history.EventRaisedEvent, events)
    assert (raised.event_id, raised.name) == (-1, "approval")
    assert json.loads(str(raised.input)) == {"by": "Zoë 🚀"}


def test_an_event_waits_for_an_orchestration_that_has_not_started(hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration(wait_for, input="early")
    hub.client.raise_orchestration_event(instance_id, "early", data="bird")
    with hub.worker(orchestrators=[wait_for]):
        assert hub.ended(instance_id).get_output() == "bird"


def test_an_event_waits_until_it_is_awaited(hub: Hub) -> None:
    def ask_late(ctx: task.OrchestrationContext, _: object) -> Steps:
        yield ctx.wait_for_external_event("first")
        yield ctx.create_timer(timedelta(seconds=0.1))
        return (yield ctx.wait_for_external_event("second"))

    with hub.worker(orchestrators=[ask_late]):
        instance_id = hub.client.schedule_new_orchestration(ask_late)
        hub.client.raise_orchestration_event(instance_id, "second", data=2)
        hub.client.raise_orchestration_event(instance_id, "first", data=1)
        assert hub.ended(instance_id).get_output() == 2


def test_an_event_comes_while_an_activity_runs(hub: Hub) -> None:
    running, gate = threading.Event(), threading.Event()

    def held(_: task.ActivityContext, __: object) -> str:
        running.set()
        gate.wait(SECONDS_MAX)
        return "activity"

    def both(ctx: task.OrchestrationContext, _: object) -> Steps:
        activity = ctx.call_activity(held)
        event = yield ctx.wait_for_external_event("go")
        ctx.set_custom_status(event)
        return [event, (yield activity)]

    with hub.worker(orchestrators=[both], activities=[held]):
        instance_id = hub.client.schedule_new_orchestration(both)
        try:
            assert running.wait(SECONDS_MAX)
            hub.client.raise_orchestration_event(instance_id, "go", data="event")
            hub.until_status(instance_id, "event")
        finally:
            gate.set()
        assert hub.ended(instance_id).get_output() == ["event", "activity"]


@pytest.mark.parametrize(
    ("awaited", "raised"), [("Approval", "aPPROVAL"), ("straße", "STRASSE"), ("ÄPFEL", "äpfel")]
)
def test_the_case_of_an_events_name_does_not_matter(hub: Hub, awaited: str, raised: str) -> None:
    with hub.worker(orchestrators=[wait_for]):
        instance_id = hub.client.schedule_new_orchestration(wait_for, input=awaited)
        hub.client.raise_orchestration_event(instance_id, raised, data="heard")
        assert hub.ended(instance_id).get_output() == "heard"


def test_events_of_one_name_come_in_the_order_they_were_raised(hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration(collect, input=20)
    for number in range(10):
        hub.client.raise_orchestration_event(instance_id, "item", data=number)
    with hub.worker(orchestrators=[collect]):
        hub.client.wait_for_orchestration_start(instance_id)
        for number in range(10, 20):
            hub.client.raise_orchestration_event(instance_id, "item", data=number)
        assert hub.ended(instance_id).get_output() == list(range(20))


def test_events_of_different_names_wait_for_their_own_turn(hub: Hub) -> None:
    def reverse(ctx: task.OrchestrationContext, names: list[str]) -> Steps:
        received = []
        for name in names:
            received.append((yield ctx.wait_for_external_event(name)))  # noqa: PERF401 - a comprehension cannot yield
        return received

    names = ["a", "b", "c"]
    instance_id = hub.client.schedule_new_orchestration(reverse, input=names)
    for name in reversed(names):
        hub.client.raise_orchestration_event(instance_id, name, data=name.upper())
    with hub.worker(orchestrators=[reverse]):
        assert hub.ended(instance_id).get_output() == ["A", "B", "C"]


@pytest.mark.parametrize("early", [True, False], ids=["buffered", "awaited"])
def test_falsy_event_data_is_kept_exactly(hub: Hub, *, early: bool) -> None:
    instance_id = hub.client.schedule_new_orchestration(collect, input=len(FALSY))

    def raise_all() -> None:
        for value in FALSY:
            hub.client.raise_orchestration_event(instance_id, "item", data=value)

    if early:
        raise_all()
    with hub.worker(orchestrators=[collect]):
        if not early:
            hub.client.wait_for_orchestration_start(instance_id)
            raise_all()
        state = hub.ended(instance_id)
    # As JSON, because to Python 0 and False are equal.
    assert state.serialized_output == json.dumps(FALSY)


def test_an_event_of_nearly_a_megabyte_passes(hub: Hub) -> None:
    text = "x" * 900_000
    with hub.worker(orchestrators=[wait_for]):
        instance_id = hub.client.schedule_new_orchestration(wait_for, input="big")
        hub.client.raise_orchestration_event(instance_id, "big", data=text)
        assert hub.ended(instance_id).get_output() == text


def test_an_event_to_a_missing_instance_is_refused(hub: Hub) -> None:
    with pytest.raises(grpc.RpcError) as refused:
        hub.client.raise_orchestration_event(hub.fresh("missing"), "go")
    assert refused.value.code() == grpc.StatusCode.NOT_FOUND


def test_an_event_to_a_finished_instance_is_taken_and_changes_nothing(hub: Hub) -> None:
    def plain(_: task.OrchestrationContext, value: str) -> str:
        return value

    with hub.worker(orchestrators=[plain]):
        state = hub.ran(plain, input="over")
        events = hub.client.get_orchestration_history(state.instance_id)
        hub.client.raise_orchestration_event(state.instance_id, "late", data="ignored")
        # The hub goes on with other work, and still nothing came of it.
        hub.ran(plain, input="other")
    after = hub.client.get_orchestration_state(state.instance_id)
    assert after is not None
    assert (after.runtime_status, after.get_output()) == (state.runtime_status, "over")
    assert hub.client.get_orchestration_history(state.instance_id) == events


def test_an_unawaited_event_does_not_keep_an_orchestration_from_completing(hub: Hub) -> None:
    instance_id = hub.client.schedule_new_orchestration(wait_for, input="wanted")
    hub.client.raise_orchestration_event(instance_id, "unwanted", data=1)
    hub.client.raise_orchestration_event(instance_id, "wanted", data=2)
    with hub.worker(orchestrators=[wait_for]):
        state = hub.ended(instance_id)
    assert (state.runtime_status.name, state.get_output()) == ("COMPLETED", 2)


def test_one_event_wakes_one_of_two_that_wait_for_the_same_name(hub: Hub) -> None:
    def pair(ctx: task.OrchestrationContext, _: object) -> Steps:
        first, second = (ctx.wait_for_external_event("item") for _ in range(2))
        yield task.when_any([first, second])
        ctx.set_custom_status([first.is_complete, second.is_complete])
        return [(yield first), (yield second)]

    with hub.worker(orchestrators=[pair]):
        instance_id = hub.client.schedule_new_orchestration(pair)
        hub.client.raise_orchestration_event(instance_id, "item", data="one")
        hub.until_status(instance_id, [True, False])
        hub.client.raise_orchestration_event(instance_id, "item", data="two")
        assert hub.ended(instance_id).get_output() == ["one", "two"]


def test_a_wait_that_was_cancelled_takes_no_event(hub: Hub) -> None:
    def change_of_mind(ctx: task.OrchestrationContext, _: object) -> Steps:
        ctx.wait_for_external_event("item").cancel()
        return (yield ctx.wait_for_external_event("item"))

    with hub.worker(orchestrators=[change_of_mind]):
        instance_id = hub.client.schedule_new_orchestration(change_of_mind)
        hub.client.raise_orchestration_event(instance_id, "item", data="mine")
        assert hub.ended(instance_id).get_output() == "mine"


def test_an_orchestration_sends_an_event_to_another(hub: Hub) -> None:
    def send(ctx: task.OrchestrationContext, target: str) -> Steps:
        ctx.send_event(target, "Greeting", data={"from": ctx.instance_id})
        yield ctx.create_timer(timedelta(0))

    with hub.worker(orchestrators=[wait_for, send]):
        target = hub.client.schedule_new_orchestration(wait_for, input="greeting")
        sender = hub.ran(send, input=target)
        received = hub.ended(target).get_output()
    assert sender.runtime_status.name == "COMPLETED"
    assert received == {"from": sender.instance_id}
    events = hub.client.get_orchestration_history(sender.instance_id)
    (sent,) = of(history.EventSentEvent, events)
    assert (sent.event_id, sent.instance_id, sent.name) == (1, target, "Greeting")
    assert json.loads(str(sent.input)) == {"from": sender.instance_id}


def test_an_orchestration_may_send_an_event_into_the_void(hub: Hub) -> None:
    def send(ctx: task.OrchestrationContext, target: str) -> Steps:
        ctx.send_event(target, "anyone")
        yield ctx.create_timer(timedelta(0))
        return "unharmed"

    with hub.worker(orchestrators=[send]):
        assert hub.ran(send, input=hub.fresh("missing")).get_output() == "unharmed"
