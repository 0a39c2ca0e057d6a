"""What a worker asks for, and what its stream sends."""

import asyncio

import pytest

from services.scheduler.dispatch.items import Kind
from services.scheduler.dispatch.streams import Answers, Terms, WorkerStream
from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError
from tests.unit.dispatch.recorder import terms
from tests.unit.dispatch.virtual_time import in_virtual_time
from tests.unit.engine.given import NOW

FILTERED = pb.GetWorkItemsRequest(
    workItemFilters=pb.WorkItemFilters(
        orchestrations=[pb.OrchestrationFilter(name="main", versions=["1.0", "1.1"])],
        activities=[
            pb.ActivityFilter(name="any"),
            pb.ActivityFilter(name="new", versions=["2.0"]),
            pb.ActivityFilter(name="old", versions=[""]),
            pb.ActivityFilter(name="twice", versions=["1.0"]),
            pb.ActivityFilter(name="twice", versions=["2.0"]),
        ],
        entities=[pb.EntityFilter(name="Counter")],
    )
)


def test_limits_are_taken_kind_by_kind_and_none_means_a_hundred() -> None:
    asked = pb.GetWorkItemsRequest(
        maxConcurrentOrchestrationWorkItems=3, maxConcurrentActivityWorkItems=5
    )
    assert Terms.of(asked, "w").limits == {
        Kind.ORCHESTRATION: 3,
        Kind.ACTIVITY: 5,
        Kind.ENTITY: 100,
    }


@pytest.mark.parametrize(
    "field",
    [
        "maxConcurrentOrchestrationWorkItems",
        "maxConcurrentActivityWorkItems",
        "maxConcurrentEntityWorkItems",
    ],
)
def test_a_negative_limit_is_refused(field: str) -> None:
    asked = pb.GetWorkItemsRequest()
    setattr(asked, field, -1)
    with pytest.raises(BadRequestError, match="must not be negative"):
        Terms.of(asked, "w")


def test_a_worker_is_known_by_its_metadata_or_else_by_its_request() -> None:
    asked = pb.GetWorkItemsRequest(worker_instance_id="request")
    assert Terms.of(asked, "metadata").worker_id == "metadata"
    assert Terms.of(asked, "").worker_id == "request"


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("version", [None, "", "2.0"])
def test_without_filters_everything_is_accepted(kind: Kind, version: str | None) -> None:
    assert Terms.of(pb.GetWorkItemsRequest(), "w").accepts(kind, "whatever", version)


@pytest.mark.parametrize("kind", Kind)
def test_empty_filters_accept_nothing(kind: Kind) -> None:
    asked = pb.GetWorkItemsRequest(workItemFilters=pb.WorkItemFilters())
    assert not Terms.of(asked, "w").accepts(kind, "main", None)


@pytest.mark.parametrize(
    ("kind", "name", "version", "accepted"),
    [
        (Kind.ORCHESTRATION, "main", "1.0", True),
        (Kind.ORCHESTRATION, "main", "1.1", True),
        (Kind.ORCHESTRATION, "main", "1", False),
        (Kind.ORCHESTRATION, "main", "1.0.0", False),
        (Kind.ORCHESTRATION, "main", None, False),
        (Kind.ORCHESTRATION, "Main", "1.0", False),
        (Kind.ORCHESTRATION, "any", None, False),
        (Kind.ACTIVITY, "any", None, True),
        (Kind.ACTIVITY, "any", "", True),
        (Kind.ACTIVITY, "any", "9", True),
        (Kind.ACTIVITY, "new", "2.0", True),
        (Kind.ACTIVITY, "new", None, False),
        (Kind.ACTIVITY, "new", "", False),
        (Kind.ACTIVITY, "old", None, True),
        (Kind.ACTIVITY, "old", "", True),
        (Kind.ACTIVITY, "old", "2.0", False),
        (Kind.ACTIVITY, "twice", "1.0", True),
        (Kind.ACTIVITY, "twice", "2.0", True),
        (Kind.ACTIVITY, "main", "1.0", False),
        (Kind.ENTITY, "counter", None, True),
        (Kind.ENTITY, "other", None, False),
    ],
)
def test_names_and_versions_match_exactly_and_entity_names_in_lower_case(
    kind: Kind, name: str, version: str | None, *, accepted: bool
) -> None:
    assert Terms.of(FILTERED, "w").accepts(kind, name, version) is accepted


@in_virtual_time
async def test_a_stream_sends_at_once_and_in_order() -> None:
    sent: list[bytes] = []
    stream = WorkerStream(terms(), NOW, sent.append)
    stream.send(b"1")
    assert sent == [b"1"]
    stream.send(b"2")
    assert sent == [b"1", b"2"]


@in_virtual_time
async def test_the_end_of_a_stream_is_waited_for_and_stays() -> None:
    stream = WorkerStream(terms(), NOW, print)
    waiting = asyncio.ensure_future(stream.closed())
    await asyncio.sleep(0)
    assert not waiting.done()
    stream.close()
    await waiting
    await stream.closed()


@pytest.mark.parametrize("versions", [([], ["1.0"]), (["1.0"], [])])
def test_a_name_that_is_accepted_once_in_any_version_is_accepted_in_any_version(
    versions: tuple[list[str], list[str]],
) -> None:
    filters = [pb.ActivityFilter(name="act", versions=accepted) for accepted in versions]
    asked = pb.GetWorkItemsRequest(workItemFilters=pb.WorkItemFilters(activities=filters))
    assert Terms.of(asked, "w").accepts(Kind.ACTIVITY, "act", "2.0")


MANY = 200


def group(answers: Answers, number: int, *, hurried: bool = False) -> list[bool]:
    """So many answers of a worker that has many items, and their commit; which of them hurried."""
    said = [answers.add(MANY) for _ in range(number)]
    answers.commit(hurried=hurried)
    return said


def test_who_has_answered_all_that_it_has_waits_for_the_commit() -> None:
    answers = Answers()
    assert [answers.add(in_air=3) for _ in range(3)] == [False, False, True]


def test_how_many_answers_a_worker_has_on_their_way_is_learned_before_it_is_believed() -> None:
    answers = Answers()
    for _ in range(16):
        assert group(answers, 6) == [False] * 6
    assert group(answers, 6) == [False] * 5 + [True]


def test_a_group_that_another_worker_has_cut_short_says_nothing() -> None:
    answers = Answers()
    for _ in range(16):
        group(answers, 6)
    for _ in range(10):
        group(answers, 2, hurried=True)
    assert group(answers, 6) == [False] * 5 + [True]


def test_a_worker_that_answers_fewer_from_now_on_is_waited_for_no_longer() -> None:
    answers = Answers()
    for _ in range(16):
        group(answers, 4)
    for _ in range(8):
        assert group(answers, 3) == [False] * 3
    assert group(answers, 3) == [False, False, True]


def test_now_and_then_a_group_is_left_to_grow() -> None:
    answers = Answers()
    hurries = [any(group(answers, 2)) for _ in range(64)]
    assert hurries == [False] * 16 + [True] * 16 + [False] + [True] * 31
