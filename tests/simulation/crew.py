"""All workers of a run: they come and go, and answer well, twice, late, nonsense, or never."""

import random
from collections.abc import Callable, Sequence
from functools import partial

from services.scheduler.dispatch.items import activity_of
from services.scheduler.engine.protos import pb
from services.scheduler.hub.work import WorkDesk
from tests.simulation.calls import Calls
from tests.simulation.entities import IsInside
from tests.simulation.programs import Plan, bodies
from tests.simulation.scheduler import Scheduler
from tests.simulation.violation import Violation
from tests.simulation.worker import Answer, Worker, answer_to, drawn_terms

_WORKERS_MAX = 4
_NONSENSE = ("", "nonsense", "i1-00000000-1", "a1-00000000-1", "e1-00000000-1", "a-1-2")


class Crew:
    """The workers that are connected, and the answers that those before them still owe."""

    def __init__(  # noqa: PLR0913 - the parts of one run
        self,
        *,
        rng: random.Random,
        scheduler: Scheduler,
        calls: Calls,
        plans: Sequence[Plan],
        is_inside: IsInside,
        tell: Callable[[str], None],
    ) -> None:
        self._rng = rng
        self._scheduler = scheduler
        self._calls = calls
        self._bodies = bodies(plans)
        self._is_inside = is_inside
        self._tell = tell
        self._workers: list[Worker] = []
        self._late: list[Answer] = []
        self._count = 0

    # Connections

    def connect(self) -> None:
        """A worker that takes some of the work."""
        if len(self._workers) < _WORKERS_MAX:
            self._connect(drawn_terms(self._rng, len(self._bodies) - 1))

    def connect_good(self) -> None:
        """A worker that takes everything."""
        self._connect(pb.GetWorkItemsRequest())

    def _connect(self, request: pb.GetWorkItemsRequest) -> None:
        self._count += 1
        worker = Worker(f"w{self._count}", self._scheduler.hub, request)
        self._workers.append(worker)
        self._tell(f"{worker.name} connects")

    def disconnect(self) -> None:
        """A worker goes, with what it has in the air; it may answer that later all the same."""
        if self._workers:
            self._end(self._rng.choice(self._workers))

    def disconnect_all(self) -> None:
        """All go."""
        for worker in list(self._workers):
            self._end(worker)

    def _end(self, worker: Worker) -> None:
        self._workers.remove(worker)
        items = worker.disconnect()
        self._tell(f"{worker.name} goes with {_tokens(items)}")
        self._owe(items)

    def lose_scheduler(self) -> None:
        """Every connection ends without a word, and nobody takes anything back."""
        for worker in self._workers:
            worker.fall_silent()
            self._owe(worker.items)
        self._workers.clear()

    def _owe(self, items: Sequence[pb.WorkItem]) -> None:
        self._late.extend(self._answer(item) for item in items if self._rng.random() < 0.5)

    def fall_silent(self) -> None:
        """A worker vanishes without ending its connection."""
        if self._workers:
            worker = self._rng.choice(self._workers)
            worker.is_deaf = True
            self._tell(f"{worker.name} falls silent")

    # Answers

    def answer(self) -> None:
        """Some worker answers some item."""
        found = self._take()
        if found is not None:
            self._send(self._answer(found[1]), found[0].name)

    def answer_much(self) -> None:
        """Every worker answers everything."""
        self.answer_all()

    def answer_all(self) -> bool:
        """Every worker answers everything; whether there was something."""
        answered = False
        for worker in self._workers:
            while worker.items and not worker.is_deaf:
                answered = True
                self._send(self._answer(worker.items.pop(0)), worker.name)
        return answered

    def answer_twice(self) -> None:
        """An answer that comes again, at once or later."""
        found = self._take()
        if found is not None:
            answer = self._answer(found[1])
            self._send(answer, found[0].name)
            if self._rng.random() < 0.5:
                self._send(answer, f"{found[0].name}, again")
            else:
                self._late.append(answer)

    def answer_late(self) -> None:
        """An answer of somebody who is long gone."""
        if self._late:
            answer = self._rng.choice(self._late)
            self._send(answer, "late")

    def answer_nonsense(self) -> None:
        """An answer with a token that nobody has given out."""
        token = self._rng.choice(_NONSENSE)
        answer: Answer = self._rng.choice(
            (
                pb.OrchestratorResponse(instanceId="i0", completionToken=token),
                pb.ActivityResponse(instanceId="i0", taskId=-7, completionToken=token),
                pb.EntityBatchResult(completionToken=token),
            )
        )
        self._send(answer, "nobody")

    def answer_garbled(self) -> None:
        """An answer that cannot be read: the service salvages its token."""
        found = self._take()
        if found is not None:
            worker, item = found
            self._tell(f"{worker.name} garbles {item.completionToken}")
            self._scheduler.hub.desk.unreadable(item.completionToken, "The answer cannot be read")

    def garble_all(self) -> None:
        """Nothing that any worker answers can be read."""
        for worker in self._workers:
            while worker.items:
                token = worker.items.pop().completionToken
                self._tell(f"{worker.name} garbles {token}")
                self._scheduler.hub.desk.unreadable(token, "The answer cannot be read")

    def abandon(self) -> None:
        """A worker gives an item back."""
        found = self._take()
        if found is not None:
            worker, item = found
            self._tell(f"{worker.name} abandons {item.completionToken}")
            self._scheduler.hub.desk.abandon(item.completionToken)

    def _take(self) -> tuple[Worker, pb.WorkItem] | None:
        busy = [worker for worker in self._workers if worker.items and not worker.is_deaf]
        if not busy:
            return None
        worker = self._rng.choice(busy)
        return worker, worker.items.pop(self._rng.randrange(len(worker.items)))

    def _answer(self, item: pb.WorkItem) -> Answer:
        return answer_to(item, self._bodies, self._rng, self._is_inside)

    def _send(self, answer: Answer, who: str) -> None:
        desk = self._scheduler.hub.desk
        token = answer.completionToken
        self._calls.make(
            f"{who} answers {_gist(answer)}",
            lambda: self._perform(desk, answer),
            partial(self._scheduler.hub.hub.durable, patiently=True),
            lambda _none: self._check_over(desk, token),
        )

    def _perform(self, desk: WorkDesk, answer: Answer) -> None:
        if isinstance(answer, pb.ActivityResponse):
            desk.complete_activity(answer)
        elif isinstance(answer, pb.EntityBatchResult):
            desk.complete_batch(answer)
        elif len(answer.actions) > 1 and self._rng.random() < 0.2:
            # An answer in two pieces.
            first, last = pb.OrchestratorResponse(), pb.OrchestratorResponse()
            first.CopyFrom(answer)
            last.CopyFrom(answer)
            del first.actions[1:]
            del last.actions[0]
            first.isPartial = True
            desk.complete_turn(first)
            desk.complete_turn(last)
        else:
            desk.complete_turn(answer)

    def _check_over(self, desk: WorkDesk, token: str) -> None:
        if self._scheduler.hub.desk is not desk:
            return
        if self._scheduler.hub.dispatcher.lease_of(token) is not None:
            raise Violation(f"{token} was answered, and its lease goes on")
        named = activity_of(token)
        if named is not None and not token.endswith("-00000000-1") and self._is_open(named[1]):
            raise Violation(f"{token} was answered, and its activity is still open")

    def _is_open(self, seq: int) -> bool:
        found = self._scheduler.look.execute("SELECT 1 FROM activities WHERE seq = ?", (seq,))
        return found.fetchone() is not None


def _tokens(items: Sequence[pb.WorkItem]) -> str:
    return ", ".join(item.completionToken for item in items) or "nothing"


def _gist(answer: Answer) -> str:
    if isinstance(answer, pb.OrchestratorResponse):
        actions = [str(action.WhichOneof("orchestratorActionType")) for action in answer.actions]
        return f"{answer.completionToken} of {answer.instanceId} with {actions}"
    if isinstance(answer, pb.ActivityResponse):
        how = "failed" if answer.HasField("failureDetails") else "done"
        return f"{answer.completionToken} of {answer.instanceId}: {how}"
    return f"{answer.completionToken} with {len(answer.results)} results"
