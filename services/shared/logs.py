"""How every service logs: one line an event, for a person (`console`) or a machine (`json`)."""

import logging
import re
import sys
from typing import Final

from pythonjsonlogger.json import JsonFormatter

from services.shared.secrets import without_secrets

FORMATS: Final = ("console", "json")
LEVELS: Final = ("debug", "info", "warning", "error")

# Of a call, and of a stream that is read on one thread or on two.
_GRPC_ERROR: Final = re.compile(r"_InactiveRpcError|_(?:Single|Multi)ThreadedRendezvous")
_GRPC_DETAILS: Final = re.compile(r'details = "(?P<details>[^"\n]*)"')
_CONSOLE: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"
_JSON_FIELDS: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"


class _NothingSecret(logging.Filter):
    """Takes secrets out of what others have written, tracebacks included."""

    def __init__(self) -> None:
        super().__init__()
        self._formatter = logging.Formatter()

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        told = without_secrets(message)
        if told != message:
            record.msg, record.args = told, None
        if record.exc_info and record.exc_info[0] is not None:
            # Formatters take the text where there is one.
            trace = self._formatter.formatException(record.exc_info)
            record.exc_text, record.exc_info = without_secrets(trace), None
        return True


class _OneLine(logging.Filter):
    """Shortens the SDK's gRPC errors, eight lines with a debug string each, to their details."""

    def filter(self, record: logging.LogRecord) -> bool:
        message = record.getMessage()
        if _GRPC_ERROR.search(message) is not None:
            found = _GRPC_DETAILS.search(message)
            head = message.split("<_", 1)[0].rstrip(" :")
            details = found["details"] if found else "connection lost"
            record.msg, record.args, record.exc_info = f"{head}: {details}", None, None
        return True


class _Console(logging.Formatter):
    """A line for each event; only a traceback has lines of its own."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - its base's name
        """The line, with what others wrote escaped: it must not look like another line."""
        line = super().formatMessage(record)
        return line if line.isprintable() else "".join(map(_printable, line))


def _printable(char: str) -> str:
    return char if char.isprintable() else char.encode("unicode_escape").decode()


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
    # These tell addresses with their signatures, and what was signed in with.
    for name in ("msal", "urllib3"):
        logging.getLogger(name).setLevel(logging.WARNING)
    handler.addFilter(_NothingSecret())
