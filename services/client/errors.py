"""What a command can end with: exit codes, and the errors that carry one."""

from typing import Final

COMPLETED: Final = 0
FAILED: Final = 1
BAD_INPUT: Final = 2
UNREACHABLE: Final = 3
STILL_RUNNING: Final = 4
# As a shell reports a program that Ctrl-C ended.
INTERRUPTED: Final = 130


class ClientError(Exception):
    """A command cannot do what it was asked; the text is for the person who asked."""

    exit_code: int = FAILED


class BadInputError(ClientError):
    """What the person gave cannot be used; nothing was sent."""

    exit_code = BAD_INPUT


class RefusedError(ClientError):
    """The scheduler refused one request, in its own words."""

    exit_code = BAD_INPUT


class NoSuchOrchestrationError(ClientError):
    """The task hub holds no orchestration of this id."""

    exit_code = BAD_INPUT

    def __init__(self, instance_id: str, task_hub: str) -> None:
        super().__init__(f"task hub {task_hub} holds no orchestration {instance_id!r}")


class StillRunningError(ClientError):
    """The time that the person gave is over; the orchestration goes on."""

    exit_code = STILL_RUNNING


class WaitInterruptedError(ClientError):
    """The person stopped waiting; the orchestration goes on."""

    exit_code = INTERRUPTED
