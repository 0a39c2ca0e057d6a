import base64
import hashlib
import hmac
import json
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from jwt import PyJWK, PyJWS
from jwt.algorithms import ECAlgorithm, RSAAlgorithm
from jwt.warnings import InsecureKeyLengthWarning

from services.scheduler.auth.identity import Role
from services.scheduler.auth.json_web_tokens import JsonWebTokens
from services.scheduler.auth.key_sources import KeyFile
from services.scheduler.auth.keys import BadKeysError, KeySet
from services.scheduler.errors import (
    AuthenticationAwayError,
    ForbiddenError,
    UnauthenticatedError,
)
from tests.unit.auth.signers import AUDIENCE, ISSUER, Signer, forged, published, rules_for

SIGNER = Signer("one")
STRANGER = Signer("one")


@pytest.fixture
def jwks(tmp_path: Path) -> Path:
    path = tmp_path / "jwks.json"
    path.write_bytes(published(SIGNER))
    return path


@pytest.fixture
def verifier(jwks: Path) -> JsonWebTokens:
    return JsonWebTokens(rules_for(), KeyFile(jwks, frozenset({"RS256"})))


def refusal(verifier: JsonWebTokens, token: str) -> str:
    """The text; no part of the token stands in it, nor in what it was caused by."""
    with pytest.raises(UnauthenticatedError) as refused:
        verifier.verify(token)
    text = str(refused.value)
    assert not any(part in text for part in token.split(".") if part)
    assert refused.value.__cause__ is None
    return text


def test_a_good_token_is_somebody(verifier: JsonWebTokens) -> None:
    identity = verifier.verify(SIGNER.token())
    assert (identity.name, identity.role, identity.hubs) == (
        "ada",
        Role.CONTRIBUTOR,
        frozenset({"default"}),
    )


@pytest.mark.parametrize(
    ("claims", "text"),
    [
        ({"exp": 1}, "has expired"),
        ({"exp": None}, "lacks one of"),
        ({"exp": "soon"}, "no valid"),
        ({"exp": 10**400}, "no valid"),
        ({"nbf": 4_000_000_000}, "not valid yet"),
        ({"iat": 4_000_000_000}, "not valid yet"),
        ({"aud": "https://other.example"}, "another audience"),
        ({"aud": None}, "lacks one of|another audience"),
        ({"aud": [AUDIENCE + "/"]}, "another audience"),
        ({"iss": ISSUER + "/"}, "another issuer"),
        ({"iss": None}, "lacks one of|another issuer"),
        ({"iss": [ISSUER]}, "issuer|no valid"),
    ],
)
def test_a_token_with_a_wrong_claim_is_refused(
    verifier: JsonWebTokens, claims: dict[str, Any], text: str
) -> None:
    told = refusal(verifier, SIGNER.token(**claims))
    assert any(part in told for part in text.split("|")), told


def test_clocks_may_be_a_little_apart(jwks: Path) -> None:
    lenient = JsonWebTokens(rules_for(leeway_seconds=30), KeyFile(jwks, frozenset({"RS256"})))
    now = time.time()
    assert lenient.verify(SIGNER.token(exp=now - 10)).name == "ada"
    assert lenient.verify(SIGNER.token(nbf=now + 10)).name == "ada"
    refusal(lenient, SIGNER.token(exp=now - 40))
    refusal(lenient, SIGNER.token(nbf=now + 40))


def test_a_signature_of_another_key_is_refused(verifier: JsonWebTokens) -> None:
    assert "signature is wrong" in refusal(verifier, STRANGER.token())
    good = SIGNER.token().split(".")
    other = SIGNER.token(hubs=["*"]).split(".")
    assert "signature is wrong" in refusal(verifier, ".".join((good[0], other[1], good[2])))


def test_a_token_that_is_remembered_is_remembered_with_its_signature(
    verifier: JsonWebTokens,
) -> None:
    good = SIGNER.token()
    assert verifier.verify(good).name == "ada"
    signed, _, signature = good.rpartition(".")
    for other in ("", signature[:-4], signature.swapcase(), STRANGER.token().rpartition(".")[2]):
        with pytest.raises(UnauthenticatedError):
            verifier.verify(f"{signed}.{other}")
    everywhere = SIGNER.token(hubs="*").split(".")
    with pytest.raises(UnauthenticatedError):
        verifier.verify(".".join((everywhere[0], everywhere[1], signature)))
    # Many of them, so that no short digest would do.
    for number in range(1_000):
        with pytest.raises(UnauthenticatedError):
            verifier.verify(f"{signed}.{number:04}")


def test_no_algorithm_and_confused_ones_are_refused(verifier: JsonWebTokens) -> None:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "exp": time.time() + 60, "roles": "contributor"}
    for name in ("none", "None", "NONE", "", "HS256", "RS512", "rs256"):
        assert refusal(verifier, forged({"alg": name, "kid": "one"}, claims))
    for odd in (None, 7, ["RS256"], {"a": 1}):
        assert refusal(verifier, forged({"alg": odd, "kid": "one"}, claims))
    # The public key taken for a shared secret.
    public = SIGNER.private.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    unsigned = forged({"alg": "HS256", "kid": "one", "typ": "JWT"}, claims).rpartition(".")[0]
    mac = hmac.new(public, unsigned.encode(), hashlib.sha256).digest()
    token = forged({"alg": "HS256", "kid": "one", "typ": "JWT"}, claims, mac)
    assert "algorithm is not allowed" in refusal(verifier, token)


def test_keys_that_a_token_brings_along_count_for_nothing(verifier: JsonWebTokens) -> None:
    for header in ({"jwk": STRANGER.public}, {"jku": "https://evil.example/keys"}):
        assert "signature is wrong" in refusal(verifier, STRANGER.token(headers=header))


@pytest.mark.parametrize(
    "garbage",
    [
        "x",
        "a.b",
        "a.b.c",
        "..",
        "...",
        "e30.e30.",
        "eyJhbGciOiJSUzI1NiJ9.e30.x",
        "=.=.=",
        "a" * 9_000,
    ],
)
def test_garbage_is_refused(verifier: JsonWebTokens, garbage: str) -> None:
    with pytest.raises(UnauthenticatedError):
        verifier.verify(garbage)


def test_deep_nesting_is_refused(verifier: JsonWebTokens) -> None:
    deep: Any = forged({"alg": "RS256", "kid": "one"}, {}).split(".")
    header = json.dumps({"alg": "RS256", "kid": "one"})[:-1] + ',"x":' + "[" * 9_000 + "]" * 9_000
    deep[0] = base64.urlsafe_b64encode(f"{header}}}".encode()).rstrip(b"=").decode()
    with pytest.raises(UnauthenticatedError):
        verifier.verify(".".join(deep))
    # Nor where an issuer has signed it.
    claims = b'{"x":' + b"[" * 9_000 + b"]" * 9_000 + b"}"
    signed = PyJWS().encode(claims, SIGNER.private, algorithm="RS256", headers={"kid": "one"})
    assert "no valid" in refusal(verifier, signed)


@pytest.mark.parametrize(
    ("claims", "role", "hubs"),
    [
        ({"roles": "reader", "hubs": "a b"}, Role.READER, {"a", "b"}),
        ({"roles": ["Reader", "other"]}, Role.READER, {"default"}),
        ({"roles": ["reader", "contributor"]}, Role.CONTRIBUTOR, {"default"}),
        ({"hubs": "*"}, Role.CONTRIBUTOR, None),
        ({"hubs": ["a", "*"]}, Role.CONTRIBUTOR, None),
        ({"hubs": ["team-*", "**"]}, Role.CONTRIBUTOR, {"team-*", "**"}),
        ({"roles": "reader contributors non-contributor"}, Role.READER, {"default"}),
        ({"hubs": None}, Role.CONTRIBUTOR, set()),
        ({"hubs": 7}, Role.CONTRIBUTOR, set()),
        ({"hubs": [7, None, "a"]}, Role.CONTRIBUTOR, {"a"}),
    ],
)
def test_claims_give_a_role_in_task_hubs(
    verifier: JsonWebTokens, claims: dict[str, Any], role: Role, hubs: set[str] | None
) -> None:
    identity = verifier.verify(SIGNER.token(**claims))
    assert (identity.role, identity.hubs) == (role, hubs)


def test_the_claims_can_have_other_names(jwks: Path) -> None:
    other = rules_for(roles_claim="groups", hubs_claim="https://tasks.example/hubs")
    verifier = JsonWebTokens(other, KeyFile(jwks, frozenset({"RS256"})))
    claims: dict[str, Any] = {"groups": "reader", "https://tasks.example/hubs": ["a"]}
    identity = verifier.verify(SIGNER.token(**claims))
    assert (identity.role, identity.hubs) == (Role.READER, frozenset({"a"}))


def test_a_name_for_the_log_has_a_bound(verifier: JsonWebTokens) -> None:
    assert verifier.verify(SIGNER.token(sub="s" * 5_000)).name == "s" * 64
    # The library takes no other `sub`, but for none.
    assert verifier.verify(SIGNER.token(sub=None)).name == "unnamed"


@pytest.mark.parametrize(
    "roles", [None, [], "owner", "contributors", 7, {"reader": 1}, [["reader"]]]
)
def test_without_a_role_nothing_is_allowed(verifier: JsonWebTokens, roles: object) -> None:
    with pytest.raises(ForbiddenError, match="roles"):
        verifier.verify(SIGNER.token(roles=roles))


def test_a_token_that_was_good_expires_all_the_same(jwks: Path) -> None:
    now = time.time()
    clock = [now]
    source = KeyFile(jwks, frozenset({"RS256"}))
    verifier = JsonWebTokens(rules_for(leeway_seconds=5), source, seconds=lambda: clock[0])
    token = SIGNER.token(exp=int(now) + 100)
    assert verifier.verify(token) is verifier.verify(token)
    clock[0] = int(now) + 104.9
    assert verifier.verify(token).name == "ada"
    clock[0] = int(now) + 105
    with pytest.raises(UnauthenticatedError, match="expired"):
        verifier.verify(token)


def test_a_key_that_is_taken_back_counts_no_more_for_tokens_seen_before(
    verifier: JsonWebTokens, jwks: Path
) -> None:
    token = SIGNER.token()
    verifier.verify(token)
    jwks.write_bytes(published(Signer("two")))
    assert "not known" in refusal(verifier, token)
    jwks.write_bytes(b"{}")
    with pytest.raises(AuthenticationAwayError):
        verifier.verify(token)
    jwks.write_bytes(published(SIGNER))
    assert verifier.verify(token).name == "ada"


def test_a_thousand_tokens_are_remembered_and_no_more(tmp_path: Path) -> None:
    # Quick to sign with.
    signer = Signer("one", "EdDSA")
    path = tmp_path / "jwks.json"
    path.write_bytes(published(signer))
    allowed = frozenset({"EdDSA"})
    verifier = JsonWebTokens(rules_for(algorithms=allowed), KeyFile(path, allowed))
    tokens = [signer.token(sub=f"s{n}") for n in range(1_001)]
    first = [verifier.verify(token) for token in tokens]
    for number in (1, 500, 1_000):
        assert verifier.verify(tokens[number]) is first[number]
    assert verifier.verify(tokens[0]) is not first[0]


@pytest.mark.parametrize("algorithm", ["PS256", "ES256", "EdDSA", "RS512"])
def test_other_asymmetric_algorithms_are_allowed_by_name(algorithm: str, tmp_path: Path) -> None:
    signer = Signer("k", algorithm)
    path = tmp_path / "jwks.json"
    path.write_bytes(published(signer, SIGNER))
    allowed = frozenset({algorithm})
    verifier = JsonWebTokens(rules_for(algorithms=allowed), KeyFile(path, allowed))
    assert verifier.verify(signer.token()).name == "ada"
    assert "not allowed" in refusal(verifier, SIGNER.token())


def test_a_token_without_a_key_id_means_the_only_key(verifier: JsonWebTokens, jwks: Path) -> None:
    nameless = SIGNER.token(headers={"kid": None})
    assert verifier.verify(nameless).name == "ada"
    jwks.write_bytes(published(SIGNER, Signer("two")))
    assert "not known" in refusal(verifier, nameless)


def test_a_key_verifies_the_algorithm_that_it_is_asked_for_and_no_other() -> None:
    both = frozenset({"RS256", "PS256"})
    keys = KeySet.of(published(SIGNER, Signer("two")), both)
    for algorithm in both:
        found = keys.find("one", algorithm)
        assert found is not None
        assert found.algorithm_name == algorithm
    # An id that is no text is none.
    assert KeySet.of(published(SIGNER, kid=["one"]), both).find(None, "RS256") is not None
    for_one = KeySet.of(published(SIGNER, alg="RS256"), both)
    assert for_one.find("one", "RS256") is not None
    assert for_one.find("one", "PS256") is None
    assert for_one.find("two", "RS256") is None


class _Held:
    """A source of keys that were never looked at."""

    may_renew = is_away = False

    def __init__(self, keys: KeySet) -> None:
        self.keys = keys

    async def renewed(self) -> None:
        """There is nothing to wait for."""


def test_a_short_key_verifies_nothing_wherever_it_comes_from() -> None:
    short = Signer("short", bits=1024)
    key = PyJWK(short.public, "RS256")
    keys = KeySet({("short", "RS256"): key}, frozenset({"short"}))
    with pytest.warns(InsecureKeyLengthWarning):
        token = short.token()
    assert "no valid" in refusal(JsonWebTokens(rules_for(), _Held(keys)), token)


SECRET = {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA", "kid": "one"}
BAD_DOCUMENTS: list[bytes] = [
    b"",
    b"[]",
    b"null",
    b'{"keys": 7}',
    b'{"keys": []}',
    b'{"keys": [7, null, "x", {}]}',
    b'{"keys": [{"kty": "RSA", "n": "x", "e": 7}]}',
    b'{"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQAB"}]}',
    json.dumps({"keys": [SECRET]}).encode(),
    json.dumps({"keys": [SECRET | {"alg": "RS256"}]}).encode(),
    published(SIGNER, use="enc"),
    published(SIGNER, alg="RS512"),
    json.dumps({"keys": [RSAAlgorithm.to_jwk(SIGNER.private, as_dict=True)]}).encode(),
    published(Signer("short", bits=2040)),
    published(Signer("curve", "ES256")),
    b"[" * 100_000,
    json.dumps({"keys": [SIGNER.public] * 201}).encode(),
]


@pytest.mark.parametrize("number", range(len(BAD_DOCUMENTS)))
def test_a_document_without_a_usable_key_is_refused(number: int) -> None:
    with pytest.raises(BadKeysError):
        KeySet.of(BAD_DOCUMENTS[number], frozenset({"RS256"}))


@pytest.mark.parametrize(
    ("algorithm", "curve"), [("ES256", ec.SECP384R1()), ("ES384", ec.SECP256R1())]
)
def test_a_key_on_the_curve_of_another_algorithm_is_refused(
    algorithm: str, curve: ec.EllipticCurve
) -> None:
    public = ECAlgorithm.to_jwk(ec.generate_private_key(curve).public_key(), as_dict=True)
    with pytest.raises(BadKeysError, match=f"no key for {algorithm}"):
        KeySet.of(json.dumps({"keys": [public]}).encode(), frozenset({algorithm}))
