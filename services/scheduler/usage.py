"""What `python -m services.scheduler --help` prints."""

from collections.abc import Mapping
from typing import Final

from services.shared.usage import columns, settings_text

# Each setting, its default and one line of meaning; a test holds it against the settings read.
MEANINGS: Final[Mapping[str, str]] = {
    "SCHEDULER_HOST": "the address to listen on (127.0.0.1)",
    "SCHEDULER_GRPC_PORT": "the port of the Durable Task protocol; 0 takes a free one (8080)",
    "SCHEDULER_HTTP_PORT": "the port of health, metrics and the management API (8081)",
    "SCHEDULER_HTTP_HOSTS": "further names that this port is called by, separated by commas",
    "SCHEDULER_TLS_CERT": "a certificate (PEM): both ports then speak TLS only",
    "SCHEDULER_TLS_KEY": "its private key (PEM, without a password)",
    "SCHEDULER_AUTH": "how callers prove who they are: none, token or jwt (none)",
    "SCHEDULER_TOKEN_FILE": "of token: the file of the tokens, NAME ROLE HUBS TOKEN in each line",
    "SCHEDULER_JWT_JWKS": "of jwt: the file or https:// address of the signing keys",
    "SCHEDULER_JWT_ISSUER": "of jwt: the issuer, exactly as the tokens name it",
    "SCHEDULER_JWT_AUDIENCE": "of jwt: the audience (https://durabletask.io)",
    "SCHEDULER_JWT_ALGORITHMS": "of jwt: the algorithms allowed, separated by commas (RS256)",
    "SCHEDULER_JWT_ROLES_CLAIM": "of jwt: the claim that holds reader or contributor (roles)",
    "SCHEDULER_JWT_HUBS_CLAIM": "of jwt: the claim that holds task hubs, or * (hubs)",
    "SCHEDULER_JWT_LEEWAY_SECONDS": "of jwt: how far clocks may be apart (30)",
    "SCHEDULER_ALLOW_INSECURE": "1 allows other machines to reach it with SCHEDULER_AUTH=none (0)",
    "SCHEDULER_DATA_DIR": "where it keeps its data, one file per task hub (data)",
    "PAYLOAD_STORE": "the directory of large payloads, to collect and show; or none"
    " (payloads in the data directory)",
    "RUNS_IN_CONTAINER": "set by the images: that directory is then /payloads",
    "SCHEDULER_RETENTION_DAYS": "days that finished instances are kept; 0, or never (30)",
    "SCHEDULER_CALLS_MAX": "calls that are not answered yet (20000)",
    "SCHEDULER_CONNECTION_CALLS_MAX": "the same of one connection (10000)",
    "SCHEDULER_CALL_BYTES_MAX": "bytes that they hold (134217728)",
    "SCHEDULER_CONNECTIONS_MAX": "gRPC connections (2000)",
    "SCHEDULER_MESSAGE_BYTES_MAX": "bytes of one gRPC message (67108864)",
    "SCHEDULER_WORKERS_MAX": "workers of a task hub (1000)",
    "SCHEDULER_WORK_ITEMS_MAX": "work items of a kind that one worker has at once (10000)",
    "SCHEDULER_WORK_ITEM_BYTES_MAX": "bytes of turns and batches of a hub's workers (134217728)",
    "SCHEDULER_UNREAD_BYTES_MAX": "bytes sent ahead of a worker that does not read (4194304)",
    "SCHEDULER_WAITERS_MAX": "clients that wait in a task hub (10000)",
    "SCHEDULER_HISTORY_READERS_MAX": "histories of one task hub that are streamed at once (64)",
    "SCHEDULER_PENDING_MAX": "orchestrations that a hub's clients started, not begun (100000)",
    "SCHEDULER_INBOX_MAX": "messages that wait for one orchestration or entity (100000)",
    "SCHEDULER_INBOX_BYTES_MAX": "their bytes (67108864)",
    "SCHEDULER_DELAYED_SIGNALS_MAX": "signals of a task hub that are not due yet (100000)",
    "SCHEDULER_TASK_HUBS_MAX": "task hubs, where they are made at their first use (100)",
    "SCHEDULER_HTTP_CONNECTIONS_MAX": "HTTP connections (128)",
    "SCHEDULER_DISK_FREE_BYTES_MIN": "bytes kept free on the disk, 5% of it at most (67108864)",
    "DTS_TASK_HUB_NAMES": "the task hubs that it serves, separated by commas (default)",
    "DTS_USE_DYNAMIC_TASK_HUBS": "1 makes a task hub at its first use (0)",
    "LOG_LEVEL": "debug, info, warning or error (info)",
    "LOG_FORMAT": "console or json (console)",
}

_MEANINGS_OF_COMMANDS: Final[Mapping[str, str]] = {
    "backup FILE": "writes all task hubs and their payloads into one file, also while it serves",
    "restore FILE": "restores such a file into a data directory without task hubs",
    "check": "looks for damage in the data directory, also while it serves",
}
COMMANDS: Final = frozenset(name.split()[0] for name in _MEANINGS_OF_COMMANDS)

USAGE: Final = (
    "usage: python -m services.scheduler [--help | COMMAND ...]\n\n"
    "Serves task hubs over the Durable Task protocol until SIGTERM or Ctrl-C.\n\n"
    "commands, each with a --help of its own:\n"
    + columns(_MEANINGS_OF_COMMANDS, width=max(map(len, MEANINGS)))
    + "\n\n"
    + settings_text(MEANINGS)
)
