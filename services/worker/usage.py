"""What `python -m services.worker --help` prints."""

from collections.abc import Mapping
from typing import Final

from services.shared.usage import settings_text

# Each setting, its default and one line of meaning; a test holds it against the settings read.
MEANINGS: Final[Mapping[str, str]] = {
    "ENDPOINT": "the scheduler; http:// is plain, https:// Azure or one of your own with TLS"
    " (http://localhost:8080)",
    "TASKHUB": "the task hub (default)",
    "ENDPOINT_CA": "of your own scheduler: the certificates to trust (PEM)",
    "ENDPOINT_TOKEN": "of your own scheduler: a token",
    "ENDPOINT_TOKEN_FILE": "the file of the token, which may change",
    "PAYLOAD_STORE": "the directory or Azure Blob container of large payloads; or none"
    " (payloads in the data directory)",
    "PAYLOAD_STORE_BYTES_MAX": "bytes of the largest payload (104857600)",
    "SCHEDULER_DATA_DIR": "the data directory of a scheduler on this machine (data)",
    "RUNS_IN_CONTAINER": "set by the images: other defaults for the scheduler and the payloads",
    "PROCESSING_MS": "how long an order takes, in milliseconds (50)",
    "FAILURE_RATE": "the share of orders that fail for a reason of the business (0.1)",
    "TRANSIENT_FAILURE_RATE": "the share of attempts that fail and are retried (0.05)",
    "WORKER_ACTIVITIES_MAX": "activities that run at once (32)",
    "WORKER_ORCHESTRATIONS_MAX": "orchestrator turns that run at once (4)",
    "WORKER_GRACE_SECONDS": "how long it may finish what runs when it is asked to stop (30)",
    "WORKER_STATE_FILE": "where it keeps its state for its health check",
    "WORKER_METRICS_HOST": "the address of its Prometheus metrics (127.0.0.1)",
    "WORKER_METRICS_PORT": "their port; 0 takes a free one, off serves none (off)",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "where OpenTelemetry spans go; unset, there are none",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf or grpc (http/protobuf)",
    "OTEL_EXPORTER_OTLP_HEADERS": "of the collector: headers, such as api-key=...",
    "OTEL_EXPORTER_OTLP_CERTIFICATE": "of the collector: a certificate authority's file",
    "OTEL_SERVICE_NAME": "another name for the service (durable-task-worker)",
    "OTEL_TRACES_SAMPLER": "which traces are kept, such as parentbased_traceidratio",
    "OTEL_TRACES_SAMPLER_ARG": "how many, such as 0.1",
    "LOG_LEVEL": "debug, info, warning or error (info)",
    "LOG_FORMAT": "console or json (console)",
}

USAGE: Final = (
    "usage: python -m services.worker [--help]\n\n"
    "Runs the order orchestrations and activities until SIGTERM or Ctrl-C.\n\n"
    + settings_text(MEANINGS)
)
