"""`make demo`: the whole stack without Docker, one submission, and everything stopped again."""

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final, NoReturn

from scripts.local_stack import GRPC_PORT, ROOT, LocalStack, StackError, read_workers

_LOOK_SECONDS: Final = 0.05
_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# The client's own codes for "the input is wrong" and "a person stopped it": no log explains those.
_NO_LOGS_FOR: Final = frozenset({0, 2, 130})

_WHAT_NEXT: Final = """
what next:
  make demo WORKERS=4 ORDERS=my-orders.csv   your own orders, more workers
  make dev                                   the same stack until Ctrl-C, for results and list
  make up                                    the same stack with Docker Compose"""


def main() -> int:
    """Runs the demo; its exit code is the client's."""
    try:
        options = _parse()
        options.workers = read_workers(options.workers)
    except StackError as error:
        print(error, file=sys.stderr)
        return 2
    for number in _STOP_SIGNALS:
        signal.signal(number, _interrupt)
    with tempfile.TemporaryDirectory(prefix="durable-task-demo-") as folder:
        try:
            return _run(options, Path(folder))
        except StackError as error:
            print(error, file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            return 130


def _run(options: argparse.Namespace, folder: Path) -> int:
    with LocalStack(workers=options.workers, logs=folder) as stack:
        usual = "" if stack.grpc_port == GRPC_PORT else f" (port {GRPC_PORT} is taken)"
        print(f"scheduler   {stack.endpoint}{usual}")
        print(f"workers     {options.workers}")
        print(f"submitting  {options.orders} in batches of {options.batch_size}\n", flush=True)
        code = _submit(options, stack)
        logs = "" if code in _NO_LOGS_FOR else stack.log_tails()
    if logs:
        print(f"\nwhat the stack logged:\n{logs}", file=sys.stderr)
    if code == 0:
        print(_WHAT_NEXT)
    return code


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--orders", type=Path, default=ROOT / "orders" / "sample.csv")
    parser.add_argument("--workers", default="2")
    parser.add_argument("--batch-size", default="10")
    return parser.parse_args()


def _submit(options: argparse.Namespace, stack: LocalStack) -> int:
    """Runs the client; its exit code, or 1 as soon as a part of the stack has ended."""
    # Relative paths are the person's, not the checkout's.
    command = [sys.executable, "-m", "services.client", "submit"]
    command += [str(options.orders.absolute()), "--batch-size", str(options.batch_size)]
    with subprocess.Popen(command, cwd=ROOT, env=stack.environment) as client:
        while client.poll() is None:
            if stopped := stack.stopped_parts():
                client.terminate()
                print(f"{' and '.join(stopped)} ended, and the demo with it", file=sys.stderr)
                return 1
            time.sleep(_LOOK_SECONDS)
        return client.returncode


def _interrupt(_number: int, _frame: object) -> NoReturn:
    # Once: an impatient second Ctrl-C must not interrupt the stopping and leave half of it behind.
    for number in _STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
