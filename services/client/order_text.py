r"""From the bytes of an order file to its text and its lines.

Text is UTF-8, with a byte order mark or without. Line ends are `\n`, `\r\n` and `\r`, and only
those: the other separators that Python knows (U+2028, say) may stand inside a customer's name.
"""

import codecs
import re
from collections.abc import Iterator
from typing import Final

from services.client.order_problems import BrokenOrdersError

# UTF-32 before UTF-16: the mark of one begins with the mark of the other.
_FOREIGN_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)
_LINE: Final = re.compile(r"[^\r\n]*+(?:\r\n?|\n)|[^\r\n]++")


def decode(content: bytes) -> str:
    """The text of a file, without its byte order mark.

    Raises `BrokenOrdersError` for another encoding and for NUL bytes.
    """
    for mark, encoding in _FOREIGN_MARKS:
        if content.startswith(mark):
            raise BrokenOrdersError(f"the text is {encoding}; save it as UTF-8")
    nul = content.find(b"\0")
    if nul >= 0:
        raise BrokenOrdersError(f"line {_line_at(content, nul)} holds a NUL byte; is this text?")
    try:
        return content.removeprefix(codecs.BOM_UTF8).decode()
    except UnicodeDecodeError as error:
        start = error.start + len(content) - len(error.object)
        raise BrokenOrdersError(
            f"line {_line_at(content, start)}: byte {start + 1:,} of the file "
            f"(0x{content[start]:02x}) is not UTF-8; save the text as UTF-8"
        ) from None


def lines(text: str) -> Iterator[str]:
    """The lines of `text`, each with its line end."""
    return (match.group() for match in _LINE.finditer(text))


def _line_at(content: bytes, position: int) -> int:
    before = content[:position]
    return 1 + before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")
