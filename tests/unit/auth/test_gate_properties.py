"""Whatever stands in the header: somebody, or a refusal that says nothing of it."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.scheduler.auth.gate import Gate
from services.scheduler.auth.json_web_tokens import JsonWebTokens
from services.scheduler.auth.key_sources import KeyFile
from services.scheduler.errors import CallError, UnauthenticatedError
from tests.unit.auth.callers import gate_of_file
from tests.unit.auth.signers import Signer, forged, published, rules_for

SIGNER = Signer("one")
RS256 = frozenset({"RS256"})
ANY_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=6,
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "alg": st.sampled_from(["RS256", "none", "HS256", "ES256"]) | ANY_JSON,
        "kid": st.just("one") | ANY_JSON,
        "typ": ANY_JSON,
        "crit": ANY_JSON,
        "b64": ANY_JSON,
    },
)
CLAIMS = st.dictionaries(
    st.sampled_from(["exp", "nbf", "iat", "iss", "aud", "sub", "jti", "roles", "hubs"]), ANY_JSON
)
quick = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def gate(tmp_path: Path) -> Gate:
    path = tmp_path / "jwks.json"
    path.write_bytes(published(SIGNER))
    rules = rules_for(algorithms=RS256)
    return Gate(JsonWebTokens(rules, KeyFile(path, RS256)))


@quick
@given(headers=st.lists(st.text() | st.text().map("Bearer {}".format), max_size=3))
def test_any_headers_are_refused(gate: Gate, tmp_path: Path, headers: list[str]) -> None:
    for one in (gate, gate_of_file(tmp_path)):
        with pytest.raises(UnauthenticatedError):
            one.identify(headers)


@quick
@given(header=HEADERS, claims=CLAIMS, signature=st.binary(max_size=300))
def test_any_forged_token_is_refused(
    gate: Gate, header: dict[str, Any], claims: dict[str, Any], signature: bytes
) -> None:
    with pytest.raises(UnauthenticatedError):
        gate.identify([f"Bearer {forged(header, claims, signature)}"])


@quick
@given(claims=CLAIMS)
def test_any_claims_that_are_signed_are_somebody_or_refused(
    gate: Gate, claims: dict[str, Any]
) -> None:
    signed = SIGNER.token(**claims)
    said = ""
    try:
        gate.identify([f"Bearer {signed}"])
    except CallError as error:
        said = str(error)
    assert signed not in said
