"""Keys made at run time, the tokens that they sign, and the JWKS documents that publish them."""

import base64
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from services.scheduler.auth.rules import JwtRules

ISSUER = "https://issuer.example"
AUDIENCE = "https://durabletask.io"


def rules_for(**changes: Any) -> JwtRules:
    """What a token of this issuer must be like; RS256, and clocks that agree, unless told."""
    given: dict[str, Any] = {
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "algorithms": frozenset({"RS256"}),
        "roles_claim": "roles",
        "hubs_claim": "hubs",
        "leeway_seconds": 0,
    }
    return JwtRules(**(given | changes))


class Signer:
    """A private key with an id; RSA unless told otherwise."""

    def __init__(self, key_id: str, algorithm: str = "RS256", bits: int = 2048) -> None:
        self.key_id = key_id
        self.algorithm = algorithm
        self.private: Any
        kind: Any
        if algorithm.startswith("ES"):
            self.private, kind = ec.generate_private_key(ec.SECP256R1()), ECAlgorithm
        elif algorithm == "EdDSA":
            self.private, kind = ed25519.Ed25519PrivateKey.generate(), OKPAlgorithm
        else:
            self.private, kind = rsa.generate_private_key(65537, bits), RSAAlgorithm
        self.public: dict[str, Any] = json.loads(kind.to_jwk(self.private.public_key()))
        self.public["kid"] = key_id

    def token(self, *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        """A token that is good for ten minutes; claims and headers add to it, None takes away."""
        now = time.time()
        given = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "exp": now + 600,
            "sub": "ada",
            "roles": ["contributor"],
            "hubs": ["default"],
        } | claims
        # Not `jwt.encode`: that would refuse what a verifier must refuse.
        return jwt.PyJWS().encode(
            json.dumps(_told(given)).encode(),
            self.private,
            algorithm=self.algorithm,
            headers=_told({"kid": self.key_id} | (headers or {})),
        )


def _told(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def published(*signers: Signer, **extras: Any) -> bytes:
    """A JWKS document with their public keys; `extras` are added to each."""
    return json.dumps({"keys": [signer.public | extras for signer in signers]}).encode()


def forged(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """A token that no library would make."""
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)
