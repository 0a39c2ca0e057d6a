"""Workers that answer twice, late, with another's token, with garbage, or never."""

import contextlib
import json
import queue
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import grpc
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal import orchestrator_service_pb2_grpc as service
from google.protobuf.wrappers_pb2 import StringValue

from tests.chaos.kinds import Kind, Scene, at_once, undo
from tests.chaos.orders import outcome_of
from tests.chaos.stack import GRPC_PORT, HUB
from tests.conformance.raw_worker import RawWorker, asks_for

_CALL_SECONDS: Final = 5.0
_LATE_SECONDS: Final = 1.0
_GARBAGE_BYTES: Final = 200
_WANTED: Final = asks_for(activities=["process_order"], limits=(1, 6, 1))
_METADATA: Final = (("taskhub", HUB),)
_SERVICE: Final = "/TaskHubSidecarService/"


class Liar:
    """One stream of work items, and a channel to answer on."""

    def __init__(self, channel: grpc.Channel, dice: random.Random, over: threading.Event) -> None:
        self.over = over
        self.dice = dice
        self._channel = channel
        self._stub = service.TaskHubSidecarServiceStub(channel)  # type: ignore[no-untyped-call]  # generated code

    @contextmanager
    def stream(self) -> Iterator[RawWorker]:
        """A worker that is connected for a block."""
        worker = RawWorker(_InHub(self._stub), _WANTED)
        try:
            yield worker
        finally:
            worker.close()

    def items(self, worker: RawWorker) -> list[pb.WorkItem]:
        """What comes within a moment."""
        with contextlib.suppress(queue.Empty):
            return [worker.item(0.5), *worker.rest()]
        return []

    def answer(self, item: pb.WorkItem, token: str | None = None, **fields: Any) -> None:
        """The right outcome of an item, unless told otherwise; a refusal is what it deserves."""
        request = item.activityRequest
        given = {"result": _result_of(item), **fields}
        response = pb.ActivityResponse(
            instanceId=request.orchestrationInstance.instanceId,
            taskId=given.pop("task_id", request.taskId),
            completionToken=item.completionToken if token is None else token,
            **given,
        )
        with contextlib.suppress(grpc.RpcError):
            self._stub.CompleteActivityTask(response, timeout=_CALL_SECONDS, metadata=_METADATA)

    def send(self, method: str, data: bytes) -> None:
        """Bytes of any kind."""
        call = self._channel.unary_unary(_SERVICE + method, bytes, bytes)
        with contextlib.suppress(grpc.RpcError):
            call(data, timeout=_CALL_SECONDS, metadata=_METADATA)


class _InHub:
    """A stub whose stream of work items is of the hub."""

    def __init__(self, stub: service.TaskHubSidecarServiceStub) -> None:
        self._stub = stub

    def GetWorkItems(self, request: pb.GetWorkItemsRequest) -> Any:  # noqa: N802 - the wire's name
        """The stream."""
        return self._stub.GetWorkItems(request, metadata=_METADATA)


def _result_of(item: pb.WorkItem) -> StringValue:
    outcome = outcome_of(json.loads(item.activityRequest.input.value))
    return StringValue(value=json.dumps(outcome))


def _twice(liar: Liar) -> None:
    """The right answer, the same again, and another one after it."""
    with liar.stream() as worker:
        for item in liar.items(worker):
            liar.answer(item)
            liar.answer(item)
            liar.answer(item, result=StringValue(value='{"changed":"afterwards"}'))


def _late(liar: Liar) -> None:
    """Right answers of a worker whose stream ended a while ago."""
    with liar.stream() as worker:
        items = liar.items(worker)
    liar.over.wait(_LATE_SECONDS)
    for item in items:
        liar.answer(item)


def _with_another_token(liar: Liar) -> None:
    """The outcome of one order under the token of another."""
    with liar.stream() as worker:
        items = liar.items(worker)
        for item, other in zip(items, reversed(items), strict=True):
            if item != other:
                liar.answer(item, token=other.completionToken)


def _with_garbage(liar: Liar) -> None:
    """Tasks and tokens that nobody has, and bytes that are no message."""
    with liar.stream() as worker:
        for item in liar.items(worker)[:2]:
            liar.answer(item, task_id=999_999)
            liar.answer(item, token=f"{item.completionToken}0")
            liar.answer(item, token=liar.dice.randbytes(20).hex())
        for method in ("CompleteActivityTask", "CompleteOrchestratorTask", "StartInstance"):
            liar.send(method, liar.dice.randbytes(_GARBAGE_BYTES))


def _never(liar: Liar) -> None:
    """Takes what it gets, and says nothing."""
    with liar.stream() as worker:
        liar.items(worker)
        liar.over.wait()


def _lies(behave: Callable[[Liar], None]) -> Callable[[Scene], None]:
    def inject(scene: Scene) -> None:
        over = threading.Event()
        thread = threading.Thread(target=_go_on, args=(behave, scene.dice, over))
        thread.start()
        scene.undo.extend((thread.join, over.set))

    return inject


def _go_on(behave: Callable[[Liar], None], dice: random.Random, over: threading.Event) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{GRPC_PORT}") as channel:
        while not over.wait(0.1):
            behave(Liar(channel, dice, over))


KINDS: Final = tuple(
    Kind(
        name=f"worker that answers {how}",
        lanes=("liar",),
        inject=_lies(behave),
        recover=undo,
        seconds=(1.5, 2.5),
        is_over=at_once,
    )
    for how, behave in (
        ("twice", _twice),
        ("late", _late),
        ("with another's token", _with_another_token),
        ("with garbage", _with_garbage),
        ("never", _never),
    )
)
