"""A network, mounts and process ids of its own: faults reach nobody else, and nothing is left."""

import fcntl
import os
import socket
import struct
import subprocess
import sys
from typing import Final

from scripts.local_stack import ROOT

_UNSHARE: Final = (
    "unshare",
    "--net",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--mount-proc",
)
# Where this process is not root, it may be that of a user namespace.
_AS_ROOT: Final = ("--user", "--map-root-user")
# As the kernel's headers have them.
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1
_IFREQ_BYTES: Final = 40


def isolated(module: str, *arguments: str) -> list[str]:
    """The command that runs a module of ours in namespaces of its own."""
    return [
        *_UNSHARE,
        *(() if os.geteuid() == 0 else _AS_ROOT),
        sys.executable,
        "-m",
        module,
        *arguments,
    ]


def why_not() -> str | None:
    """Why this machine has no namespaces for us; None where it has."""
    try:
        ran = subprocess.run(
            [*_UNSHARE, *(() if os.geteuid() == 0 else _AS_ROOT), "iptables", "-w", "-L", "-n"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return None if ran.returncode == 0 else ran.stderr.strip() or "unshare failed"


def bring_up_loopback() -> None:
    """A fresh network has a loopback that is down."""
    with socket.socket() as any_socket:
        request = struct.pack("16sH", b"lo", _IFF_UP)
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, request.ljust(_IFREQ_BYTES, b"\0"))
