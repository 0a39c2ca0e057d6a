"""Makes a screenshot small: the PNG that a browser writes, with a palette of 256 colours.

Reads only what Chromium writes: 8 bits, red, green and blue, not interlaced.
"""

import struct
import zlib
from collections import Counter
from collections.abc import Iterator
from typing import Final

_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_COLOURS_MAX: Final = 256
_BYTES: Final = 3  # of a pixel
_SUB, _UP, _AVERAGE = 1, 2, 3  # and 4, of Paeth


def smaller(png: bytes) -> bytes:
    """The same picture; a colour that got no place in the palette becomes the nearest one."""
    width, height, rows = _read(png)
    pixels = [row[at : at + _BYTES] for row in rows for at in range(0, len(row), _BYTES)]
    counts = Counter(pixels)
    palette = _palette([colour for colour, _ in counts.most_common()])
    places = {colour: _nearest(colour, palette) for colour in counts}
    indexes = bytes(map(places.__getitem__, pixels))
    lines = (b"\0" + indexes[at : at + width] for at in range(0, len(indexes), width))
    header = struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)
    return _SIGNATURE + b"".join(
        (
            _chunk(b"IHDR", header),
            _chunk(b"PLTE", b"".join(palette)),
            _chunk(b"IDAT", zlib.compress(b"".join(lines), 9)),
            _chunk(b"IEND", b""),
        )
    )


def _palette(colours: list[bytes]) -> list[bytes]:
    """Of the commonest first, those that differ enough from all before: a rare red stays."""
    least = 0
    while True:
        palette: list[bytes] = []
        for colour in colours:
            if all(_distance(colour, other) > least for other in palette):
                palette.append(colour)
            if len(palette) > _COLOURS_MAX:
                break
        else:
            return palette
        least = 2 * least + 8


def _nearest(colour: bytes, palette: list[bytes]) -> int:
    return min(range(len(palette)), key=lambda place: _distance(colour, palette[place]))


def _distance(one: bytes, other: bytes) -> int:
    return (one[0] - other[0]) ** 2 + (one[1] - other[1]) ** 2 + (one[2] - other[2]) ** 2


def _chunk(kind: bytes, data: bytes) -> bytes:
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def _read(png: bytes) -> tuple[int, int, list[bytes]]:
    """Width, height and the bytes of every row; raises `ValueError` for another kind of PNG."""
    packed, width, height = b"", 0, 0
    for kind, data in _chunks(png):
        if kind == b"IHDR":
            width, height, *form = struct.unpack(">IIBBBBB", data)
            if form != [8, 2, 0, 0, 0]:
                raise ValueError(f"not a PNG as Chromium writes it: {form}")
        elif kind == b"IDAT":
            packed += data
    raw, size = zlib.decompress(packed), width * _BYTES
    rows, above = [], bytes(size)
    for start in range(0, len(raw), size + 1):
        above = _unfiltered(raw[start], raw[start + 1 : start + 1 + size], above)
        rows.append(above)
    return width, height, rows


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = len(_SIGNATURE)
    while at < len(png):
        (size,) = struct.unpack_from(">I", png, at)
        yield png[at + 4 : at + 8], png[at + 8 : at + 8 + size]
        at += size + 12


def _unfiltered(kind: int, line: bytes, above: bytes) -> bytes:
    row = bytearray(line)
    if kind == _UP:
        return bytes((one + other) & 255 for one, other in zip(line, above, strict=True))
    if kind == 0:
        return line
    for at, value in enumerate(line):
        left = row[at - _BYTES] if at >= _BYTES else 0
        if kind == _SUB:
            guess = left
        elif kind == _AVERAGE:
            guess = (left + above[at]) // 2
        else:
            guess = _paeth(left, above[at], above[at - _BYTES] if at >= _BYTES else 0)
        row[at] = (value + guess) & 255
    return bytes(row)


def _paeth(left: int, up: int, corner: int) -> int:
    to_left, to_up, to_corner = abs(up - corner), abs(left - corner), abs(left + up - 2 * corner)
    if to_left <= to_up and to_left <= to_corner:
        return left
    return up if to_up <= to_corner else corner
