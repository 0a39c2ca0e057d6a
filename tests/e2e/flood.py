"""A client without measure: it starts orchestrations as fast as it can, in a process of its own.

    python -m tests.e2e.flood HOST:PORT SECONDS CALLS_AT_ONCE INPUT_BYTES

Prints a JSON document: how many starts were taken, and how many were refused with which text.
"""

import asyncio
import json
import re
import sys
from collections import Counter
from typing import Any

import grpc
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal import orchestrator_service_pb2_grpc as service
from google.protobuf.wrappers_pb2 import StringValue

METADATA = (("taskhub", "default"),)


async def flood(address: str, seconds: float, at_once: int, size: int) -> dict[str, Any]:
    """Calls without a pause, and tells what came of it."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    refusals: Counter[str] = Counter()
    started = 0
    request = pb.CreateInstanceRequest(name="flood", input=StringValue(value="x" * size))
    async with grpc.aio.insecure_channel(address) as channel:
        hub = service.TaskHubSidecarServiceStub(channel)  # type: ignore[no-untyped-call]  # generated code

        async def call_on() -> None:
            nonlocal started
            while loop.time() < end:
                try:
                    await hub.StartInstance(request, metadata=METADATA)
                except grpc.aio.AioRpcError as error:
                    refusals[_reason(error)] += 1
                else:
                    started += 1

        await asyncio.gather(*(call_on() for _ in range(at_once)))
    return {"started": started, "refusals": refusals}


def _reason(error: grpc.aio.AioRpcError) -> str:
    """The status code, and the setting that its text names."""
    named = re.search(r"SCHEDULER_\w+", error.details() or "")
    return f"{error.code().name} {named[0] if named else error.details()}"


if __name__ == "__main__":
    address, seconds, at_once, size = sys.argv[1:]
    print(json.dumps(asyncio.run(flood(address, float(seconds), int(at_once), int(size)))))  # noqa: T201 - its answer
