"""Results of activities: taken in together, at the end of their group of commits.

A result counts while its task is open, whoever holds the lease: a worker that drains ends its
stream first and sends its last results after, and it cannot be told from a dead one. The first
result wins, a second changes nothing.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from services.scheduler.dispatch.items import Kind, Work, activity_of
from services.scheduler.engine import events, limits
from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError, PayloadTooLargeError
from services.scheduler.hub.parts import Parts
from services.scheduler.hub.router import Router
from services.scheduler.store.rows import ActivityRow

log = logging.getLogger(__name__)


class Results:
    """What has become of one hub's activities. `unreadable` is told of answers of no use."""

    def __init__(
        self, parts: Parts, router: Router, unreadable: Callable[[str, str], None]
    ) -> None:
        self._parts = parts
        self._store = parts.store
        self._router = router
        self._unreadable = unreadable
        self._waiting: list[pb.ActivityResponse] = []

    def add(self, response: pb.ActivityResponse) -> None:
        """A result; it is taken in before the next commit, and no reply leaves before that."""
        if not self._waiting:
            self._parts.commits.before_commit(self._take_waiting)
        self._waiting.append(response)
        if self._parts.dispatcher.answered(response.completionToken):
            self._parts.commits.hurry()

    def fail(self, work: Work, failure: pb.TaskFailureDetails) -> None:
        """Fails an activity that no worker can do."""
        task_id = self._store.task_of(work.instance, work.seq)
        if task_id is None:
            return
        row = self._store.take_activity(work.instance, work.seq, task_id)
        if row is not None:
            event = events.task_failed(self._parts.now(), row.task_id, failure)
            self._answer(row.instance, [(row, event)])

    def _take_waiting(self) -> None:
        responses, self._waiting = self._waiting, []
        try:
            self._take(responses)
        except Exception:
            # One of them is at fault; the others must not suffer for it.
            log.exception("results of activities, together")
            for response in responses:
                self._take_alone(response)

    def _take_alone(self, response: pb.ActivityResponse) -> None:
        try:
            self._take([response])
        except Exception as error:
            log.exception("the result of activity %s", response.taskId)
            failed = pb.ActivityResponse(
                taskId=response.taskId,
                completionToken=response.completionToken,
                failureDetails=events.failure("UnreadableAnswer", str(error)),
            )
            self._take([failed])

    def _take(self, responses: Iterable[pb.ActivityResponse]) -> None:
        now = self._parts.now()
        answers: dict[int, list[tuple[ActivityRow, pb.HistoryEvent]]] = {}
        strays: list[pb.ActivityResponse] = []
        with self._parts.commits.use_case():
            for response in responses:
                row = self._taken(response, strays)
                if row is not None:
                    answer = (row, _event_of(row, response, now))
                    answers.setdefault(row.instance, []).append(answer)
            for instance, answered in answers.items():
                self._answer(instance, answered)
        for stray in strays:
            named = f"task {stray.taskId} of {stray.instanceId!r}"
            text = f"The answer names {named}, which its token does not"
            self._unreadable(stray.completionToken, text)

    def _taken(
        self, response: pb.ActivityResponse, strays: list[pb.ActivityResponse]
    ) -> ActivityRow | None:
        """The row that a result ends; None where it ends none, or is one of the `strays`."""
        token = response.completionToken
        named = activity_of(token)
        if named is None:
            return None
        instance, seq = named
        dispatcher = self._parts.dispatcher
        row = None
        if self._is_of(response.instanceId, instance):
            row = self._store.take_activity(instance, seq, response.taskId)
        if row is not None:
            if dispatcher.complete(token) is None:
                # Somebody else has it, or it waits for somebody.
                dispatcher.withdraw(Kind.ACTIVITY, seq)
            return row
        lease = dispatcher.lease_of(token)
        if lease is not None and dispatcher.is_current(lease):
            strays.append(response)
        else:
            # It had its result before; the worker has room again.
            dispatcher.complete(token)
        return None

    def _is_of(self, instance_id: str, seq: int) -> bool:
        """Whether a result that names an instance (it need not) names the one of its token."""
        if not instance_id:
            return True
        row = self._store.load_instance(seq)
        return row is None or row.instance_id == instance_id

    def _answer(self, seq: int, answered: Sequence[tuple[ActivityRow, pb.HistoryEvent]]) -> None:
        """Hands results to the instance; those of an earlier execution answer nothing."""
        row = self._store.load_instance(seq)
        if row is not None:
            due = [event for task, event in answered if task.execution_id == row.execution_id]
            self._router.deliver(row, *due)


def _event_of(row: ActivityRow, response: pb.ActivityResponse, now: datetime) -> pb.HistoryEvent:
    try:
        if response.HasField("failureDetails"):
            limits.check_failure(f"the failure of {row.name!r}", response.failureDetails)
            return events.task_failed(now, row.task_id, response.failureDetails)
        result = response.result if response.HasField("result") else None
        if result is not None:
            limits.check_payload(f"the result of {row.name!r}", result.value)
        return events.task_completed(now, row.task_id, result)
    except BadRequestError as error:
        too_large = isinstance(error, PayloadTooLargeError)
        failure = events.failure("PayloadTooLarge" if too_large else "BadResult", str(error))
        return events.task_failed(now, row.task_id, failure)
