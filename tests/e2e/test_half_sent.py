"""Clients that begin large requests and never end them, while a worker goes on with its orders."""

import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from scripts.local_stack import LocalStack
from tests.e2e.conftest import CommandLine, StackMaker
from tests.e2e.processes import wait_until
from tests.e2e.schedulers import metric, rss_mib
from tests.unit.edge.half_sent import HalfSender

OrdersFile = Callable[..., Path]
MIB = 1024 * 1024
PROMISED = 60 * MIB
# Without a bound they hold 3.6 GB.
CONNECTIONS = 6
CALLS = 10
# What is read at once, with what Python and gRPC take and do not give back.
PEAK_MIB = 900
HUB = ("taskhub", "default")
TOLD = b"The request was not there after"
SERVICE = "/TaskHubSidecarService"


class Attack:
    """Half-sent requests on several connections, as fast as the scheduler takes them."""

    def __init__(self, stack: LocalStack, method: str, *, has_proved: bool) -> None:
        self.given_up = self.sent_mib = self.peak_mib = 0
        self._stack = stack
        self._path = f"{SERVICE}/{method}"
        self._closing = ExitStack()
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._senders = [
            self._closing.enter_context(HalfSender(stack.grpc_port)) for _ in range(CONNECTIONS)
        ]
        for sender in self._senders if has_proved else ():
            call = sender.call(f"{SERVICE}/Hello", 0, HUB)
            sender.finish(call)
            sender.until_ended(call, 30)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()
        self._closing.close()

    def _run(self) -> None:
        calls: list[tuple[HalfSender, int]] = []
        while not self._is_over.is_set():
            self._senders = [sender for sender in self._senders if not sender.is_gone]
            for sender in self._senders:
                missing = CALLS - sum(one is sender for one, _ in calls)
                calls += [(sender, sender.call(self._path, PROMISED, HUB)) for _ in range(missing)]
            for sender, call in calls:
                sender.send(call, PROMISED - 1)
            for sender in self._senders:
                sender.hear(0.001)
            left = [(sender, call) for sender, call in calls if call not in sender.ended]
            # On a machine so busy that pings are answered late, connections end too.
            self.given_up += sum(TOLD in one.ended.get(call, b"") for one, call in calls)
            self.sent_mib = max(
                self.sent_mib, sum(sum(one.sent.values()) for one in self._senders) // MIB
            )
            self.peak_mib = max(self.peak_mib, rss_mib(self._stack))
            calls = left


@pytest.mark.parametrize(
    ("method", "has_proved"),
    [("StartInstance", False), ("CompleteActivityTask", True)],
    ids=["strangers", "known as well as the worker"],
)
def test_a_worker_goes_on_while_others_send_half_of_large_requests(
    new_stack: StackMaker,
    orders_file: OrdersFile,
    record_testsuite_property: Callable[[str, object], None],
    method: str,
    has_proved: bool,  # noqa: FBT001 - a parameter of pytest's
) -> None:
    with new_stack(workers=1) as stack:
        client = CommandLine(stack.environment)
        client("submit", orders_file("before"), "--json")
        open_before = metric(stack, "scheduler_open_rpcs")
        finished = 0
        with Attack(stack, method, has_proved=has_proved) as attack:
            while finished < 3 or attack.given_up < 2 * CONNECTIONS:
                ran = client("submit", orders_file(f"{method}-{finished}"), "--json")
                assert ran.code == 0, ran.err
                finished += 1
        told = {"peak": attack.peak_mib, "sent": attack.sent_mib, "finished": finished}
        record_testsuite_property(f"half_sent_{method}_mib", told)
        assert attack.sent_mib > 4 * (PROMISED // MIB)
        assert attack.peak_mib < PEAK_MIB
        # Nothing of it is left, and each was counted.
        wait_until(lambda: metric(stack, "scheduler_open_rpcs") == open_before)
        refused = {"method": method, "code": "RESOURCE_EXHAUSTED"}
        assert metric(stack, "scheduler_rpcs_total", **refused) >= attack.given_up
        assert stack.stopped_parts() == []
