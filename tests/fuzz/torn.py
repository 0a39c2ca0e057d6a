"""Changes bytes without knowing what they mean."""

import random
from typing import Final

MARKS: Final = (
    b"\0", b"\xff", b"\xff\xff\xff\xff\x0f", b"\x80" * 11, b"\r\n", b'"', b"\\", b"\xef\xbb\xbf",
    b"\xed\xa0\x80", b"\\ud800", b"[" * 3_000, b"{", b"}", b",", b"%00", b"%ff", b"..", b"/",
    b"1e999", b"-0", b"NaN", b"9" * 5_000, b"\xf4\x8f\xbf\xbf", b"\xe2\x80\xa8", b"\x1b[2J",
)  # fmt: skip
_BYTES_MAX: Final = 64 * 1024


def torn(data: bytes, dice: random.Random) -> bytes:
    """Up to three pieces cut, repeated, replaced or put in."""
    found = bytearray(data)
    for _ in range(dice.randint(1, 3)):
        start = dice.randint(0, len(found))
        end = min(len(found), start + dice.choice((0, 1, 1, 2, 4, 16, 64)))
        kind = dice.randrange(5)
        if kind == 0:
            del found[start:end]
        elif kind == 1:
            found[start:start] = found[start:end] * dice.choice((1, 2, 30))
        elif kind == 2 and found:
            found[dice.randrange(len(found))] ^= 1 << dice.randrange(8)
        elif kind == 3:
            found[start:end] = dice.choice(MARKS)
        else:
            found[start:end] = dice.randbytes(dice.randint(1, 8))
    return bytes(found[:_BYTES_MAX])
