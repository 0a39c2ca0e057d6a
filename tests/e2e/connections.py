"""Which connections are open on this machine, as the kernel tells (`/proc/net/tcp` and `tcp6`)."""

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

# gRPC listens on a socket of both families: who asks over IPv4 stands in the second table there.
_TABLES = (Path("/proc/net/tcp"), Path("/proc/net/tcp6"))
_ESTABLISHED = "01"
_WORD = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One end of a connection: where it is, where the other end is, and the socket."""

    local_port: int
    remote_address: str
    remote_port: int
    socket: str


def connections() -> Iterator[Connection]:
    """Every end of this machine (of this network namespace) that takes itself for connected."""
    for table in _TABLES:
        for line in table.read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _ESTABLISHED:
                _, local_port = _place(fields[1])
                address, remote_port = _place(fields[2])
                yield Connection(
                    local_port=local_port,
                    remote_address=address,
                    remote_port=remote_port,
                    socket=f"socket:[{fields[9]}]",
                )


def asked_by(pid: int, port: int) -> bool:
    """Whether a process has a connection open to a port of this machine."""
    files = _open_files(pid)
    return any(end.remote_port == port and end.socket in files for end in connections())


def asks_of(pid: int, port: int) -> int:
    """How many connections a process has open at a port that it listens on."""
    files = _open_files(pid)
    return sum(end.local_port == port and end.socket in files for end in connections())


def _open_files(pid: int) -> set[str]:
    return {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}


def _place(text: str) -> tuple[str, int]:
    """An address and a port; an IPv4 address in an IPv6 one is told as what it is."""
    digits, port = text.split(":")
    # Each word of four bytes is printed as a number of this machine, little-endian.
    packed = b"".join(
        bytes.fromhex(digits[at : at + _WORD])[::-1] for at in range(0, len(digits), _WORD)
    )
    address = ipaddress.ip_address(packed)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address), int(port, 16)
