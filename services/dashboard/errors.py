"""The dashboard's errors; the text of each is what a person reads."""

from typing import Final

from services.shared.secrets import without_secrets


class DashboardError(Exception):
    """The dashboard cannot go on. What others say in its text may hold what nobody may be told."""

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))


class PortInUseError(DashboardError):
    """The port is taken."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"DASHBOARD_PORT={port}: {host}:{port} cannot be listened on ({reason})")


class SchedulerAwayError(DashboardError):
    """The scheduler does not answer."""

    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(
            f"The scheduler at {endpoint} cannot be reached ({reason})."
            " This page goes on by itself as soon as it can."
        )


class RefusedError(DashboardError):
    """The answer is no: the scheduler's, or our own to an address that makes no sense."""

    def __init__(self, status: int, code: str, message: str) -> None:
        self.status: Final = status
        self.code: Final = code
        super().__init__(message)


class BadAddressError(RefusedError):
    """A page's address asks for something that does not exist, such as an unknown filter value."""

    def __init__(self, message: str) -> None:
        super().__init__(400, "INVALID_ARGUMENT", message)


class MissingError(RefusedError):
    """There is no such thing."""

    def __init__(self, message: str) -> None:
        super().__init__(404, "NOT_FOUND", message)
