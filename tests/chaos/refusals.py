"""System calls that fail from now on in this process, as those of a disk that fails do.

The kernel itself refuses them (seccomp), on every thread, and for good: SQLite and everything else
meet the error where a broken disk would give it, and no code of the product knows.
"""

import ctypes
import errno
import os
import struct
from collections.abc import Iterable, Mapping
from typing import Final

# Numbers of system calls by machine, as the kernel's headers have them.
_X86_64: Final[Mapping[str, int]] = {
    "pwrite64": 18,
    "fsync": 74,
    "fdatasync": 75,
    "ftruncate": 77,
    "rename": 82,
    "unlink": 87,
    "unlinkat": 263,
    "renameat": 264,
    "renameat2": 316,
    "seccomp": 317,
}
_AARCH64: Final[Mapping[str, int]] = {
    "unlinkat": 35,
    "renameat": 38,
    "ftruncate": 46,
    "pwrite64": 68,
    "fsync": 82,
    "fdatasync": 83,
    "renameat2": 276,
    "seccomp": 277,
}
_NUMBERS: Final = {"x86_64": _X86_64, "aarch64": _AARCH64}.get(os.uname().machine, {})

# What fails on a disk that cannot flush, and on one that has turned read-only.
FLUSHES: Final = ("fsync", "fdatasync")
CHANGES: Final = ("pwrite64", "ftruncate", "rename", "renameat", "renameat2", "unlink", "unlinkat")

_PR_SET_NO_NEW_PRIVS: Final = 38
_SET_MODE_FILTER: Final = 1
_TSYNC: Final = 1
# Instructions of the classic packet filter: load a word, jump if equal, return.
_LOAD: Final = 0x20
_JUMP_IF_EQUAL: Final = 0x15
_RETURN: Final = 0x06
_ALLOW: Final = 0x7FFF0000
_FAIL: Final = 0x00050000


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def refuse(calls: Iterable[str], code: int) -> None:
    """Fails these calls with an `errno` code from now on; raises `OSError` where that cannot be."""
    numbers = [_NUMBERS[name] for name in calls if name in _NUMBERS]
    if not numbers:
        raise OSError(errno.ENOSYS, f"no system calls are known of {os.uname().machine}")
    filters = _instructions(numbers, code)
    buffer = ctypes.create_string_buffer(filters)
    program = _Program(len(filters) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.syscall(
        _NUMBERS["seccomp"], _SET_MODE_FILTER, _TSYNC, ctypes.byref(program)
    ):
        raise OSError(ctypes.get_errno(), "the kernel takes no filter of system calls")


def _instructions(numbers: list[int], code: int) -> bytes:
    lines = [(_LOAD, 0, 0, 0)]
    for place, number in enumerate(numbers):
        # To the last instruction, past the jumps that follow and the return that allows.
        lines.append((_JUMP_IF_EQUAL, len(numbers) - place, 0, number))
    lines += [(_RETURN, 0, 0, _ALLOW), (_RETURN, 0, 0, _FAIL | code)]
    return b"".join(struct.pack("HBBI", *line) for line in lines)
