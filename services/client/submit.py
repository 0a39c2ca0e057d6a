"""`submit` and `wait`: from a file of orders to what became of them."""

import shlex
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from durabletask.client import OrchestrationState, OrchestrationStatus
from rich.console import Console

from services.client.errors import COMPLETED, BadInputError, WaitInterruptedError
from services.client.messages import data_console, say, stderr_console
from services.client.order_input import good_orders
from services.client.report import as_json, exit_code_of, input_of, print_json, show
from services.client.session import Session, open_session
from services.client.settings import ClientSettings
from services.client.submission import Submission, check_instance_id, fresh_instance_id
from services.client.submitted import part_of
from services.client.waiting import check_timeout, is_final, wait_for
from services.shared.orders import BATCH_SIZE_MAX

_ORCHESTRATION: Final = "main_orchestration"


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOptions:
    """What a person may say to `submit`; `timeout` is in seconds."""

    batch_size: int
    instance_id: str | None
    new: bool
    no_wait: bool
    timeout: float | None
    strict: bool
    skip_invalid: bool
    json: bool


def submit(file: Path, options: SubmitOptions, settings: ClientSettings) -> int:
    """Submits the orders of `file`, or attaches to an earlier run; returns the exit code."""
    messages = stderr_console()
    submission = _read_submission(file, options, settings, messages)
    with open_session(settings, partial(say, messages)) as session:
        instance_id = submission.instance_id
        fresh = _start(session, submission, options, messages)
        if options.no_wait and (fresh or not _has_failed(session, instance_id)):
            return _tell_started(instance_id, fresh=fresh, json=options.json)
        state = wait_for(
            session,
            instance_id,
            submission.part,
            console=messages,
            timeout=options.timeout,
        )
    code = _tell_end(state, settings, json=options.json, strict=options.strict)
    if not fresh and code != COMPLETED:
        another = "--new" if options.instance_id is None else "another --instance-id"
        say(messages, f"this was an earlier run of the same orders; {another} starts another")
    return code


def wait(
    instance_id: str,
    settings: ClientSettings,
    *,
    timeout: float | None,
    strict: bool,
    json: bool,
) -> int:
    """Waits for an orchestration and shows its end; returns the exit code."""
    check_timeout(timeout)
    messages = stderr_console()
    with open_session(settings, partial(say, messages)) as session:
        state = session.get(instance_id, payloads=True)
        if not is_final(state):
            state = wait_for(
                session,
                instance_id,
                part_of(state),
                console=messages,
                timeout=timeout,
            )
    return _tell_end(state, settings, json=json, strict=strict)


def _read_submission(
    file: Path, options: SubmitOptions, settings: ClientSettings, messages: Console
) -> Submission:
    if not 1 <= options.batch_size <= BATCH_SIZE_MAX:
        raise BadInputError(f"--batch-size must be a whole number from 1 to {BATCH_SIZE_MAX:,}")
    check_timeout(options.timeout)
    if options.new and options.instance_id is not None:
        raise BadInputError("--new and --instance-id exclude each other: both choose the id")
    instance_id = options.instance_id
    if instance_id is not None:
        check_instance_id(instance_id)
    elif options.new:
        instance_id = fresh_instance_id()
    orders = good_orders(
        file,
        skip_invalid=options.skip_invalid,
        tell=partial(say, messages),
        hint="--skip-invalid submits the others",
    )
    return Submission.of(
        orders,
        batch_size=options.batch_size,
        instance_id=instance_id,
        payloads=settings.payloads,
    )


def _start(
    session: Session, submission: Submission, options: SubmitOptions, messages: Console
) -> bool:
    try:
        fresh = session.start(_ORCHESTRATION, submission.payload, submission.instance_id)
        if not fresh and not options.new:
            _attach(session, submission, options, messages)
    except KeyboardInterrupt:
        text = f"stopped while submitting: {submission.instance_id} may have been started"
        if session.invocation is not None:
            text += f"; see: {session.invocation} status {shlex.quote(submission.instance_id)}"
        raise WaitInterruptedError(text) from None
    # A new id is nobody else's: if it is taken, then by a try of ours whose answer was lost.
    return fresh or options.new


def _has_failed(session: Session, instance_id: str) -> bool:
    state = session.get(instance_id, payloads=False)
    return is_final(state) and state.runtime_status is not OrchestrationStatus.COMPLETED


def _attach(
    session: Session, submission: Submission, options: SubmitOptions, messages: Console
) -> None:
    chosen = options.instance_id is not None
    state = session.get(submission.instance_id, payloads=chosen)
    # A content id names its orders; an id that a person chose may belong to others.
    if chosen and not submission.is_like(input_of(state)):
        raise BadInputError(
            f"{submission.instance_id!r} exists with other orders or another batch size;"
            " choose another --instance-id"
        )
    say(
        messages,
        f"these orders were submitted before (UTC {state.created_at:%Y-%m-%d %H:%M:%S}):"
        f" attached to {submission.instance_id}",
    )


def _tell_started(instance_id: str, *, fresh: bool, json: bool) -> int:
    if json:
        print_json({"instance_id": instance_id, "attached": not fresh})
    else:
        say(data_console(), instance_id)
    return COMPLETED


def _tell_end(
    state: OrchestrationState, settings: ClientSettings, *, json: bool, strict: bool
) -> int:
    if json:
        print_json(as_json(state))
    else:
        show(data_console(), state, invocation=settings.invocation)
    return exit_code_of(state, strict=strict)
