"""What a JSON Web Token must be like; known without the library that verifies one."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtRules:
    """What a token must be like."""

    issuer: str
    audience: str
    algorithms: frozenset[str]
    roles_claim: str
    hubs_claim: str
    # How far clocks may be apart.
    leeway_seconds: int
