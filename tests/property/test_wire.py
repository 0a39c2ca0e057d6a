"""What is joined from stored bytes is what protobuf would have made of the messages."""

from hypothesis import given as for_all
from hypothesis import strategies as st

from services.scheduler.engine.protos import StringValue, pb
from services.scheduler.hub.wire import (
    activity_item,
    entity_item,
    events_in,
    history_chunk,
    orchestrator_item,
)
from tests.property import histories

CHUNKS = st.lists(st.lists(histories.EVENTS, max_size=6), max_size=5)
TOKENS = st.text(max_size=40)
# Lengths around the numbers that take one more byte to be written.
LENGTHS = st.sampled_from([0, 1, 100, 120, 127, 128, 129, 16_383, 16_384, 2_097_151, 2_097_152])


@for_all(chunks=CHUNKS)
def test_a_history_comes_back_from_its_chunks(chunks: list[list[pb.HistoryEvent]]) -> None:
    stored = [history_chunk(chunk) for chunk in chunks]
    assert [list(events_in(chunk)) for chunk in stored] == chunks
    assert list(events_in(b"".join(stored))) == [event for chunk in chunks for event in chunk]


@for_all(chunks=CHUNKS, new=st.lists(histories.EVENTS, max_size=4), token=TOKENS)
def test_a_turns_item_is_what_protobuf_makes_of_it(
    chunks: list[list[pb.HistoryEvent]], new: list[pb.HistoryEvent], token: str
) -> None:
    head = pb.OrchestratorRequest(
        instanceId="order-1",
        executionId=StringValue(value="e1"),
        newEvents=new,
        entityParameters=pb.OrchestratorEntityParameters(),
    )
    joined = orchestrator_item(head, map(history_chunk, chunks), token)
    expected = pb.WorkItem(orchestratorRequest=head, completionToken=token)
    for chunk in chunks:
        expected.orchestratorRequest.pastEvents.extend(chunk)
    assert pb.WorkItem.FromString(joined) == expected
    assert len(joined) == expected.ByteSize()
    assert not head.pastEvents


@for_all(data=histories.TEXTS, length=LENGTHS, token=TOKENS)
def test_an_activitys_item_is_what_protobuf_makes_of_it(data: str, length: int, token: str) -> None:
    request = pb.ActivityRequest(name=data, taskId=3, input=StringValue(value="x" * length))
    expected = pb.WorkItem(activityRequest=request, completionToken=token)
    joined = activity_item(request.SerializeToString(), token)
    assert joined == expected.SerializeToString(deterministic=True)


@for_all(operations=st.lists(histories.EVENTS, max_size=5), length=LENGTHS, token=TOKENS)
def test_an_entitys_item_is_what_protobuf_makes_of_it(
    operations: list[pb.HistoryEvent], length: int, token: str
) -> None:
    request = pb.EntityRequest(
        instanceId="@a@1",
        executionId="e1",
        entityState=StringValue(value="x" * length),
        operationRequests=operations,
    )
    expected = pb.WorkItem(entityRequestV2=request, completionToken=token)
    assert entity_item(request, token) == expected.SerializeToString(deterministic=True)
