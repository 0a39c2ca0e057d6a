import os
from pathlib import Path

import pytest

from services.shared.connection import Connection, read_connection
from services.shared.environment import Environment
from services.shared.errors import SettingsError


def read(**values: str) -> Connection:
    environment = Environment(values)
    connection = read_connection(environment)
    environment.check()
    return connection


def test_a_fresh_clone_connects_to_the_stack_on_this_machine() -> None:
    assert read() == Connection(
        endpoint="http://localhost:8080",
        address="localhost:8080",
        secure=False,
        taskhub="default",
    )


def test_in_a_container_the_default_is_the_compose_service() -> None:
    assert read(RUNS_IN_CONTAINER="1").endpoint == "http://scheduler:8080"


def test_blank_variables_are_unset_ones() -> None:
    assert read(ENDPOINT=" ", TASKHUB="") == read()


def test_https_means_tls_and_needs_no_port() -> None:
    connection = read(ENDPOINT="https://orders-abc.westus2.durabletask.io/", TASKHUB="orders")
    assert connection.secure
    assert connection.address == "orders-abc.westus2.durabletask.io"
    assert connection.taskhub == "orders"


@pytest.mark.parametrize(
    ("endpoint", "signs_in", "has_name"),
    [
        ("https://orders-abc.westus2.durabletask.io", True, True),
        ("https://tasks.example.com", True, False),
        ("https://durabletask.io.example.com", True, False),
        ("https://localhost:8080", False, False),
        ("https://127.0.0.1:8080", False, False),
        ("https://[::1]:8080", False, False),
        ("http://localhost:8080", False, False),
    ],
)
def test_whoever_is_on_this_machine_takes_no_sign_in_of_azure(
    endpoint: str, *, signs_in: bool, has_name: bool
) -> None:
    connection = read(ENDPOINT=endpoint)
    assert (connection.is_azure, connection.has_name_of_azure) == (signs_in, has_name)


@pytest.mark.parametrize(
    "endpoint",
    [
        "localhost:8080",
        "ftp://localhost:8080",
        "http://",
        "http://localhost",
        "http://localhost:",
        "http://localhost:0",
        "http://localhost:99999",
        "http://localhost:port",
        "http://local host:8080",
        "http://localhost:8080/path",
        "http://localhost:8080?x=1",
        "http://user@localhost:8080",
        "https://",
        "http://[::1",
        "Endpoint=http://localhost:8080;TaskHub=default",
    ],
)
def test_any_other_endpoint_is_refused_with_its_name_its_value_and_examples(endpoint: str) -> None:
    with pytest.raises(SettingsError) as refused:
        read(ENDPOINT=endpoint)
    text = str(refused.value)
    assert text.startswith(f"ENDPOINT={endpoint!r}: ")
    assert "http://localhost:8080" in text
    assert "https://my-scheduler-abc123.westus2.durabletask.io" in text


@pytest.mark.parametrize(
    "host",
    ["localhost", "localhost.", "127.0.0.1", "127.9.9.9", "[::]", "[::1]", "[::ffff:127.0.0.1]"],
)
def test_an_address_of_the_container_itself_is_refused_with_advice(host: str) -> None:
    with pytest.raises(SettingsError, match="leave ENDPOINT unset"):
        read(ENDPOINT=f"http://{host}:8080", RUNS_IN_CONTAINER="1")


def test_an_ipv6_address_is_an_address() -> None:
    assert read(ENDPOINT="http://[::1]:8080").address == "[::1]:8080"


@pytest.mark.parametrize("taskhub", ["a b", "a,b", "-a", "ä", "a" * 65, "a\nb"])
def test_a_task_hub_that_no_scheduler_can_have_is_refused(taskhub: str) -> None:
    with pytest.raises(SettingsError, match=r"^TASKHUB="):
        read(TASKHUB=taskhub)


def test_all_bad_settings_are_told_at_once() -> None:
    with pytest.raises(SettingsError) as refused:
        read(ENDPOINT="nowhere", TASKHUB="not a hub")
    assert [problem.name for problem in refused.value.problems] == ["TASKHUB", "ENDPOINT"]


def test_dotenv_adds_settings_and_never_overrides_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_text("ENDPOINT=http://from-file:1\nTASKHUB=from-file\n")
    monkeypatch.setenv("TASKHUB", "from-environment")
    monkeypatch.setenv("ENDPOINT", "x")
    monkeypatch.delenv("ENDPOINT")
    connection = read_connection(Environment.of_process(dotenv))
    assert connection.endpoint == "http://from-file:1"
    assert connection.taskhub == "from-environment"


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"A\x00B=1\n"])
def test_a_dotenv_that_is_no_text_is_a_bad_setting(tmp_path: Path, content: bytes) -> None:
    dotenv = tmp_path / ".env"
    dotenv.write_bytes(content)
    environment = Environment.of_process(dotenv)
    with pytest.raises(SettingsError, match=r"\.env="):
        environment.check()


@pytest.mark.parametrize(("given", "seen"), [(None, "NONE"), ("DEBUG", "DEBUG")])
def test_the_core_of_grpc_is_quiet_unless_somebody_wants_to_hear_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str | None, seen: str
) -> None:
    monkeypatch.setenv("GRPC_VERBOSITY", given or "")
    if given is None:
        monkeypatch.delenv("GRPC_VERBOSITY")
    Environment.of_process(tmp_path / "none")
    assert os.environ["GRPC_VERBOSITY"] == seen
