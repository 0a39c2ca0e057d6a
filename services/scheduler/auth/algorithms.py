"""The algorithms that a token may be signed with where the settings name them, asymmetric all."""

from collections.abc import Mapping
from typing import Final

# What a key must be for an algorithm: its type, and its curve where there is a choice.
NEEDED: Final[Mapping[str, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "RS384": ("RSA", None),
    "RS512": ("RSA", None),
    "PS256": ("RSA", None),
    "PS384": ("RSA", None),
    "PS512": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
ALGORITHMS: Final = tuple(NEEDED)
