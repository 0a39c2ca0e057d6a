"""What `SCHEDULER_AUTH` and its like may be: what is wrong keeps the scheduler from starting."""

from pathlib import Path

import pytest

from services.scheduler.auth.gates import gate_of
from services.scheduler.auth.settings import AuthSettings
from services.scheduler.errors import SecurityError, UnauthenticatedError
from services.scheduler.settings import SchedulerSettings
from services.shared.environment import Environment
from services.shared.errors import SettingsError
from tests.unit.auth.callers import CONTRIBUTOR, token_file
from tests.unit.auth.signers import ISSUER, Signer, published

JWT = {
    "SCHEDULER_AUTH": "jwt",
    "SCHEDULER_JWT_JWKS": "https://issuer.example/keys",
    "SCHEDULER_JWT_ISSUER": ISSUER,
}


def refused(values: dict[str, str]) -> dict[str, str]:
    """The names of the settings that are refused, with what is told of their values."""
    with pytest.raises(SettingsError) as error:
        SchedulerSettings.read(Environment(values))
    return {problem.name: problem.value for problem in error.value.problems}


def read(values: dict[str, str]) -> AuthSettings:
    return SchedulerSettings.read(Environment(values)).auth


def test_nobody_is_asked_only_where_that_is_what_the_setting_says() -> None:
    for mode in ("", "none", "NONE"):
        # Files that are there make nobody prove anything.
        auth = read({"SCHEDULER_AUTH": mode, "SCHEDULER_TOKEN_FILE": "tokens"})
        assert auth.is_open
        assert gate_of(auth).is_open
    for mistyped in ("tokens", "off", "0", "jwt,token", "bearer"):
        assert refused({"SCHEDULER_AUTH": mistyped}) == {"SCHEDULER_AUTH": mistyped}


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({"SCHEDULER_AUTH": "token"}, {"SCHEDULER_TOKEN_FILE"}),
        ({"SCHEDULER_AUTH": "jwt"}, {"SCHEDULER_JWT_JWKS", "SCHEDULER_JWT_ISSUER"}),
        (JWT | {"SCHEDULER_JWT_ISSUER": " "}, {"SCHEDULER_JWT_ISSUER"}),
        (JWT | {"SCHEDULER_JWT_JWKS": ""}, {"SCHEDULER_JWT_JWKS"}),
        (JWT | {"SCHEDULER_JWT_ROLES_CLAIM": "a b"}, {"SCHEDULER_JWT_ROLES_CLAIM"}),
        (JWT | {"SCHEDULER_JWT_LEEWAY_SECONDS": "301"}, {"SCHEDULER_JWT_LEEWAY_SECONDS"}),
        ({"SCHEDULER_TLS_CERT": "cert.pem"}, {"SCHEDULER_TLS_KEY"}),
        ({"SCHEDULER_TLS_KEY": "key.pem"}, {"SCHEDULER_TLS_CERT"}),
    ],
)
def test_what_is_missing_or_wrong_is_named(values: dict[str, str], names: set[str]) -> None:
    assert set(refused(values)) == names


@pytest.mark.parametrize("name", ["none", "HS256", "HS512", "RS256,none", "RS256,HS256", "rs256"])
def test_no_algorithm_with_a_shared_secret_or_without_a_signature_can_be_named(name: str) -> None:
    assert set(refused(JWT | {"SCHEDULER_JWT_ALGORITHMS": name})) == {"SCHEDULER_JWT_ALGORITHMS"}


def test_algorithms_are_named_one_by_one() -> None:
    auth = read(JWT | {"SCHEDULER_JWT_ALGORITHMS": "ES256 , EdDSA"})
    assert auth.jwt is not None
    assert auth.jwt.algorithms == {"ES256", "EdDSA"}
    auth = read(JWT)
    assert auth.jwt is not None
    assert (auth.jwt.algorithms, auth.jwt.leeway_seconds) == (frozenset({"RS256"}), 30)
    assert (auth.jwt.issuer, auth.jwt.audience) == (ISSUER, "https://durabletask.io")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        # Whoever is on the way could replace the keys.
        ("http://issuer.example/keys", "http://issuer.example/keys"),
        ("http://192.0.2.7/keys", "http://192.0.2.7/keys"),
        ("file:///etc/keys", "file:///etc/keys"),
        ("ftp://localhost/keys", "ftp://localhost/keys"),
        ("https:///keys", "https:///keys"),
        ("https://issuer.example:x/keys", "https://issuer.example:x/keys"),
        ("https://[issuer/keys", "https://[issuer/keys"),
        # A password is not told.
        ("https://me:guess-it@issuer.example/keys", "issuer.example/keys"),
        ("https://me@issuer.example/keys", "issuer.example/keys"),
    ],
)
def test_keys_come_from_nowhere_that_others_could_speak_for(address: str, told: str) -> None:
    assert refused(JWT | {"SCHEDULER_JWT_JWKS": address}) == {"SCHEDULER_JWT_JWKS": told}


@pytest.mark.parametrize(
    "address",
    ["https://issuer.example/keys", "http://127.0.0.1:9000/keys", "http://localhost/keys"],
)
def test_keys_come_encrypted_or_from_this_machine(address: str) -> None:
    auth = read(JWT | {"SCHEDULER_JWT_JWKS": address})
    assert auth.jwt is not None
    assert auth.jwt.jwks == address
    # Whoever issues the tokens may be away for now.
    assert not gate_of(auth).is_open


def test_keys_may_be_a_file(tmp_path: Path) -> None:
    signer = Signer("one")
    file = tmp_path / "jwks.json"
    file.write_bytes(published(signer))
    gate = gate_of(read(JWT | {"SCHEDULER_JWT_JWKS": str(file)}))
    assert gate.identify([f"Bearer {signer.token()}"]).name == "ada"
    with pytest.raises(UnauthenticatedError):
        gate.identify([])


def test_a_token_file_makes_a_gate_that_asks(tmp_path: Path) -> None:
    values = {"SCHEDULER_AUTH": "token", "SCHEDULER_TOKEN_FILE": str(token_file(tmp_path))}
    gate = gate_of(read(values))
    assert gate.identify([f"Bearer {CONTRIBUTOR}"]).name == "contributor"
    with pytest.raises(UnauthenticatedError):
        gate.identify([])


@pytest.mark.parametrize("content", [None, "what is this\n", ""])
def test_a_file_that_cannot_be_used_makes_no_gate_at_all(
    tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "file"
    if content is not None:
        file.touch(mode=0o600)
        file.write_text(content)
    token = {"SCHEDULER_AUTH": "token", "SCHEDULER_TOKEN_FILE": str(file)}
    with pytest.raises(SecurityError, match="SCHEDULER_TOKEN_FILE"):
        gate_of(read(token))
    with pytest.raises(SecurityError, match="SCHEDULER_JWT_JWKS"):
        gate_of(read(JWT | {"SCHEDULER_JWT_JWKS": str(file)}))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.7", "tasks.example.com"])  # noqa: S104 - what is refused
def test_other_machines_reach_only_what_asks_who_they_are(tmp_path: Path, host: str) -> None:
    assert set(refused({"SCHEDULER_HOST": host})) == {"SCHEDULER_HOST"}
    for allowed in (
        {"SCHEDULER_ALLOW_INSECURE": "1"},
        {"SCHEDULER_AUTH": "token", "SCHEDULER_TOKEN_FILE": str(token_file(tmp_path))},
        JWT,
    ):
        assert SchedulerSettings.read(Environment({"SCHEDULER_HOST": host} | allowed)).is_exposed
