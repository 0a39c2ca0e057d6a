from pathlib import Path

import pytest
import trustme

from services.shared.bearer import TokenSource, TokenUnreadableError, read_ca, read_token
from services.shared.connection import read_connection
from services.shared.environment import Environment
from services.shared.errors import SettingsError
from services.shared.payload_place import read_payload_settings
from services.shared.sdk import BearerCredential, credential_for


def token_of(**values: str) -> TokenSource | None:
    environment = Environment(values)
    token = read_token(environment)
    environment.check()
    return token


def test_a_token_is_a_variable_or_a_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("from-a-file\n")
    given = token_of(ENDPOINT_TOKEN="given")  # noqa: S106 - a test's
    read = token_of(ENDPOINT_TOKEN_FILE=str(file))
    assert given is not None
    assert read is not None
    assert (given.current(), read.current()) == ("given", "from-a-file")
    assert token_of() is None


def test_a_token_is_never_shown(tmp_path: Path) -> None:
    connection = read_connection(Environment({"ENDPOINT_TOKEN": "hidden"}))
    assert "hidden" not in repr(connection)
    file = tmp_path / "token"
    file.write_text("hid den")
    for values in ({"ENDPOINT_TOKEN": "hid den"}, {"ENDPOINT_TOKEN_FILE": str(file)}):
        with pytest.raises(SettingsError) as refused:
            token_of(**values)
        assert "hid den" not in str(refused.value)
        assert next(iter(values)) in str(refused.value)


def test_a_file_is_read_again_when_it_has_changed(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    source = token_of(ENDPOINT_TOKEN_FILE=str(file))
    assert source is not None
    credential = BearerCredential(source)
    assert credential.get_token("a scope")[0] == "one"
    file.write_text("another")
    # Already at its end, so that the SDK asks for every call.
    assert credential.get_token("a scope").expires_on <= file.stat().st_mtime + 60
    assert credential.get_token("a scope")[0] == "another"


def test_a_file_that_cannot_be_used_is_said_to_be_that(tmp_path: Path) -> None:
    for content in (None, b"", b"\xff", b"two words", b"x" * 20_000):
        file = tmp_path / "token"
        if content is not None:
            file.write_bytes(content)
        with pytest.raises(TokenUnreadableError, match="the token file"):
            TokenSource(None, file).current()
        with pytest.raises(SettingsError, match="ENDPOINT_TOKEN_FILE"):
            token_of(ENDPOINT_TOKEN_FILE=str(file))


def test_one_token_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("one")
    with pytest.raises(SettingsError, match="ENDPOINT_TOKEN is set"):
        token_of(ENDPOINT_TOKEN="two", ENDPOINT_TOKEN_FILE=str(file))  # noqa: S106 - a test's


def test_an_authority_is_a_file_of_certificates(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    assert read_ca(Environment({"ENDPOINT_CA": str(file)})) == file
    assert read_ca(Environment({})) is None
    for name, content in (("missing", None), ("empty", b""), ("other", b"no certificate")):
        bad = tmp_path / name
        if content is not None:
            bad.write_bytes(content)
        environment = Environment({"ENDPOINT_CA": str(bad)})
        read_ca(environment)
        with pytest.raises(SettingsError, match="ENDPOINT_CA="):
            environment.check()


def test_a_scheduler_of_ones_own_needs_no_sign_in_and_shares_its_payloads(tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    own = {"ENDPOINT": "https://localhost:8080"}
    for values in (own | {"ENDPOINT_CA": str(file)}, own | {"ENDPOINT_TOKEN": "t"}):
        environment = Environment(values)
        connection = read_connection(environment)
        assert connection.secure
        assert not connection.is_azure
        credential = credential_for(connection)
        assert (credential is None) == ("ENDPOINT_TOKEN" not in values)
        assert read_payload_settings(environment, connection).place is not None
    plain = read_connection(Environment({"ENDPOINT_TOKEN": "t"}))
    assert isinstance(credential_for(plain), BearerCredential)


def test_a_token_or_an_authority_of_ones_own_is_no_sign_in_wherever_the_scheduler_is(
    tmp_path: Path,
) -> None:
    file = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(file))
    elsewhere = {"ENDPOINT": "https://tasks.example.com"}
    assert read_connection(Environment(elsewhere)).is_azure
    for own in ({"ENDPOINT_TOKEN": "t"}, {"ENDPOINT_CA": str(file)}):
        assert not read_connection(Environment(elsewhere | own)).is_azure
