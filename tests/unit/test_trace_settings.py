import pytest

from services.shared.environment import Environment
from services.shared.errors import SettingsError
from services.shared.tracing import open_tracing, read_trace_settings


@pytest.mark.parametrize(
    ("said", "endpoint"),
    [
        ("http://localhost:4318", "http://localhost:4318"),
        ("http://[::1]:4317/", "http://[::1]:4317"),
        ("https://collector.example/otlp/", "https://collector.example/otlp"),
        ("", None),
    ],
)
def test_spans_go_to_a_url_or_nowhere(said: str, endpoint: str | None) -> None:
    environment = Environment({"OTEL_EXPORTER_OTLP_ENDPOINT": said})
    settings = read_trace_settings(environment)
    environment.check()
    assert settings.endpoint == endpoint
    assert settings.protocol == "http/protobuf"


@pytest.mark.parametrize(
    "said",
    [
        "localhost:4318",
        "ftp://collector:1",
        "http://:4318",
        "http://collector:0",
        "http://collector:99999",
        "http://collector:1?x=1",
        "http://somebody:secret@collector:1",
        "http://a b:1",
    ],
)
def test_what_is_no_collector_is_refused_by_name_and_a_password_is_not_told(said: str) -> None:
    environment = Environment({"OTEL_EXPORTER_OTLP_ENDPOINT": said})
    assert read_trace_settings(environment).endpoint is None
    with pytest.raises(SettingsError, match="OTEL_EXPORTER_OTLP_ENDPOINT=") as refused:
        environment.check()
    assert "secret" not in str(refused.value)


def test_a_protocol_is_one_of_two() -> None:
    environment = Environment({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"})
    read_trace_settings(environment)
    with pytest.raises(SettingsError, match="one of http/protobuf, grpc"):
        environment.check()


def test_without_an_endpoint_a_span_is_nothing() -> None:
    settings = read_trace_settings(Environment({}))
    told: list[str] = []
    tracing = open_tracing(settings, service="test", taskhub="default", warn=told.append)
    with tracing.span("nothing", {}):
        tracing.close()
    assert told == []
