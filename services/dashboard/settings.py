"""The dashboard's settings, built once from the environment."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from services.shared import logs
from services.shared.bearer import TokenSource, read_ca, read_token
from services.shared.connection import is_exposed
from services.shared.environment import Environment

HUB_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}"

_ADDRESS: Final = r"[A-Za-z0-9:.\-]+"
_HOSTS: Final = r"[A-Za-z0-9.\-]+(\s*,\s*[A-Za-z0-9.\-]+)*"
_ENDPOINT: Final = r"https?://([A-Za-z0-9.\-]+|\[[0-9A-Fa-f:.]+\])(:(?!0)([0-9]{1,4}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?/?"
_PORT_MAX: Final = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardSettings:
    """Everything that the dashboard can be told.

    Port 0 takes any free one, which the line that tells of readiness names. `hosts` are names, next
    to addresses and names of this machine, under which a browser may ask for its pages.
    """

    host: str
    port: int
    scheduler: str
    # What its certificate is checked against; None for the usual authorities.
    ca: Path | None
    # Sent with every question, whoever asks the dashboard.
    token: TokenSource | None
    task_hub: str
    hosts: tuple[str, ...]
    log_level: str
    log_format: str

    @property
    def is_exposed(self) -> bool:
        """Whether somebody on another machine could reach it."""
        return is_exposed(self.host)

    @classmethod
    def read(cls, environment: Environment) -> Self:
        """Reads all settings; raises `SettingsError` with every bad one."""
        hosts = environment.text(
            "DASHBOARD_HOSTS",
            "",
            pattern=_HOSTS,
            allowed="host names separated by commas, such as dashboard.example.com",
        )
        settings = cls(
            host=environment.text(
                "DASHBOARD_HOST",
                "127.0.0.1",
                pattern=_ADDRESS,
                allowed="an address to listen on, such as 127.0.0.1, or 0.0.0.0 for all",
            ),
            port=environment.integer("DASHBOARD_PORT", 8082, minimum=0, maximum=_PORT_MAX),
            scheduler=environment.text(
                "SCHEDULER_HTTP_ENDPOINT",
                "http://localhost:8081",
                pattern=_ENDPOINT,
                allowed="the address of the scheduler's HTTP port, such as http://localhost:8081",
            ).rstrip("/"),
            ca=read_ca(environment),
            token=read_token(environment),
            task_hub=environment.text(
                "TASKHUB",
                "default",
                pattern=HUB_NAME,
                allowed="a task hub's name, such as default (letters, digits, - and _, at most 64)",
            ),
            hosts=tuple(name.strip() for name in hosts.split(",") if name.strip()),
            log_level=environment.choice("LOG_LEVEL", "info", choices=logs.LEVELS),
            log_format=environment.choice("LOG_FORMAT", "console", choices=logs.FORMATS),
        )
        may_be_insecure = environment.flag("DASHBOARD_ALLOW_INSECURE")
        if settings.is_exposed and not may_be_insecure:
            # Not with a reader's token either: it has no accounts, and shows everything.
            environment.refuse(
                "DASHBOARD_HOST",
                settings.host,
                "whoever reaches this address could do what the dashboard may, without a password:"
                " keep it on 127.0.0.1, or, where the network is private, set"
                " DASHBOARD_ALLOW_INSECURE=1",
            )
        environment.check()
        return settings
