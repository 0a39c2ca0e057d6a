"""The worker's payload store: answers whose payloads cannot be stored become failures.

SDK 1.12.0 only logs an error of `upload()` and sends no answer at all: the item stays with this
worker for as long as it is connected, and its orchestration never ends. So `upload` here never
raises; it notes the error, and the answer is turned into a failure before it is sent.
"""

import logging
import threading
import uuid
from typing import Any, Final

import durabletask.internal.orchestrator_service_pb2 as pb
from durabletask.internal import helpers

from services.shared.errors import PayloadTooLargeError
from services.shared.payload_store import CachingPayloadStore, Place

log = logging.getLogger(__name__)

# Holds the histories of what runs at once; a worker's container has 512 MB.
CACHE_BYTES_MAX: Final = 64 * 1024 * 1024


class WorkerPayloadStore(CachingPayloadStore):
    """A payload store whose `upload` stands in for what it could not store.

    The SDK uploads in the thread that sends the answer next: `take_failure` is for that one.
    """

    def __init__(self, place: Place, *, bytes_max: int) -> None:
        super().__init__(place, bytes_max=bytes_max, cache_bytes=CACHE_BYTES_MAX)
        self._noted = threading.local()
        # Nobody else's text: it says for certain whose answer the error belongs to.
        self._stand_in = f"not stored {uuid.uuid4().hex}"

    def upload(self, data: bytes, *, instance_id: str | None = None) -> str:
        """Stores a payload and returns its token, or a text that stands for the error."""
        try:
            return super().upload(data, instance_id=instance_id)
        except Exception as error:  # noqa: BLE001 - whatever it is, the item must get an answer
            log.error("a payload of %s cannot be stored: %s", instance_id, error)  # noqa: TRY400 - it is told whole in the failure
            self._noted.error = error
            return self._stand_in

    def take_failure(self, request: Any) -> Exception | None:  # noqa: ANN401 - any message
        """The error that a payload of `request` met; None for a request that is as it should be."""
        error: Exception | None = getattr(self._noted, "error", None)
        self._noted.error = None
        if error is None or self._stand_in.encode() not in request.SerializeToString():
            return None
        return error


def failed(answer: Any, error: Exception) -> Any:  # noqa: ANN401 - one of the three answers
    """The answer to the same item that says that it failed.

    An entity's whole batch fails, and its state stays: what it has become cannot be stored.
    """
    details = helpers.new_failure_details(error)
    details.isNonRetriable = isinstance(error, PayloadTooLargeError)
    if isinstance(answer, pb.ActivityResponse):
        return pb.ActivityResponse(
            instanceId=answer.instanceId,
            taskId=answer.taskId,
            failureDetails=details,
            completionToken=answer.completionToken,
        )
    if isinstance(answer, pb.OrchestratorResponse):
        completion = pb.CompleteOrchestrationAction(
            orchestrationStatus=pb.ORCHESTRATION_STATUS_FAILED, failureDetails=details
        )
        return pb.OrchestratorResponse(
            instanceId=answer.instanceId,
            actions=[pb.OrchestratorAction(id=-1, completeOrchestration=completion)],
            completionToken=answer.completionToken,
        )
    if isinstance(answer, pb.EntityBatchResult):
        return pb.EntityBatchResult(failureDetails=details, completionToken=answer.completionToken)
    raise error
