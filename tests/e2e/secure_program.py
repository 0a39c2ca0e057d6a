"""A program of the SDK alone, over TLS, with a credential whose tokens end after seconds.

`python -m tests.e2e.secure_program ENDPOINT KEYFILE SECONDS` prints what it came to as JSON. Whom
to trust stands in GRPC_DEFAULT_SSL_ROOTS_FILE_PATH, as with any program of gRPC.
"""

import asyncio
import json
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import jwt
from azure.core.credentials import AccessToken
from durabletask import task
from durabletask.azuremanaged.client import (
    AsyncDurableTaskSchedulerClient,
    DurableTaskSchedulerClient,
)
from durabletask.azuremanaged.worker import DurableTaskSchedulerWorker
from durabletask.client import OrchestrationStatus, TaskHubGrpcClient

from tests.unit.auth.signers import ISSUER


class ShortLived:
    """A credential: each token is good for a few seconds."""

    def __init__(self, key: str, seconds: float) -> None:
        self._key = key
        self._seconds = seconds
        self.scopes: set[str] = set()
        self.given = 0

    def get_token(self, *scopes: str, **_options: Any) -> AccessToken:
        """A fresh one, for the audience that the SDK asks for."""
        self.scopes |= set(scopes)
        self.given += 1
        ends = time.time() + self._seconds
        [scope] = scopes
        claims = {
            "iss": ISSUER,
            "aud": scope.removesuffix("/.default"),
            "exp": ends,
            "sub": f"program-{self.given}",
            "roles": ["contributor"],
            "hubs": ["default"],
        }
        token = jwt.encode(claims, self._key, algorithm="RS256", headers={"kid": "one"})
        return AccessToken(token, int(ends))


class AsyncShortLived:
    """The same for the SDK's other client."""

    def __init__(self, inner: ShortLived) -> None:
        self._inner = inner

    async def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """As the other one."""
        return self._inner.get_token(*scopes, **options)

    async def close(self) -> None:
        """Nothing is open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Nothing is open."""


def double(_ctx: task.ActivityContext, number: int) -> int:
    """An activity."""
    return 2 * number


def patient(ctx: task.OrchestrationContext, seconds: float) -> Any:
    """Works, sleeps for longer than a token is good, and works again."""
    first = yield ctx.call_activity(double, input=1)
    yield ctx.create_timer(timedelta(seconds=seconds))
    second = yield ctx.call_activity(double, input=first)
    return [first, second]


def main() -> None:
    """Runs one orchestration through the end of its worker's token."""
    endpoint, key_file, text = sys.argv[1:]
    seconds = float(text)
    credential = ShortLived(Path(key_file).read_text(), seconds)
    options: dict[str, Any] = {
        "host_address": endpoint,
        "taskhub": "default",
        "secure_channel": True,
        "token_credential": credential,
    }
    with DurableTaskSchedulerWorker(**options) as worker:
        worker.add_orchestrator(patient)
        worker.add_activity(double)
        worker.start()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
        with DurableTaskSchedulerClient(**options) as client:
            instance = client.schedule_new_orchestration(patient, input=2.5 * seconds)
            # A wait is an open call too: it ends with its token, and is asked again.
            state = None
            while state is None or state.runtime_status is not OrchestrationStatus.COMPLETED:
                state = _waited(client, instance)
    seen = asyncio.run(_seen(options | {"token_credential": AsyncShortLived(credential)}, instance))
    document = {
        "output": json.loads(state.serialized_output or "null"),
        "tokens": credential.given,
        "scopes": sorted(credential.scopes),
        "seen": seen,
    }
    sys.stdout.write(json.dumps(document))


def _waited(client: TaskHubGrpcClient, instance: str) -> Any:
    try:
        return client.wait_for_orchestration_completion(instance, timeout=1)
    except TimeoutError:
        return None


async def _seen(options: dict[str, Any], instance: str) -> str:
    async with AsyncDurableTaskSchedulerClient(**options) as client:
        state = await client.get_orchestration_state(instance)
    return "nothing" if state is None else state.runtime_status.name


if __name__ == "__main__":
    main()
