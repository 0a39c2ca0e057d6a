"""The scheduler's errors. Their text is for the person who starts it."""


class SchedulerError(Exception):
    """The scheduler cannot go on."""


class PortInUseError(SchedulerError):
    """Something else listens on the address that the scheduler was told to serve."""

    def __init__(self, address: str, setting: str) -> None:
        super().__init__(f"cannot listen on {address}: it is in use or not ours; set {setting}")
