"""What lies in the payload store, in the place of the tokens that a hub has of it.

A file is read only for a token that the hub itself names: from its own bytes, or, where a caller
names the token, after a look at the hub's references. So nobody learns of what others have stored.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from typing import Final

from services.scheduler.auth.identity import Access
from services.scheduler.engine.limits import PAYLOAD_BYTES_MAX
from services.scheduler.errors import BadRequestError, NotFoundError
from services.scheduler.http import replies
from services.scheduler.http.operations import Ask, Operation, Reply, reply
from services.scheduler.http.states import Json
from services.scheduler.store.references import digest_of, is_token, referenced
from services.shared.payload_files import PayloadFiles, PayloadMissingError

# As large as a payload may be that lies in no file.
SHOWN_BYTES_MAX: Final = PAYLOAD_BYTES_MAX
_NOWHERE: Final = "PAYLOAD_STORE names no directory here"

SizeOf = Callable[[str], int | None]


def size_in(files: PayloadFiles | None) -> SizeOf:
    """What tells the size of the payload of a token; None for one that is missing."""
    return lambda token: None if files is None else _size(files, token)


def stored_sizes(files: PayloadFiles | None, texts: Mapping[str, str | None]) -> Json:
    """`stored` with the sizes of those that are tokens; nothing where none is.

    The texts are the hub's own.
    """
    size_of = size_in(files)
    sizes = {name: size_of(text) for name, text in texts.items() if text and is_token(text)}
    return {"stored": sizes} if sizes else {}


async def resolved(files: PayloadFiles | None, texts: Mapping[str, str | None]) -> Json:
    """The texts with the contents of those that are tokens, and `stored` with where these lie.

    The texts are the hub's own. What cannot be shown stays a token, and its `problem` says why.
    """
    shown: Json = dict(texts)
    stored = {}
    for name, text in texts.items():
        if text and is_token(text):
            found = await asyncio.to_thread(_found, files, text)
            content = found.pop("content")
            shown[name] = text if content is None else content
            stored[name] = found
    return shown | ({"stored": stored} if stored else {})


def _found(files: PayloadFiles | None, token: str) -> Json:
    shown: Json = {"token": token, "bytes": None, "file": None, "content": None}
    if files is None:
        return shown | {"problem": _NOWHERE}
    size = _size(files, token)
    content, problem = _read(files, token, size)
    shown |= {"bytes": size, "file": str(files.path(token).absolute()), "content": content}
    return shown | {"problem": problem}


def _read(files: PayloadFiles, token: str, size: int | None) -> tuple[str | None, str | None]:
    """The content, or why there is none to show; `size` is the file's."""
    if size is not None and size > SHOWN_BYTES_MAX:
        return None, f"it has {size:,} bytes, and up to {SHOWN_BYTES_MAX:,} are shown"
    try:
        return files.read(token).decode(), None
    except PayloadMissingError as error:
        return None, error.reason
    except UnicodeDecodeError:
        return None, "it is no UTF-8 text"


def _size(files: PayloadFiles, token: str) -> int | None:
    try:
        return files.size(token)
    except OSError:
        # `_read` says what is wrong; a list only shows that something is.
        return None


async def _get(ask: Ask) -> Reply:
    token = ask.path["token"]
    if not is_token(token):
        raise BadRequestError(f"A payload is named by its token (got {token[:80]!r})")

    def is_named(connection: sqlite3.Connection) -> bool:
        return bool(referenced(connection, [digest_of(token)]))

    if not await ask.hub.read(is_named):
        raise NotFoundError(f"Nothing in this task hub names the payload {token}")
    return reply(await asyncio.to_thread(_found, ask.hubs.payloads, token))


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/v1/taskhubs/payloads/{token}",
        name="getPayload",
        access=Access.READ,
        summary="A payload that lies in the payload store, by a token that the task hub has.",
        answer=_get,
        gives=replies.StoredPayloadContent,
        is_tagged_by_body=True,
    ),
)
