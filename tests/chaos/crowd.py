"""`python -m tests.chaos.crowd ADDRESS PORT COUNT`: clients that have said hello and wait.

Each has a connection of its own from ADDRESS, with a call that it has not finished. It prints one
line once all are there, and then waits to be killed.
"""

import resource
import signal
import socket
import struct
import sys
from typing import Final

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS: Final = 4
_HEADERS: Final = 1
_END_HEADERS: Final = 4
_PATH: Final = b"/TaskHubSidecarService/WaitForInstanceCompletion"


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def _field(name: bytes, value: bytes) -> bytes:
    """A header field as it stands, in no table."""
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


def hello() -> bytes:
    """What a gRPC client sends first: a call whose message is on its way, and never comes."""
    fields = (
        (b":method", b"POST"),
        (b":scheme", b"http"),
        (b":path", _PATH),
        (b":authority", b"127.0.0.1"),
        (b"content-type", b"application/grpc"),
        (b"te", b"trailers"),
        (b"taskhub", b"default"),
    )
    headers = b"".join(_field(name, value) for name, value in fields)
    return _PREFACE + _frame(_SETTINGS, 0, 0, b"") + _frame(_HEADERS, _END_HEADERS, 1, headers)


def main() -> None:
    """Connects them all."""
    address, port, count = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    connections = []
    for _ in range(count):
        connection = socket.create_connection(
            ("127.0.0.1", port), timeout=20, source_address=(address, 0)
        )
        connection.sendall(hello())
        connections.append(connection)
    print(f"{len(connections)} are there", flush=True)
    signal.pause()


if __name__ == "__main__":
    main()
