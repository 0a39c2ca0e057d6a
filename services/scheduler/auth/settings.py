"""How callers prove who they are: `SCHEDULER_AUTH` and what belongs to it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlsplit

from services.scheduler.auth.algorithms import ALGORITHMS
from services.scheduler.auth.rules import JwtRules
from services.shared.connection import is_loopback
from services.shared.environment import Environment

NONE, TOKEN, JWT = "none", "token", "jwt"
MODES: Final = (NONE, TOKEN, JWT)
# What clients of the managed service ask their tokens for.
_AUDIENCE: Final = "https://durabletask.io"
_ALGORITHM_LIST: Final = rf"({'|'.join(ALGORITHMS)})(\s*,\s*({'|'.join(ALGORITHMS)}))*"
_LEEWAY_SECONDS: Final = 30
_LEEWAY_SECONDS_MAX: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtSettings(JwtRules):
    """What a JSON Web Token must be like, and where the keys are: a file, or an address."""

    jwks: Path | str


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthSettings:
    """One of the ways, with what it needs; neither of both for none."""

    token_file: Path | None
    jwt: JwtSettings | None

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked for a token."""
        return self.token_file is None and self.jwt is None

    @classmethod
    def read(cls, environment: Environment) -> Self:
        """Reads all of it; bad ones are left in `environment` for its `check()`."""
        mode = environment.choice("SCHEDULER_AUTH", NONE, choices=MODES)
        token_file = environment.path("SCHEDULER_TOKEN_FILE")
        jwt = _read_jwt(environment, is_wanted=mode == JWT)
        if mode == TOKEN and token_file is None:
            environment.refuse(
                "SCHEDULER_TOKEN_FILE", "", "SCHEDULER_AUTH=token needs the file of the tokens"
            )
        return cls(token_file=token_file if mode == TOKEN else None, jwt=jwt)


def _read_jwt(environment: Environment, *, is_wanted: bool) -> JwtSettings | None:
    claim = r"[A-Za-z0-9_.:/-]{1,128}"
    claim_allowed = "the name of a claim, such as roles"
    jwks = environment.optional("SCHEDULER_JWT_JWKS")
    issuer = environment.optional("SCHEDULER_JWT_ISSUER")
    algorithms = environment.text(
        "SCHEDULER_JWT_ALGORITHMS",
        "RS256",
        pattern=_ALGORITHM_LIST,
        allowed=f"names separated by commas, of {', '.join(ALGORITHMS)}",
    )
    settings = JwtSettings(
        jwks=_place_of(environment, jwks or ""),
        issuer=issuer or "",
        audience=environment.optional("SCHEDULER_JWT_AUDIENCE") or _AUDIENCE,
        algorithms=frozenset(name.strip() for name in algorithms.split(",")),
        roles_claim=environment.text(
            "SCHEDULER_JWT_ROLES_CLAIM", "roles", pattern=claim, allowed=claim_allowed
        ),
        hubs_claim=environment.text(
            "SCHEDULER_JWT_HUBS_CLAIM", "hubs", pattern=claim, allowed=claim_allowed
        ),
        leeway_seconds=environment.integer(
            "SCHEDULER_JWT_LEEWAY_SECONDS", _LEEWAY_SECONDS, minimum=0, maximum=_LEEWAY_SECONDS_MAX
        ),
    )
    if not is_wanted:
        return None
    needed = {
        "SCHEDULER_JWT_JWKS": (jwks, "the file or the https:// address of the signing keys (JWKS)"),
        "SCHEDULER_JWT_ISSUER": (issuer, "the issuer of the tokens, exactly as they name it"),
    }
    for name, (value, what) in needed.items():
        if value is None:
            environment.refuse(name, "", f"SCHEDULER_AUTH=jwt needs {what}")
    return settings


def _place_of(environment: Environment, text: str) -> Path | str:
    if "://" not in text:
        return Path(text)
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        host = ""
    else:
        # Keys that somebody on the way can replace let in whom they like.
        is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
        host = host if is_safe and parts.username is None else ""
    if not host:
        environment.refuse(
            "SCHEDULER_JWT_JWKS",
            text.rpartition("@")[2],
            "a file, or an https:// address (http:// on this machine only) without a user name",
        )
    return text
