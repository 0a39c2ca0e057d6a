"""The SDK's in-memory testing backend as a process: `python -m scripts.bench.backend PORT`.

It has no options of its own, and listens on all addresses: here it gets the scheduler's, and the
loopback address.
"""

import signal
import sys
from typing import Any
from unittest.mock import patch

import grpc
from durabletask.testing import create_test_backend

from services.scheduler.app import server_options
from services.scheduler.bounds import DEFAULTS

# It refuses more events than this in one history, and makes nothing else of it.
_HISTORY_EVENTS_MAX = 1_000_000


def main() -> int:
    """Serves until SIGTERM, which ends it at once: it keeps nothing."""
    port = int(sys.argv[1])
    make = grpc.server

    def make_server(pool: Any) -> grpc.Server:  # noqa: ANN401 - gRPC's signature
        server = make(pool, options=server_options(DEFAULTS))
        listen = server.add_insecure_port

        def listen_here(address: str) -> int:  # noqa: ARG001 - it is all addresses
            return listen(f"127.0.0.1:{port}")

        server.add_insecure_port = listen_here  # type: ignore[method-assign]  # of this one server
        return server

    with patch.object(grpc, "server", make_server):
        create_test_backend(port=port, max_history_size=_HISTORY_EVENTS_MAX)
    print(f"ready: {port}", flush=True)
    signal.pause()
    return 0


if __name__ == "__main__":
    sys.exit(main())
