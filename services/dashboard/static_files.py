"""Style sheets, modules and the icon: packed once, kept by browsers, asked for again by ETag.

A page takes twenty of them at once: reading and packing each anew would be felt. Only what was in
the folder at the start is served, so no address leads out of it; an edited file is read again.
"""

import gzip
import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from starlette.requests import Request
from starlette.responses import Response

from services.dashboard.errors import MissingError


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
            etag=f'"{hashlib.sha256(plain).hexdigest()[:24]}"',
            media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream",
            plain=plain,
            packed=gzip.compress(plain, mtime=0),
        )


class StaticFiles:
    """The files of one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files = {
            path.relative_to(folder).as_posix(): _File.read(path)
            for path in folder.rglob("*")
            if path.is_file()
        }

    async def serve(self, request: Request) -> Response:
        """One file, or 304 for the one that the browser has; raises `MissingError`."""
        name = request.path_params["path"]
        file = self._files.get(name)
        if file is None:
            raise MissingError("There is no such file")
        path = self._folder / name
        if path.stat().st_mtime_ns != file.changed:
            file = self._files[name] = _File.read(path)
        # Kept, but never used unasked: it changes with the dashboard.
        headers = {"etag": file.etag, "cache-control": "no-cache", "vary": "Accept-Encoding"}
        if request.headers.get("if-none-match") == file.etag:
            return Response(status_code=304, headers=headers)
        if "gzip" not in request.headers.get("accept-encoding", ""):
            return Response(file.plain, media_type=file.media_type, headers=headers)
        headers["content-encoding"] = "gzip"
        return Response(file.packed, media_type=file.media_type, headers=headers)
