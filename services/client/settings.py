"""The client's settings, built once from the environment."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from services.shared.connection import Connection, read_connection
from services.shared.environment import Environment
from services.shared.payload_place import PayloadSettings, read_payload_settings
from services.shared.tracing import TraceSettings, read_trace_settings

_NO_INVOCATION: Final = "none"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """Where the scheduler is, and how patient the client is with it.

    `invocation` is what a person types to run the client again; None where the scheduler goes with
    this run, as in a demo: then nothing is hinted at.
    `call_seconds` bounds every single call; `connect_seconds` bounds the time without any answer,
    at the start as in the middle of a wait.
    """

    connection: Connection
    payloads: PayloadSettings
    tracing: TraceSettings
    invocation: str | None
    call_seconds: int
    connect_seconds: int

    @classmethod
    def read(cls, environment: Environment) -> Self:
        """Reads all settings; raises `SettingsError` with every bad one."""
        connection = read_connection(environment)
        invocation = environment.text(
            "CLIENT_INVOCATION",
            _invocation(in_container=environment.flag("RUNS_IN_CONTAINER")),
            pattern=r"[ -~]{1,200}",
            allowed=f"a command line of at most 200 characters, or {_NO_INVOCATION}",
        )
        settings = cls(
            connection=connection,
            payloads=read_payload_settings(environment, connection),
            tracing=read_trace_settings(environment),
            invocation=None if invocation == _NO_INVOCATION else invocation,
            call_seconds=environment.integer("CLIENT_CALL_SECONDS", 10, minimum=1, maximum=600),
            connect_seconds=environment.integer(
                "CLIENT_CONNECT_SECONDS", 15, minimum=1, maximum=3_600
            ),
        )
        environment.check()
        return settings


def _invocation(*, in_container: bool) -> str:
    if in_container:
        return "docker compose run --rm client"
    python = Path(sys.executable)
    here = Path.cwd()
    return (
        f"{python.relative_to(here) if python.is_relative_to(here) else python} -m services.client"
    )
