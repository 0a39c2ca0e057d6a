"""What says who calls: bearer tokens that are signed, and files of tokens."""

import base64
import json
import random
import time
from typing import Any, Final

from services.scheduler.auth.gate import Gate
from services.scheduler.auth.json_web_tokens import JsonWebTokens
from services.scheduler.auth.key_sources import KeyFile
from services.scheduler.auth.secret_files import FileRefusedError
from services.scheduler.auth.tokens import TokenFile
from services.scheduler.errors import CallError
from tests.fuzz.folders import InFolder
from tests.fuzz.torn import torn
from tests.fuzz.violation import Violation
from tests.unit.auth.signers import AUDIENCE, ISSUER, Signer, forged, published, rules_for

_ALGORITHMS: Final = frozenset({"RS256", "ES256"})
_RULES: Final = rules_for(algorithms=_ALGORITHMS, leeway_seconds=30)
_YEAR_SECONDS: Final = 365 * 86_400
_HEADERS: Final = ({"alg": "none"}, {"alg": "HS256", "kid": "a"}, {"alg": "RS256", "kid": ["a"]})
_VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    -1,
    10**400,
    1.5,
    "",
    "*",
    "reader contributor",
    [],
    [["*"]],
    {"a": 1},
)
_TOLD_CHARS: Final = 27
_SECRET: Final = "z" * 40


class BearerTokens(InFolder):
    """Headers of calls to a gate that knows two keys. Only what they have signed is let in."""

    def __init__(self) -> None:
        super().__init__()
        signers = [Signer("a"), Signer("b", "ES256")]
        jwks = self._folder / "jwks.json"
        jwks.write_bytes(published(*signers))
        self._gate = Gate(JsonWebTokens(_RULES, KeyFile(jwks, _ALGORITHMS)))
        later = time.time() + _YEAR_SECONDS
        self._good = [signer.token(exp=later, hubs=hubs) for signer in signers for hubs in "*a"]
        claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": later, "roles": ["contributor"]}
        bad = [forged(header, claims | {"hubs": "*"}, b"x") for header in _HEADERS]
        self._seeds = [f"Bearer {token}".encode() for token in (*self._good, *bad)]

    def seeds(self) -> list[bytes]:
        """Tokens that are good, and tokens that somebody has made up."""
        return self._seeds

    def mutate(self, data: bytes, dice: random.Random) -> bytes:
        """Other bytes, or another header or other claims under the same signature."""
        parts = data.removeprefix(b"Bearer ").split(b".")
        if len(parts) != 3 or dice.random() < 0.3:
            return torn(data, dice)
        number = dice.choice((0, 1))
        try:
            said = json.loads(base64.urlsafe_b64decode(parts[number] + b"=="))
        except (ValueError, RecursionError):
            return torn(data, dice)
        if not isinstance(said, dict) or not said:
            return torn(data, dice)
        said[dice.choice((*said, "alg", "kid", "crit", "nbf", "jku"))] = dice.choice(_VALUES)
        parts[number] = base64.urlsafe_b64encode(json.dumps(said).encode()).rstrip(b"=")
        return b"Bearer " + b".".join(parts)

    def run(self, data: bytes) -> str:
        """Shows the header to the gate."""
        header = data.decode("latin-1")
        try:
            self._gate.identify([header])
        except CallError as error:
            # Shorter ones are in any text.
            if len(header) >= _TOLD_CHARS and header[7:] in str(error):
                raise Violation("a refusal tells the token") from error
            return str(error)[:40]
        signed = header.strip().rpartition(" ")[2].rpartition(".")[0]
        if signed not in {token.rpartition(".")[0] for token in self._good}:
            raise Violation(f"somebody is let in who has signed {signed[:100]!r}")
        return "let in"


class TokenFiles(InFolder):
    """Files of tokens: read, or refused without a word of what is in them."""

    def __init__(self) -> None:
        super().__init__()
        self._path = self._folder / "tokens"
        self._path.touch(mode=0o600)

    def seeds(self) -> list[bytes]:
        """A good one, with all that a line may hold."""
        lines = ("# a", f"a reader * {_SECRET}", f"b contributor x,y sha256:{'0' * 64}", "")
        return ["\n".join(lines).encode(), lines[1].encode()]

    def mutate(self, data: bytes, dice: random.Random) -> bytes:
        """The same with pieces missing, repeated or replaced."""
        return torn(data, dice)

    def run(self, data: bytes) -> str:
        """Reads it."""
        self._path.write_bytes(data)
        try:
            TokenFile(self._path)
        except FileRefusedError as error:
            if _SECRET[:10] in str(error):
                raise Violation("a refusal tells a token") from error
            return str(error).replace(str(self._path), "")[-30:]
        return "read"
