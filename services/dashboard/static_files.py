"""Style sheets, modules and the icon: packed once, kept by browsers, asked for again by ETag.

A page takes twenty of them at once: reading and packing each anew would be felt. A name has one dot
and no special characters, so no address leads out of the folder; an edited file is read again.
"""

import gzip
import hashlib
import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.errors import MissingError

_NAME: Final = re.compile(r"[a-z0-9_]+(/[a-z0-9_]+)*\.[a-z0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """One file as it was at `changed` (nanoseconds)."""

    changed: int
    etag: str
    media_type: str
    plain: bytes
    packed: bytes

    @classmethod
    def read(cls, path: Path) -> Self:
        changed, plain = path.stat().st_mtime_ns, path.read_bytes()
        return cls(
            changed=changed,
            etag=f'W/"{hashlib.sha256(plain).hexdigest()[:24]}"',
            media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream",
            plain=plain,
            packed=gzip.compress(plain, mtime=0),
        )


class StaticFiles:
    """The files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, _File] = {}

    async def serve(self, request: Request) -> Response:
        """One file, or 304 for the one that the browser has; raises `MissingError`."""
        file = self._find(request.path_params["path"])
        # Kept, but never used unasked: it changes with the dashboard.
        headers = {"etag": file.etag, "cache-control": "no-cache", "vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(file.plain, media_type=file.media_type, headers=headers)
        headers["content-encoding"] = "gzip"
        return Response(file.packed, media_type=file.media_type, headers=headers)

    def _find(self, name: str) -> _File:
        path = self._folder / name
        if _NAME.fullmatch(name) is None or not path.is_file():
            raise MissingError("There is no such file")
        file = self._files.get(name)
        try:
            if file is None or path.stat().st_mtime_ns != file.changed:
                file = self._files[name] = _File.read(path)
        except FileNotFoundError:
            raise MissingError("There is no such file") from None
        return file
