"""The loop of a worker does what asyncio's own does."""

import asyncio
import queue
import subprocess
import sys
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import uvloop

from services.worker.loop import ReadyExecutor, WorkerLoopPolicy


def on_the_workers_loop(main: Coroutine[Any, Any, None]) -> None:
    loop = WorkerLoopPolicy().new_event_loop()
    assert isinstance(loop, uvloop.Loop)
    try:
        loop.run_until_complete(main)
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()


def test_what_is_in_a_queue_is_taken_without_a_thread() -> None:
    waiting: queue.Queue[int] = queue.Queue()
    waiting.put(1)
    with ReadyExecutor(1) as executor:
        taken = executor.submit(waiting.get)
        assert taken.done()
        assert taken.result() == 1
        assert executor._threads == set()  # noqa: SLF001 - that there is none is the point


def test_what_is_not_there_yet_is_waited_for_on_a_thread() -> None:
    waiting: queue.Queue[int] = queue.Queue()
    with ReadyExecutor(1) as executor:
        taken = executor.submit(waiting.get)
        assert not taken.done()
        waiting.put(1)
        assert taken.result(timeout=30) == 1


def test_everything_else_runs_on_a_thread_with_its_arguments() -> None:
    waiting: queue.Queue[int] = queue.Queue()
    waiting.put(1)
    with ReadyExecutor(1) as executor:
        assert executor.submit(threading.get_ident).result() != threading.get_ident()
        assert executor.submit(waiting.get, timeout=1).result() == 1
        assert executor.submit(divmod, 7, 2).result() == (3, 1)
        failure = executor.submit(int, "no number").exception()
        assert isinstance(failure, ValueError)


def test_items_come_in_their_order_whether_they_were_there_or_not() -> None:
    waiting: queue.Queue[int] = queue.Queue()
    found: list[int] = []

    async def take() -> None:
        loop = asyncio.get_running_loop()
        found.extend([await loop.run_in_executor(None, waiting.get) for _ in range(1_000)])

    def put() -> None:
        for number in range(1_000):
            waiting.put(number)

    with ThreadPoolExecutor(1) as other:
        putting = other.submit(put)
        on_the_workers_loop(take())
        putting.result()
    assert found == list(range(1_000))


def test_a_worker_looks_for_garbage_rarely_and_still_does() -> None:
    program = """
import gc
import services.worker.app
from services.worker.loop import collect_rarely

collect_rarely()
assert gc.get_freeze_count() > 10_000, gc.get_freeze_count()
assert gc.get_threshold() == (10_000, 10, 10), gc.get_threshold()
before = gc.get_stats()[0]["collections"]
for _ in range(50_000):
    loop = []
    loop.append(loop)
assert gc.get_stats()[0]["collections"] >= before + 2
"""
    subprocess.run([sys.executable, "-c", program], check=True)
