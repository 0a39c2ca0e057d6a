"""Whatever a client asks for, it is told what is there or what is wrong with its question."""

import sqlite3
from base64 import urlsafe_b64encode

import pytest

from services.scheduler.engine.protos import StringValue, Timestamp, pb
from services.scheduler.errors import BadRequestError
from services.scheduler.hub.cursors import token
from services.scheduler.hub.reads import list_instance_ids, query_entities, query_instances

BEYOND = Timestamp(seconds=2**62)


def test_a_range_that_begins_beyond_any_clock_holds_nothing(writer: sqlite3.Connection) -> None:
    instances = pb.QueryInstancesRequest(query=pb.InstanceQuery(createdTimeFrom=BEYOND))
    ids = pb.ListInstanceIdsRequest(completedTimeFrom=BEYOND)
    entities = pb.QueryEntitiesRequest(query=pb.EntityQuery(lastModifiedFrom=BEYOND))
    assert query_instances(instances)(writer) == pb.QueryInstancesResponse()
    assert list_instance_ids(ids)(writer) == pb.ListInstanceIdsResponse()
    assert query_entities(entities)(writer) == pb.QueryEntitiesResponse()


@pytest.mark.parametrize(
    "forged",
    [token(2**70), StringValue(value=urlsafe_b64encode(b"[" * 100_000).decode())],
    ids=["a number too large", "too deep"],
)
def test_a_forged_token_is_refused(writer: sqlite3.Connection, forged: StringValue) -> None:
    asked = pb.QueryInstancesRequest(query=pb.InstanceQuery(continuationToken=forged))
    with pytest.raises(BadRequestError, match="Invalid continuation token"):
        query_instances(asked)(writer)
