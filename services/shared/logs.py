"""How every service logs: one line an event, for a person (`console`) or a machine (`json`)."""

import logging
import re
import sys
from typing import Final

from pythonjsonlogger.json import JsonFormatter

FORMATS: Final = ("console", "json")
LEVELS: Final = ("debug", "info", "warning", "error")

_GRPC_DETAILS: Final = re.compile(r'details = "(?P<details>[^"\n]*)"')
_CONSOLE: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_JSON_FIELDS: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"


class _OneLine(logging.Filter):
    """Shortens the SDK's gRPC errors, eight lines with a debug string each, to their details."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if "_InactiveRpcError" in message or "_MultiThreadedRendezvous" in message:
            found = _GRPC_DETAILS.search(message)
            head = message.split("<_", 1)[0].rstrip(" :")
            details = found["details"] if found else "connection lost"
            record.msg, record.args, record.exc_info = f"{head}: {details}", None, None
        return True


class _Console(logging.Formatter):
    """A line for each event; only a traceback has lines of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its base's name
        """The line, with the line ends of what others wrote escaped."""
        return super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")


def configure_logging(*, level: str, style: str) -> None:
    """Sends all logs to standard error, at `level`, as `style` (one of `FORMATS`).

    The SDK says less than we do: a line for every work item it takes would drown everything else.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_OneLine())
    handler.setFormatter(JsonFormatter(_JSON_FIELDS) if style == "json" else _Console(_CONSOLE))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in ("durabletask", "uvicorn"):
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
    # A refused sign-in is told by our own line; azure-identity adds ten for every try.
    logging.getLogger("azure").setLevel(logging.ERROR)
