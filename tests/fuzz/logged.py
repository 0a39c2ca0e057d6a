"""What is logged with a traceback: a mistake of ours, unless it is the caller's."""

import logging
from typing import Self

from services.scheduler.errors import BadRequestError
from tests.fuzz.violation import Violation, place_of


class LoggedErrors(logging.Handler):
    """Hears what the services log while it is entered."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self._found: list[str] = []
        self._log = logging.getLogger("services")

    def __enter__(self) -> Self:
        self._was = self._log.propagate, self._log.level
        self._log.propagate, self._log.level = False, logging.ERROR
        self._log.addHandler(self)
        return self

    def __exit__(self, *_error: object) -> None:
        self._log.removeHandler(self)
        self._log.propagate, self._log.level = self._was

    def emit(self, record: logging.LogRecord) -> None:
        """Notes an error that is none of a caller's."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and not isinstance(error, BadRequestError):
            self._found.append(f"{record.getMessage()}: {error!r} {place_of(error)}")

    def check(self) -> None:
        """Raises `Violation` for what was noted since the last time."""
        if self._found:
            found, self._found = self._found, []
            raise Violation("a traceback in the log: " + "; ".join(found))
