"""`make demo`: the whole stack without Docker, one submission, and everything stopped again.

With `--keep` the dashboard is a part of it, and all of it stays until Ctrl-C.
"""

import argparse
import json
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import quote

from scripts.local_stack import (
    DASHBOARD_PORT,
    GRPC_PORT,
    ROOT,
    LocalStack,
    StackError,
    read_workers,
)
from services.client.errors import BadInputError
from services.client.order_input import good_orders
from services.shared.orders import BATCH_SIZE_MAX
from services.shared.standard_streams import READER_GONE, leave_standard_output

_SAMPLE: Final = ROOT / "orders" / "sample.csv"
_BATCH_SIZE: Final = "10"
_LOOK_SECONDS: Final = 0.05
_PYTHON: Final = ".venv/bin/python"
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The client's own codes for "the input is wrong", "a person stopped it" and "nobody reads it": no
# log explains those.
_NO_LOGS_FOR: Final = frozenset({0, 2, 130, READER_GONE})
# Completed and failed: of these there is something to look at.
_KEPT_FOR: Final = frozenset({0, 1})

_WHAT_NEXT: Final = """
what next:
  make demo KEEP=1                           the same, its timeline and all its results
  make demo WORKERS=4 ORDERS=my-orders.csv   your own orders, more workers
  make dev                                   the same stack until Ctrl-C, for results and list
  make up                                    the same stack with Docker Compose"""


def main() -> int:
    """Runs the demo; its exit code is the client's."""
    try:
        options = _parse()
        options.workers = read_workers(options.workers)
        _check_submission(options)
    except (StackError, BadInputError) as error:
        print(error, file=sys.stderr)
        return 2
    for number in _STOP_SIGNALS:
        signal.signal(number, _interrupt)
    with tempfile.TemporaryDirectory(prefix="durable-task-demo-") as folder:
        try:
            code = _run(options, Path(folder))
        except StackError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("the demo is over: nothing of it is kept", file=sys.stderr)
            return 130
        except BrokenPipeError:
            code = READER_GONE
    if code != READER_GONE:
        return code
    # Whoever read (`| head`) has what they wanted; make would call any other code an error.
    leave_standard_output()
    return 0


def _run(options: argparse.Namespace, folder: Path) -> int:
    with LocalStack(workers=options.workers, logs=folder, dashboard=options.keep) as stack:
        print(f"scheduler   {stack.endpoint}{_unless_usual(stack.grpc_port, GRPC_PORT)}")
        print(f"workers     {options.workers}")
        if options.keep:
            unusual = _unless_usual(stack.dashboard_port, DASHBOARD_PORT)
            print(f"dashboard   {stack.dashboard}{unusual}")
        print(f"submitting  {options.orders} in batches of {options.batch_size}\n", flush=True)
        code = _submit(options, stack)
        logs = "" if code in _NO_LOGS_FOR else stack.log_tails()
        if options.keep and code in _KEPT_FOR and not stack.stopped_parts():
            return _keep(stack, code)
    if logs:
        print(f"\nwhat the stack logged:\n{logs}", file=sys.stderr)
    if code == 0:
        print(_WHAT_NEXT)
    return code


def _unless_usual(port: int, usual: int) -> str:
    return "" if port == usual else f" (port {usual} is taken)"


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--orders", type=Path, default=_SAMPLE)
    parser.add_argument("--workers", default="2")
    parser.add_argument("--batch-size", default=_BATCH_SIZE)
    parser.add_argument("--keep", action="store_true")
    return parser.parse_args()


def _check_submission(options: argparse.Namespace) -> None:
    """Raises `StackError` or `BadInputError` before anything is started in vain."""
    size = options.batch_size
    if not (size.isdecimal() and 1 <= int(size) <= BATCH_SIZE_MAX):
        raise StackError(
            f"BATCH_SIZE must be a whole number from 1 to {BATCH_SIZE_MAX:,} (got {size!r})"
        )
    good_orders(options.orders, skip_invalid=False, tell=print, hint="")


def _submit(options: argparse.Namespace, stack: LocalStack) -> int:
    """Runs the client; its exit code, or 1 as soon as a part of the stack has ended."""
    # Relative paths are the person's, not the checkout's.
    command = [sys.executable, "-m", "services.client", "submit"]
    command += [str(options.orders.absolute()), "--batch-size", str(options.batch_size)]
    # Whoever stops the demo has nothing to come back to, and what is kept is told at its end.
    no_hints = {"CLIENT_INVOCATION": "none"}
    with subprocess.Popen(command, cwd=ROOT, env=stack.environment | no_hints) as client:
        while client.poll() is None:
            if stopped := stack.stopped_parts():
                client.terminate()
                print(f"{' and '.join(stopped)} ended, and the demo with it", file=sys.stderr)
                return 1
            time.sleep(_LOOK_SECONDS)
        return client.returncode


def _keep(stack: LocalStack, code: int) -> int:
    """Shows where to look, and waits: `code` after Ctrl-C, 1 when a part of the stack has ended."""
    if instance_id := _newest(stack):
        path = f"/hubs/default/orchestrations/{quote(instance_id, safe='')}?tab=timeline"
        print(f"\ntimeline    {stack.dashboard}{path}")
        print(f"results     {_command(stack)} results {shlex.quote(instance_id)}")
    print("Ctrl-C      stops everything", flush=True)
    try:
        while not (stopped := stack.stopped_parts()):
            time.sleep(_LOOK_SECONDS)
    except KeyboardInterrupt:
        print()
        return code
    tails = "\n".join(stack.log_tail(name) for name in stopped)
    print(f"{' and '.join(stopped)} ended, and the demo with it\n{tails}", file=sys.stderr)
    return 1


def _command(stack: LocalStack) -> str:
    """What a person types to ask this stack, whose data is not where a client looks for it."""
    store = stack.environment["PAYLOAD_STORE"]
    variables = f"ENDPOINT={stack.endpoint} PAYLOAD_STORE={shlex.quote(store)}"
    return f"{variables} {_PYTHON} -m services.client"


def _newest(stack: LocalStack) -> str | None:
    """The run: the stack was new, so there is only one."""
    command = [sys.executable, "-m", "services.client", "list", "--limit", "1", "--json"]
    listed = subprocess.run(
        command, cwd=ROOT, env=stack.environment, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        return None
    found = json.loads(listed.stdout)
    return str(found[0]["instance_id"]) if found else None


def _interrupt(_number: int, _frame: object) -> NoReturn:
    # Once: an impatient second Ctrl-C must not interrupt the stopping and leave half of it behind.
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
