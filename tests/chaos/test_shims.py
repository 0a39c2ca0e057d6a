"""What faults are made of does what it says."""

import errno
import os
import socket
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from scripts.local_stack import ROOT
from tests.chaos.crowd import hello
from tests.chaos.refusals import CHANGES, FLUSHES
from tests.e2e.conftest import StackMaker

SETTINGS, GOAWAY, RST_STREAM = 4, 7, 3

PROGRAM = """
import os, sys, threading
from tests.chaos.refusals import refuse
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
begun, refused = threading.Event(), threading.Event()
def later():
    begun.set()
    refused.wait()
    for call in (lambda: os.pwrite(file, b"x", 0), lambda: os.fsync(file)):
        try:
            call()
            print("fine")
        except OSError as error:
            print(error.errno)
thread = threading.Thread(target=later)
thread.start()
begun.wait()
refuse(sys.argv[3:], int(sys.argv[2]))
refused.set()
thread.join()
"""


@pytest.mark.parametrize(
    ("calls", "code", "told"),
    [
        (FLUSHES, errno.EIO, ["fine", str(errno.EIO)]),
        (CHANGES, errno.EROFS, [str(errno.EROFS), "fine"]),
    ],
)
def test_refused_calls_fail_on_every_thread_and_no_others_do(
    tmp_path: Path, calls: tuple[str, ...], code: int, told: list[str]
) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path / "file"), str(code), *calls],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.stdout.split() == told, ran.stderr


def frames(data: bytes) -> list[int]:
    """The kinds of HTTP/2 frames, in order."""
    kinds = []
    while len(data) >= 9:
        kinds.append(data[3])
        data = data[9 + struct.unpack(">I", b"\0" + data[:3])[0] :]
    return kinds


def until_silent(connection: socket.socket) -> bytes:
    """What comes before nothing more does; the connection must stay open."""
    data = b""
    while True:
        try:
            received = connection.recv(4096)
        except TimeoutError:
            return data
        assert received, "it was closed"
        data += received


def test_a_client_of_the_crowd_is_one_that_the_scheduler_waits_for(new_stack: StackMaker) -> None:
    with (
        new_stack(workers=0) as stack,
        socket.create_connection(("127.0.0.1", stack.grpc_port), timeout=5) as connection,
    ):
        connection.sendall(hello())
        connection.settimeout(2)
        told = frames(until_silent(connection))
        assert told[0] == SETTINGS
        assert not {GOAWAY, RST_STREAM} & set(told)
