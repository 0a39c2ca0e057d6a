"""The worker's settings, built once from the environment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from services.shared import logs
from services.shared.connection import Connection, read_connection
from services.shared.environment import Environment
from services.shared.payload_place import PayloadSettings, read_payload_settings
from services.shared.tracing import TraceSettings, read_trace_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessingSettings:
    """How `process_order` simulates an order's way: milliseconds, and probabilities from 0 to 1."""

    processing_ms: int
    failure_rate: float
    transient_failure_rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Everything that a worker can be told.

    `activities_max` and `orchestrations_max` bound the work items in the air; the thread pool holds
    a thread for each of them, so that sleeping activities never starve an orchestrator, and a
    scheduler that respects the bounds never prefetches more than can run.
    """

    connection: Connection
    payloads: PayloadSettings
    processing: ProcessingSettings
    activities_max: int
    orchestrations_max: int
    grace_seconds: int
    state_file: Path | None
    # None serves no metrics; 0 takes any free port, which the log names.
    metrics_host: str
    metrics_port: int | None
    tracing: TraceSettings
    log_level: str
    log_format: str

    @classmethod
    def read(cls, environment: Environment) -> Self:
        """Reads all settings; raises `SettingsError` with every bad one."""
        connection = read_connection(environment)
        settings = cls(
            connection=connection,
            payloads=read_payload_settings(environment, connection),
            processing=ProcessingSettings(
                processing_ms=environment.integer(
                    "PROCESSING_MS", 50, minimum=0, maximum=3_600_000
                ),
                failure_rate=environment.rate("FAILURE_RATE", 0.1),
                transient_failure_rate=environment.rate("TRANSIENT_FAILURE_RATE", 0.05),
            ),
            activities_max=environment.integer("WORKER_ACTIVITIES_MAX", 32, minimum=1, maximum=256),
            orchestrations_max=environment.integer(
                "WORKER_ORCHESTRATIONS_MAX", 4, minimum=1, maximum=64
            ),
            grace_seconds=read_grace_seconds(environment),
            state_file=environment.path("WORKER_STATE_FILE"),
            metrics_host=environment.text(
                "WORKER_METRICS_HOST",
                "127.0.0.1",
                pattern=r"[A-Za-z0-9:.\-]+",
                allowed="an address to listen on, such as 127.0.0.1, or 0.0.0.0 for all",
            ),
            metrics_port=environment.port_or_none("WORKER_METRICS_PORT"),
            tracing=read_trace_settings(environment),
            log_level=environment.choice("LOG_LEVEL", "info", choices=logs.LEVELS),
            log_format=environment.choice("LOG_FORMAT", "console", choices=logs.FORMATS),
        )
        environment.check()
        return settings


def read_grace_seconds(environment: Environment) -> int:
    """How long a worker may finish what runs when it is asked to stop, in seconds."""
    return environment.integer("WORKER_GRACE_SECONDS", 30, minimum=0, maximum=3_600)
