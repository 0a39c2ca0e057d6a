"""The scheduler's errors, with one root. Their text is for the person who reads it.

What a caller did wrong or asked in vain is a `CallError`, whose gRPC status `edge/faults.py` knows;
what keeps the scheduler from going on is a `StopError`.
"""

from pathlib import Path
from typing import ClassVar

from services.scheduler.bounds import setting_of


class SchedulerError(Exception):
    """The root."""


class CallError(SchedulerError):
    """One call is refused; nothing has changed."""

    # It has been read in a hub, where it may not be on the disk yet.
    tells_of_state: ClassVar[bool] = False


class BadRequestError(CallError):
    """The request breaks a rule of the protocol."""


class PayloadTooLargeError(BadRequestError):
    """A payload is above the service's limit."""

    def __init__(self, what: str, size: int, limit: int) -> None:
        super().__init__(
            f"PayloadTooLarge: {what} has {size} bytes, the limit is {limit} bytes;"
            " a payload store (docs/payloads.md) keeps larger ones"
        )


class NotFoundError(CallError):
    """What the call names does not exist."""

    tells_of_state = True


class TaskHubNotFoundError(NotFoundError):
    """The call names a task hub that is not served."""

    tells_of_state = False

    def __init__(self, name: str) -> None:
        super().__init__(f"Task hub not found: {name}")


class InstanceNotFoundError(NotFoundError):
    """The call names an instance that does not exist."""

    def __init__(self, instance_id: str) -> None:
        super().__init__(f"Orchestration instance not found: {instance_id[:100]}")


class InstanceExistsError(CallError):
    """The id of a new instance is taken, and the call's policy does not allow its reuse."""

    tells_of_state = True

    def __init__(self, instance_id: str, status: str) -> None:
        super().__init__(f"Orchestration instance already exists: {instance_id} ({status})")


class WrongStateError(CallError):
    """The instance is not in a state that allows what the call asks for."""

    tells_of_state = True


class UnauthenticatedError(CallError):
    """The call does not prove who calls."""


class KeysWantedError(UnauthenticatedError):
    """The token names a signing key that is not known yet; it may be once the keys are fetched."""


class ForbiddenError(CallError):
    """Who calls may not do this, or not here."""


class AuthenticationAwayError(CallError):
    """Nobody can be let in for now, whatever their token."""

    def __init__(self) -> None:
        super().__init__("The scheduler cannot check tokens now; its log says why")


class OverloadError(CallError):
    """The call would go beyond a bound; later there may be room."""

    def __init__(self, what: str, bound: str, limit: int) -> None:
        """`bound` is a field of `Bounds`."""
        super().__init__(f"{what}: the bound is {limit:,} ({setting_of(bound)})")


class LateRequestError(CallError):
    """The request of a call did not come in time; nothing of it is kept."""

    def __init__(self, seconds: float, *, others: bool = False, is_read: bool = True) -> None:
        """`others` is whether they wait for its place; `is_read`, whether it has had one."""
        if is_read:
            why = ", and others wait to send theirs" if others else ""
            text = f"The request was not there after {seconds:.0f} s{why}"
        else:
            text = (
                f"The request had not had its turn after {seconds:.0f} s: others are read before it"
            )
        super().__init__(text)


class StoppingError(CallError):
    """The scheduler is stopping; another one may serve soon."""

    def __init__(self) -> None:
        super().__init__("The scheduler is stopping")


class CensusError(SchedulerError):
    """A task hub's file cannot be asked which payloads it names; so no payload is collected."""

    def __init__(self, file: Path, why: str) -> None:
        super().__init__(f"cannot tell which payloads {file} names: {why}")


class ClaimError(SchedulerError):
    """Somebody else may need what lies in the payload directory; so no payload is collected."""


class BackupError(SchedulerError):
    """A backup cannot be made, or cannot be restored; nothing has changed."""


class StopError(SchedulerError):
    """The scheduler cannot start, or cannot go on."""


class SecurityError(StopError):
    """What is to protect the scheduler cannot be used; the text names the setting."""

    def __init__(self, setting: str, why: str) -> None:
        super().__init__(f"{setting}: {why}")


class PortInUseError(StopError):
    """Something else listens on the address that the scheduler was told to serve."""

    def __init__(self, address: str, setting: str) -> None:
        super().__init__(f"cannot listen on {address}: it is in use or not ours; set {setting}")


class DataDirectoryError(StopError):
    """The data directory, or a file in it, cannot be used; it is left as it is."""


class StoreFailedError(StopError):
    """A write did not reach the disk: what memory holds can no longer be trusted."""
