"""The scheduler's composition root: it picks the parts, starts them, and stops them in order."""

import asyncio
import contextlib
import logging
import resource
import signal
from datetime import timedelta
from typing import Any, Final

import uvloop

from services.scheduler.auth.gates import gate_of
from services.scheduler.bounds import Bounds
from services.scheduler.clock import Now, system_now
from services.scheduler.edge.intake import Intake
from services.scheduler.edge.server import GrpcServer
from services.scheduler.edge.service import SPARED, TaskHubService
from services.scheduler.errors import PortInUseError, StopError, StoreFailedError
from services.scheduler.http.routes import application
from services.scheduler.http.server import HttpServer
from services.scheduler.hub.collector import Collector
from services.scheduler.hub.hubs import TaskHubs
from services.scheduler.settings import SchedulerSettings
from services.scheduler.store.database import DataDirectory
from services.scheduler.tls import TlsPair, load
from services.shared.payload_files import PayloadFiles

log = logging.getLogger(__name__)

# What workers have in the air may still be answered in this time,
_DRAIN_SECONDS: Final = 3.0
# and what has been asked be answered in this.
_STOP_GRACE_SECONDS: Final = 1.0
_FILES_MAX: Final = 1_048_576
_PURGED_A_COMMIT: Final = 200
_RETENTION_LOOK_SECONDS: Final = 3_600.0
_RETENTION_OF_NONE_LOOK_SECONDS: Final = 10.0
# What is on its way to refusal: gRPC's own text is told only to what comes on top of that.
_CALLS_TO_REFUSE: Final = 2_000
_METADATA_BYTES_MAX: Final = 16 * 1024
SERVER_OPTIONS: Final = (
    # Without this two schedulers share a port, and each hides what the other holds.
    ("grpc.so_reuseport", 0),
    ("grpc.max_send_message_length", -1),
    # Room for the longest tokens. Both: between the two gRPC refuses at random.
    ("grpc.max_metadata_size", _METADATA_BYTES_MAX),
    ("grpc.absolute_max_metadata_size", _METADATA_BYTES_MAX),
    # What comes of a request before it is read: all of most, and little of what has to wait. The
    # probe would let it grow.
    ("grpc.http2.lookahead_bytes", 16 * 1024),
    ("grpc.http2.bdp_probe", 0),
    # Who connects and then says nothing is gone soon.
    ("grpc.server_handshake_timeout_ms", 10_000),
    # A peer that vanished without a word is found within 15 s, and its work given back.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # What gRPC really waits for an answer: by default a minute, whatever the timeout above says.
    ("grpc.http2.ping_timeout_ms", 5_000),
    # Clients with short keepalives are welcome: the defaults cut them off (`too_many_pings`).
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 1_000),
    ("grpc.http2.max_ping_strikes", 0),
)


def server_options(bounds: Bounds) -> tuple[tuple[str, int], ...]:
    """GRPC's channel arguments for these bounds."""
    return (
        *SERVER_OPTIONS,
        # Far above the payload limit: what is too large must be read to be refused by name.
        ("grpc.max_receive_message_length", bounds.message_bytes_max),
        ("grpc.max_allowed_incoming_connections", bounds.connections_max),
        # By default gRPC cancels calls at random while more than a thousand wait to be taken up.
        ("grpc.server.max_pending_requests", bounds.calls_max),
        ("grpc.server.max_pending_requests_hard_limit", bounds.calls_max),
        # Calls of one connection above this wait at the client; those below it are told why.
        ("grpc.max_concurrent_streams", 2 * bounds.connection_calls_max + _CALLS_TO_REFUSE),
    )


def run(settings: SchedulerSettings, now: Now = system_now) -> int:
    """Serves until SIGTERM or SIGINT; returns 0. Raises `StopError`."""
    _lift_file_limit()

    async def main() -> int:
        return await _Scheduler(settings, now).run()

    return uvloop.run(main())


def _lift_file_limit() -> None:
    """A connection is a file, and so are a hub's four: the usual 1,024 are soon used up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    # Some systems promise more than they take, without limit most of all.
    wanted = _FILES_MAX if hard == resource.RLIM_INFINITY else min(hard, _FILES_MAX)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    except (OSError, ValueError) as error:
        log.warning("no more than %d files can be open at a time: %s", soft, error)


class _Scheduler:
    def __init__(self, settings: SchedulerSettings, now: Now) -> None:
        self._settings = settings
        self._now = now
        self._stop = asyncio.Event()
        self._failure: StopError | None = None
        self._loop = asyncio.get_running_loop()

    async def run(self) -> int:
        loop = self._loop
        loop.set_exception_handler(self._on_unhandled)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        settings = self._settings
        # Before anything is touched: what cannot be protected is not served.
        gate = gate_of(settings.auth)
        tls = None if settings.tls is None else load(settings.tls)
        _warn(settings)
        directory = DataDirectory(settings.data_dir)
        http = HttpServer.bind(
            settings.host, settings.http_port, settings.bounds.http_connections_max
        )
        hubs = self._hubs(directory)
        collectors = _collectors(hubs, directory, self._now)
        service = TaskHubService(hubs, gate)
        intake = Intake(settings.bounds, SPARED)
        server = _server(settings, service, intake, hubs)
        grpc_port = _listen(server, settings, tls)
        server.start()
        # A name that it was told to listen on is one that it is called by.
        names = (*settings.http_hosts, settings.host)
        web = application(hubs, service.calls, gate, names, lambda: (intake.calls, intake.held))
        http.start(web, None if tls is None else tls.context)
        upkeep = [self._loop.create_task(self._purge_finished(hubs))]
        upkeep += [self._loop.create_task(service.open_calls.recheck())]
        upkeep += [self._loop.create_task(one.run()) for one in collectors]
        _announce(settings, hubs, grpc_port, http.port)
        await self._stop.wait()
        for task in upkeep:
            task.cancel()
        hubs.pause()
        if self._failure is None:
            await _drained(hubs)
        for hub in hubs.opened:
            hub.dispatcher.stop()
        await http.stop()
        await server.stop(_STOP_GRACE_SECONDS)
        for collector in collectors:
            await collector.stop()
        if self._failure is not None:
            raise self._failure
        hubs.close()
        log.info("stopped")
        return 0

    def _hubs(self, directory: DataDirectory) -> TaskHubs:
        settings = self._settings
        return TaskHubs(
            directory,
            settings.task_hubs,
            dynamic=settings.dynamic_task_hubs,
            on_failure=self._fail,
            payloads=None if settings.payload_dir is None else PayloadFiles(settings.payload_dir),
            bounds=settings.bounds,
            now=self._now,
        )

    async def _purge_finished(self, hubs: TaskHubs) -> None:
        """Purges what ended too long ago, some at a time, so that others are served meanwhile."""
        days = self._settings.retention_days
        if days is None:
            return
        age = timedelta(days=days)
        while True:
            for hub in hubs.opened:
                while hub in hubs.opened and hub.hub.purge_finished(age, _PURGED_A_COMMIT):
                    await hub.hub.durable()
            await asyncio.sleep(
                _RETENTION_LOOK_SECONDS if days else _RETENTION_OF_NONE_LOOK_SECONDS
            )

    def _fail(self, error: BaseException) -> None:
        """Stops everything: memory that disagrees with the disk is never served."""
        if self._failure is None:
            self._failure = StoreFailedError(f"{self._settings.data_dir}: {error}")
            log.critical("the scheduler stops: %s", self._failure)
        # Not the running loop: checkpoints fail on a thread that has none.
        self._loop.call_soon_threadsafe(self._stop.set)

    def _on_unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """A callback of our own that failed: nobody knows what it has left undone."""
        error = context.get("exception")
        loop.default_exception_handler(context)
        if context.get("handle") is not None and isinstance(error, Exception):
            self._fail(error)


def _collectors(hubs: TaskHubs, directory: DataDirectory, now: Now) -> list[Collector]:
    """What removes payloads: one, or none where they lie in no directory."""
    if hubs.payloads is None:
        return []
    collector = Collector(hubs, hubs.payloads, directory, now=now)
    collector.prepare()
    return [collector]


async def _drained(hubs: TaskHubs) -> None:
    """Returns once workers have answered what they have, or the time for that is over."""
    drained = (hub.dispatcher.drained.wait() for hub in hubs.opened)
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*drained), _DRAIN_SECONDS)


def _warn(settings: SchedulerSettings) -> None:
    """Once, at the start: somebody should have meant it."""
    if settings.is_exposed and settings.auth.is_open:
        log.warning(
            "whoever reaches %s may change everything (SCHEDULER_AUTH=none,"
            " SCHEDULER_ALLOW_INSECURE=1): this network must be private",
            settings.host,
        )
    elif settings.is_exposed and settings.tls is None:
        log.warning("tokens travel in the clear: set SCHEDULER_TLS_CERT and SCHEDULER_TLS_KEY")


def _announce(settings: SchedulerSettings, hubs: TaskHubs, grpc_port: int, http_port: int) -> None:
    """For whoever started it, a person or a program, and so not a matter of the log's level."""
    print(  # noqa: T201 - the line that tells of readiness
        f"ready: gRPC on {_address(settings.host, grpc_port)},"
        f" HTTP on {_address(settings.host, http_port)},"
        f" task hubs {', '.join(hub.name for hub in hubs.opened)},"
        f" data in {settings.data_dir.absolute()}",
        flush=True,
    )


def _server(
    settings: SchedulerSettings, service: TaskHubService, intake: Intake, hubs: TaskHubs
) -> GrpcServer:
    return GrpcServer(
        service.take,
        server_options(settings.bounds),
        intake,
        service.refused,
        service.meets,
        at_work=hubs.at_work,
    )


def _listen(server: GrpcServer, settings: SchedulerSettings, tls: TlsPair | None) -> int:
    address = _address(settings.host, settings.grpc_port)
    try:
        return server.listen(address, None if tls is None else (tls.key, tls.cert))
    except OSError as error:
        raise PortInUseError(address, "SCHEDULER_GRPC_PORT") from error


def _address(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
