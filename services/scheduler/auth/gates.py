"""Builds the gate that the settings ask for; it never falls back to an open one."""

from pathlib import Path

from services.scheduler.auth.gate import Gate
from services.scheduler.auth.secret_files import FileRefusedError
from services.scheduler.auth.settings import AuthSettings, JwtSettings
from services.scheduler.auth.tokens import TokenFile
from services.scheduler.errors import SecurityError


def gate_of(settings: AuthSettings) -> Gate:
    """The gate; raises `SecurityError` where what it needs cannot be used."""
    if settings.token_file is not None:
        try:
            return Gate(TokenFile(settings.token_file))
        except FileRefusedError as error:
            raise SecurityError("SCHEDULER_TOKEN_FILE", str(error)) from error
    if settings.jwt is not None:
        return _gate_of_jwt(settings.jwt)
    return Gate()


def _gate_of_jwt(settings: JwtSettings) -> Gate:
    # Cryptography is slow to load, and only this way needs it.
    from services.scheduler.auth.json_web_tokens import JsonWebTokens  # noqa: PLC0415 - as said above
    from services.scheduler.auth.key_sources import (  # noqa: PLC0415 - as said above
        KeyAddress,
        KeyFile,
        KeySource,
    )
    from services.scheduler.auth.keys import BadKeysError  # noqa: PLC0415 - as said above

    source: KeySource
    if isinstance(settings.jwks, Path):
        try:
            source = KeyFile(settings.jwks, settings.algorithms)
        except (FileRefusedError, BadKeysError) as error:
            raise SecurityError("SCHEDULER_JWT_JWKS", f"{settings.jwks}: {error}") from error
    else:
        # Whoever issues the tokens may be away for now: that is no reason not to start.
        source = KeyAddress(settings.jwks, settings.algorithms)
    return Gate(JsonWebTokens(settings, source))
