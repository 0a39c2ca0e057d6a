"""How to be let in by a scheduler of one's own: a token, and whose certificates to trust.

Owns `ENDPOINT_TOKEN`, `ENDPOINT_TOKEN_FILE` and `ENDPOINT_CA`. A token is never shown: neither by
`repr` nor in the text of an error.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from services.shared.environment import Environment

_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_TOKEN_CHARS_MAX: Final = 16_000
_ALLOWED: Final = "a bearer token (letters, digits and - . _ ~ + /, = at the end)"


class TokenUnreadableError(Exception):
    """The file of a token cannot be used; the text says why."""


@dataclass(slots=True)
class TokenSource:
    """A token, or the file that holds one: that is read again whenever it has changed."""

    _token: str | None = field(repr=False)
    file: Path | None = None
    _mark: tuple[int, int, int] | None = field(default=None, repr=False)

    def current(self) -> str:
        """The token as it is now; raises `TokenUnreadableError`."""
        if self.file is None:
            return self._token or ""
        try:
            found = self.file.stat()
            mark = (found.st_mtime_ns, found.st_ino, found.st_size)
            if self._token is None or mark != self._mark:
                self._token = _read(self.file)
                self._mark = mark
        except OSError as error:
            text = f"the token file {self.file} cannot be read: {error.strerror or error}"
            raise TokenUnreadableError(text) from error
        return self._token


def _read(file: Path) -> str:
    with file.open("rb") as opened:
        content = opened.read(_TOKEN_CHARS_MAX + 1)
    text = content.decode("ascii", "replace").strip()
    if not _is_token(text):
        raise TokenUnreadableError(f"the token file {file} must hold {_ALLOWED}")
    return text


def _is_token(text: str) -> bool:
    return len(text) <= _TOKEN_CHARS_MAX and _TOKEN.fullmatch(text) is not None


def read_token(environment: Environment) -> TokenSource | None:
    """The token, None without one; bad ones are left in `environment` for its `check()`."""
    token, file = environment.optional("ENDPOINT_TOKEN"), environment.path("ENDPOINT_TOKEN_FILE")
    if token is not None and file is not None:
        environment.refuse("ENDPOINT_TOKEN_FILE", str(file), "ENDPOINT_TOKEN is set: give one")
    elif token is not None and not _is_token(token):
        environment.refuse("ENDPOINT_TOKEN", "***", _ALLOWED)
    if file is not None:
        source = TokenSource(None, file)
        try:
            # Now, when somebody looks, and not with the first call.
            source.current()
        except TokenUnreadableError as error:
            environment.refuse("ENDPOINT_TOKEN_FILE", str(file), str(error))
        return source
    return None if token is None else TokenSource(token)


def read_ca(environment: Environment) -> Path | None:
    """The file of certificates to trust, None for those that everybody trusts."""
    file = environment.path("ENDPOINT_CA")
    if file is None:
        return None
    import ssl  # noqa: PLC0415 - slow to load, and few have an authority of their own

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=file)
    except (OSError, ValueError) as error:
        why = "holds no certificate" if isinstance(error, ssl.SSLError) else "cannot be read"
        environment.refuse("ENDPOINT_CA", str(file), f"a file of certificates in PEM ({why})")
    return file
