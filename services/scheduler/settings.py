"""The scheduler's settings, built once from the environment."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Final, Self

from services.scheduler.auth.settings import AuthSettings
from services.scheduler.bounds import DEFAULTS, Bounds, setting_of
from services.scheduler.tls import TlsFiles, read_tls_files
from services.shared import logs
from services.shared.connection import is_exposed
from services.shared.environment import Environment
from services.shared.payload_place import read_payload_place

_HUB_NAMES: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}(\s*,\s*[A-Za-z0-9][A-Za-z0-9_-]{0,63})*"
_HOST: Final = r"[A-Za-z0-9:.\-]+"
_HOST_NAMES: Final = r"[A-Za-z0-9._-]+(\s*,\s*[A-Za-z0-9._-]+)*"
_PORT_MAX: Final = 65_535
# The service's own default.
_RETENTION_DAYS: Final = 30
# gRPC counts in 32 bits.
_BOUND_MAX: Final = 2**30
# Nothing works that cannot take in one payload of the largest size.
_BYTES_MIN: Final[Mapping[str, int]] = {
    "call_bytes_max": 4 * 1024 * 1024,
    "disk_free_bytes_min": 0,
    "inbox_bytes_max": 2 * 1024 * 1024,
    "message_bytes_max": 4 * 1024 * 1024,
    "work_item_bytes_max": 4 * 1024 * 1024,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class SchedulerSettings:
    """Everything that the scheduler can be told; the emulator's own variables keep their names.

    Port 0 takes any free one, which the line that tells of readiness names.
    """

    host: str
    grpc_port: int
    http_port: int
    # Names that the HTTP port is called by, beside those that can only mean this machine.
    http_hosts: tuple[str, ...]
    # None serves both ports without TLS.
    tls: TlsFiles | None
    auth: AuthSettings
    data_dir: Path
    # Where clients and workers keep large payloads, None where that is no directory of ours.
    payload_dir: Path | None
    task_hubs: tuple[str, ...]
    dynamic_task_hubs: bool
    # None keeps finished instances for ever.
    retention_days: int | None
    bounds: Bounds
    log_level: str
    log_format: str

    @property
    def is_exposed(self) -> bool:
        """Whether somebody on another machine could reach it."""
        return is_exposed(self.host)

    @classmethod
    def read(cls, environment: Environment) -> Self:
        """Reads all settings; raises `SettingsError` with every bad one."""
        hubs = environment.text(
            "DTS_TASK_HUB_NAMES",
            "default",
            pattern=_HUB_NAMES,
            allowed="task hub names separated by commas, such as default,orders",
        )
        hosts = environment.text(
            "SCHEDULER_HTTP_HOSTS",
            "",
            pattern=_HOST_NAMES,
            allowed="host names separated by commas, such as tasks.example.com",
        )
        data_dir = environment.path("SCHEDULER_DATA_DIR") or Path("data")
        settings = cls(
            host=environment.text(
                "SCHEDULER_HOST",
                "127.0.0.1",
                pattern=_HOST,
                allowed="an address to listen on, such as 127.0.0.1, or 0.0.0.0 for all",
            ),
            grpc_port=environment.integer(
                "SCHEDULER_GRPC_PORT", 8080, minimum=0, maximum=_PORT_MAX
            ),
            http_port=environment.integer(
                "SCHEDULER_HTTP_PORT", 8081, minimum=0, maximum=_PORT_MAX
            ),
            http_hosts=tuple(name.strip() for name in hosts.split(",") if name.strip()),
            tls=read_tls_files(environment),
            auth=AuthSettings.read(environment),
            data_dir=data_dir,
            payload_dir=_payload_dir(environment, data_dir),
            task_hubs=tuple(dict.fromkeys(name.strip() for name in hubs.split(","))),
            dynamic_task_hubs=environment.flag("DTS_USE_DYNAMIC_TASK_HUBS"),
            retention_days=_retention(environment),
            bounds=_bounds(environment),
            log_level=environment.choice("LOG_LEVEL", "info", choices=logs.LEVELS),
            log_format=environment.choice("LOG_FORMAT", "console", choices=logs.FORMATS),
        )
        may_be_insecure = environment.flag("SCHEDULER_ALLOW_INSECURE")
        if settings.is_exposed and settings.auth.is_open and not may_be_insecure:
            environment.refuse(
                "SCHEDULER_HOST",
                settings.host,
                "whoever reaches this address could change everything: set SCHEDULER_AUTH=token or"
                " jwt, or, where the network is private, SCHEDULER_ALLOW_INSECURE=1",
            )
        environment.check()
        return settings


@dataclass(frozen=True, slots=True, kw_only=True)
class DataSettings:
    """Where the data are: all that a backup, a restore or a check has to be told."""

    data_dir: Path
    payload_dir: Path | None

    @classmethod
    def read(cls, environment: Environment) -> Self:
        """Reads these settings alone; raises `SettingsError` with every bad one."""
        data_dir = environment.path("SCHEDULER_DATA_DIR") or Path("data")
        settings = cls(data_dir=data_dir, payload_dir=_payload_dir(environment, data_dir))
        environment.check()
        return settings


def _bounds(environment: Environment) -> Bounds:
    """Each from a variable of its own; the defaults stand with their reasons in `bounds.py`."""
    read: Mapping[str, int] = {
        bound.name: environment.integer(
            setting_of(bound.name),
            getattr(DEFAULTS, bound.name),
            minimum=_BYTES_MIN.get(bound.name, 1),
            maximum=_BOUND_MAX,
        )
        for bound in fields(Bounds)
    }
    return Bounds(**read)


def _retention(environment: Environment) -> int | None:
    text = environment.text(
        "SCHEDULER_RETENTION_DAYS",
        str(_RETENTION_DAYS),
        pattern=r"never|[0-9]{1,5}",
        allowed="a number of days, or never",
    )
    return None if text == "never" else int(text)


def _payload_dir(environment: Environment, data_dir: Path) -> Path | None:
    """Payloads that lie elsewhere are for clients and workers alone."""
    place = read_payload_place(environment, data_dir / "payloads")
    return place if isinstance(place, Path) else None
