"""The errors that every service can meet before it has done any work.

A person reads their text as it stands, so each says what is wrong and what to do.
"""

from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True, kw_only=True)
class BadSetting:
    """One setting that cannot be used: its variable, its value and what would be allowed."""

    name: str
    value: str
    allowed: str

    def __str__(self) -> str:
        return f"{self.name}={self.value!r}: {self.allowed}"


class SettingsError(Exception):
    """Settings that cannot be used, all of them at once."""

    def __init__(self, problems: tuple[BadSetting, ...]) -> None:
        self.problems = problems
        super().__init__("\n".join(str(problem) for problem in problems))


class SchedulerUnavailableError(Exception):
    """The scheduler cannot be reached, or does not know the task hub.

    `retryable` is false where waiting cannot help (an unknown task hub, a refused sign-in).
    """

    def __init__(self, text: str, *, retryable: bool) -> None:
        self.retryable = retryable
        super().__init__(text)


class PayloadStoreError(Exception):
    """A large payload cannot be stored."""

    @classmethod
    def unusable(cls, where: object, why: str) -> Self:
        """The whole store cannot be used: `where` is its place."""
        return cls(
            f"the payload store {where} cannot be used: {why}; PAYLOAD_STORE says where it is"
        )


class PayloadTooLargeError(PayloadStoreError):
    """A payload is larger than the payload store takes."""

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(
            f"the payload has {size:,} bytes and the limit is {limit:,} bytes;"
            " PAYLOAD_STORE_BYTES_MAX allows larger ones"
        )
