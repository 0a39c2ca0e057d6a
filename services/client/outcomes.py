"""Every order's outcome, read from the batches page by page.

Light batches come many in an answer, heavy ones each by itself: what is held at a time is a page,
whatever the submission's size.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from durabletask.client import OrchestrationQuery, OrchestrationState

from services.client.report import output_of
from services.client.session import Session
from services.client.submitted import Submitted
from services.client.waiting import is_final
from services.shared.batches import Part

# What stands for an outcome that does not exist: yet, or any more.
PENDING: Final = "pending"
_UNKNOWN: Final = "unknown"
# About a kilobyte each, with what the batches have as their inputs.
_PAGE_ORDERS_MAX: Final = 5_000
# So many are worth a call of their own.
_HEAVY_BATCH_ORDERS: Final = 100

Row = dict[str, Any]


def read_outcomes(
    session: Session, submission: Submitted, parent: OrchestrationState
) -> Iterator[Row]:
    """All outcomes in the order of input.

    Orders without one are `pending` while `parent` goes on, `unknown` when it has ended.
    """
    absent = _UNKNOWN if is_final(parent) else PENDING
    for batch, state in _batches(session, submission.part):
        outcomes = None if state is None else _outcomes_of(state)
        if outcomes is None:
            ids = submission.order_ids[batch.orders.start : batch.orders.stop]
            outcomes = ({"order_id": order_id, "status": absent} for order_id in ids)
        yield from outcomes


def _batches(session: Session, part: Part) -> Iterator[tuple[Part, OrchestrationState | None]]:
    if part.is_batch:
        yield part, session.find(part.instance_id, payloads=True)
    elif len(part.orders) <= _PAGE_ORDERS_MAX and part.batch_size < _HEAVY_BATCH_ORDERS:
        yield from _page(session, part)
    else:
        for child in part.children:
            yield from _batches(session, child)


def _page(session: Session, part: Part) -> Iterator[tuple[Part, OrchestrationState | None]]:
    batches = list(_batches_of(part))
    wanted = {batch.instance_id for batch in batches}
    query = OrchestrationQuery(
        instance_id_prefix=f"{part.instance_id}:", fetch_inputs_and_outputs=True
    )
    states = {
        state.instance_id: state for state in session.query(query) if state.instance_id in wanted
    }
    for batch in batches:
        yield batch, states.pop(batch.instance_id, None)


def _batches_of(part: Part) -> Iterator[Part]:
    for child in part.children:
        if child.is_batch:
            yield child
        else:
            yield from _batches_of(child)


def _outcomes_of(state: OrchestrationState) -> Iterable[Row] | None:
    match output_of(state):
        case {"outcomes": list(outcomes)} if all(isinstance(one, dict) for one in outcomes):
            return outcomes
        case _:
            return None
