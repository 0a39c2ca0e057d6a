"""The one place that turns a `Connection` into the SDK's options, clients and credentials.

Owns what the SDK leaves open: deadlines on unary calls, message limits, and what a gRPC error means
to a person. `azure-identity` is imported only for an endpoint that needs a sign-in.
"""

import logging
import time
from collections.abc import Callable
from typing import Any, Final, NamedTuple

import grpc
from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import ClientAuthenticationError
from durabletask.azuremanaged.client import DurableTaskSchedulerClient
from durabletask.client import TaskHubGrpcClient
from durabletask.grpc_options import GrpcChannelOptions

from services.shared.bearer import TokenSource, TokenUnreadableError
from services.shared.connection import Connection
from services.shared.connection_trouble import certificate_trouble, speaks_http1, speaks_tls
from services.shared.converter import PydanticDataConverter
from services.shared.errors import SchedulerUnavailableError
from services.shared.payload_store import CachingPayloadStore

# gRPC's own default lets a channel sleep for two minutes after a scheduler's restart.
_RECONNECT_BACKOFF_MS_MAX: Final = 2_000

# A connection whose end got lost is found within 15 s; the SDK alone waits for two minutes. Azure's
# front ends have rules of their own for pings, so there it is left at that.
_KEEPALIVE: Final = (
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # What gRPC really waits for an answer: by default a minute, whatever the timeout above says.
    ("grpc.http2.ping_timeout_ms", 5_000),
    ("grpc.http2.max_pings_without_data", 0),
)

_HINT_START: Final = "is it running? `make dev` or `make up` starts one; ENDPOINT says where it is"
_HINT_SIGN_IN: Final = "Sign in with `az login`, or check the AZURE_ variables."
_HINT_OWN: Final = (
    "A scheduler of your own is told apart from Azure's by ENDPOINT_TOKEN or ENDPOINT_TOKEN_FILE"
    " (its token) or ENDPOINT_CA (its certificates)."
)
_HINT_OTHER: Final = "is what listens there a Durable Task Scheduler?"
_HINTS: Final[dict[grpc.StatusCode, str]] = {
    grpc.StatusCode.UNAVAILABLE: _HINT_START,
    grpc.StatusCode.CANCELLED: _HINT_START,
    grpc.StatusCode.DEADLINE_EXCEEDED: "it does not answer: is it frozen or overloaded?",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "it has too much to do; try again later",
    grpc.StatusCode.NOT_FOUND: (
        "set TASKHUB to a hub that it serves (DTS_TASK_HUB_NAMES), or create the hub"
    ),
    grpc.StatusCode.PERMISSION_DENIED: (
        "your identity needs the role Durable Task Data Contributor on this task hub"
    ),
}
# Of a scheduler of one's own.
_OWN_HINTS: Final[dict[grpc.StatusCode, str]] = {
    grpc.StatusCode.UNAUTHENTICATED: (
        "ENDPOINT_TOKEN or ENDPOINT_TOKEN_FILE must give a token that it knows"
    ),
    grpc.StatusCode.PERMISSION_DENIED: (
        "the token needs the role contributor in this task hub (reader to look only)"
    ),
}
_HINT_TLS: Final = (
    "ENDPOINT_CA names the certificates to trust, where they are not those that everybody trusts;"
    " ENDPOINT must name a host of its certificate"
)
_TLS_FAILED: Final = "the TLS handshake failed"
_TLS_UNASKED: Final = "it speaks TLS"
_NO_TLS: Final = "it does not speak TLS"
_REFUSED: Final = "connection refused"
_NO_GRPC: Final = "it speaks HTTP/1, not gRPC"
# Which http:// and https:// would be right for.
_HINTS_OF_SCHEMES: Final = {
    _TLS_UNASKED: "ENDPOINT must begin with https://",
    _NO_TLS: "ENDPOINT must begin with http://",
}
# Of causes that say more than the code.
_HINTS_OF_CAUSES: Final = {
    _TLS_FAILED: _HINT_TLS,
    _NO_GRPC: "ENDPOINT must name its gRPC port (8080 unless SCHEDULER_GRPC_PORT says otherwise)",
}
# What gRPC's details mean, by a part of their text; the addresses that it tried help nobody.
_CAUSES: Final = {
    "ssl": _TLS_FAILED,
    "handshake": _TLS_FAILED,
    "verification check failed": _TLS_FAILED,
    "connection refused": _REFUSED,
    "dns resolution failed": "its name cannot be resolved",
    "domain name not found": "its name cannot be resolved",
    "http1.x": _NO_GRPC,
    "socket closed": "the connection was closed",
    "connection reset": "the connection was closed",
}
_DETAILS_CHARS_MAX: Final = 200
# Waiting can help against these; the others need a person.
_RETRYABLE: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
    }
)
# What the scheduler says of one request, and not of itself.
_ABOUT_ONE_REQUEST: Final = frozenset(
    {
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.OUT_OF_RANGE,
    }
)


class _CallDetails(NamedTuple):
    method: str
    timeout: float | None
    metadata: Any
    credentials: Any
    wait_for_ready: Any
    compression: Any


class _ClientCallDetails(_CallDetails, grpc.ClientCallDetails):
    """What an interceptor may change about a call."""


class DeadlineInterceptor(
    grpc.UnaryUnaryClientInterceptor,  # type: ignore[type-arg]  # generic in its stubs only
    grpc.UnaryStreamClientInterceptor,  # type: ignore[type-arg]  # generic in its stubs only
):
    """Gives a deadline to every call that has none: a frozen scheduler is reported, not awaited."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def intercept_unary_unary(
        self,
        continuation: Callable[[grpc.ClientCallDetails, Any], Any],
        client_call_details: grpc.ClientCallDetails,
        request: Any,  # noqa: ANN401 - gRPC's signature
    ) -> Any:  # noqa: ANN401 - gRPC's signature
        """Passes the call on, with a deadline."""
        return continuation(self._with_deadline(client_call_details), request)

    def intercept_unary_stream(
        self,
        continuation: Callable[[grpc.ClientCallDetails, Any], Any],
        client_call_details: grpc.ClientCallDetails,
        request: Any,  # noqa: ANN401 - gRPC's signature
    ) -> Any:  # noqa: ANN401 - gRPC's signature
        """Passes the call on, with a deadline."""
        return continuation(self._with_deadline(client_call_details), request)

    def _with_deadline(self, details: grpc.ClientCallDetails) -> grpc.ClientCallDetails:
        if details.timeout is not None:
            return details
        return _ClientCallDetails(
            details.method,
            self._seconds,
            details.metadata,
            details.credentials,
            details.wait_for_ready,
            details.compression,
        )


def channel_options(connection: Connection) -> GrpcChannelOptions:
    """The channel options that our workers and clients share.

    The receive limit is lifted: above the default 4 MiB a work item fails for ever.
    """
    raw: list[tuple[str, Any]] = [
        ("grpc.initial_reconnect_backoff_ms", 200),
        ("grpc.min_reconnect_backoff_ms", 1_000),
        ("grpc.max_reconnect_backoff_ms", _RECONNECT_BACKOFF_MS_MAX),
    ]
    if not connection.is_azure:
        raw.append(("grpc.enable_http_proxy", 0))
        raw.extend(_KEEPALIVE)
    return GrpcChannelOptions(max_receive_message_length=-1, raw_options=raw)


class BearerCredential:
    """The token of a scheduler of one's own, as the SDK asks for it."""

    def __init__(self, source: TokenSource) -> None:
        self._source = source

    def get_token(self, *_scopes: str, **_options: object) -> AccessToken:
        """The token as it is now; raises `ClientAuthenticationError`."""
        try:
            token = self._source.current()
        except TokenUnreadableError as error:
            raise ClientAuthenticationError(str(error)) from error
        # As if it ended now: so the SDK asks again at its next call, and finds what is new.
        return AccessToken(token, int(time.time()))


def credential_for(connection: Connection) -> TokenCredential | None:
    """The token that the settings give, the person's or the machine's own sign-in, or None.

    Raises `SchedulerUnavailableError` when the AZURE_ variables contradict themselves.
    """
    if connection.token is not None:
        return BearerCredential(connection.token)
    if not connection.is_azure:
        return None
    from azure.identity import DefaultAzureCredential  # noqa: PLC0415 - slow, and only Azure needs it

    try:
        return DefaultAzureCredential()
    except ValueError as error:
        text = f"cannot sign in to the scheduler at {connection.endpoint}: {error}"
        hint = _sign_in_hint(connection)
        raise SchedulerUnavailableError(f"{text} {hint}", retryable=False) from error


def new_client(
    connection: Connection, *, call_seconds: float, payloads: CachingPayloadStore | None = None
) -> DurableTaskSchedulerClient:
    """A client whose every call ends within `call_seconds`; close it, or use it in a `with`.

    It raises `PayloadStoreError` where it cannot store what it should send.
    """
    return DurableTaskSchedulerClient(
        host_address=connection.endpoint,
        taskhub=connection.taskhub,
        token_credential=credential_for(connection),
        secure_channel=connection.secure,
        interceptors=[DeadlineInterceptor(call_seconds)],
        channel_options=channel_options(connection),
        payload_store=payloads,
        data_converter=new_converter(payloads),
        logger=logging.getLogger("durabletask.client"),
    )


def new_converter(payloads: CachingPayloadStore | None) -> PydanticDataConverter:
    """The data converter for a worker or a client with this payload store."""
    return PydanticDataConverter() if payloads is None else PydanticDataConverter(payloads.reason)


def check_scheduler(client: TaskHubGrpcClient, connection: Connection) -> None:
    """Asks the scheduler one question; raises `SchedulerUnavailableError` when it cannot answer.

    Any answer will do, and one that the instance does not exist is the usual one.
    """
    try:
        client.get_orchestration_state("connection-check", fetch_payloads=False)
    except (grpc.RpcError, ClientAuthenticationError) as error:
        text = f"the scheduler at {connection.endpoint} refused: {status_details(error)}"
        raise as_unavailable(error, connection) or SchedulerUnavailableError(
            text, retryable=True
        ) from error


def as_unavailable(error: Exception, connection: Connection) -> SchedulerUnavailableError | None:
    """What `error` says about the scheduler as a whole, or None when it is about one call.

    Where no connection comes about, it looks why, for 4 s at the most.
    """
    where = f"{connection.endpoint} (task hub {connection.taskhub})"
    if isinstance(error, ClientAuthenticationError):
        text = f"cannot sign in to the scheduler at {where}: {_first_line(str(error))}" + (
            f" {_sign_in_hint(connection)}" if connection.is_azure else ""
        )
        return SchedulerUnavailableError(text, retryable=False)
    code = status_code(error)
    details = _first_line(status_details(error))
    about_instance = code is grpc.StatusCode.NOT_FOUND and "task hub" not in details.lower()
    if code is None or code in _ABOUT_ONE_REQUEST or about_instance:
        return None
    trouble = _tls_trouble(connection) if code is grpc.StatusCode.UNAVAILABLE else None
    if trouble is not None:
        hint = _HINTS_OF_SCHEMES.get(trouble, _HINT_TLS)
        text = f"the scheduler at {where} cannot be used: {trouble}; {hint}"
        return SchedulerUnavailableError(text, retryable=False)
    cause = (_cause_of(details) if code in _RETRYABLE else details) or code.name
    if cause == _REFUSED and not connection.is_azure and speaks_http1(connection.address):
        # Of several addresses of a name gRPC tells of one, and not always of the one that answers.
        cause = _NO_GRPC
    hint = _HINTS_OF_CAUSES.get(cause) or _hint_for(code, connection)
    text = f"the scheduler at {where} cannot be used: {cause}; {hint}"
    return SchedulerUnavailableError(text, retryable=code in _RETRYABLE)


def _tls_trouble(connection: Connection) -> str | None:
    """What only a look of our own tells; Azure's front ends are left alone."""
    if connection.is_azure:
        return None
    is_spoken = speaks_tls(connection.address)
    if is_spoken is None or not connection.secure:
        return _TLS_UNASKED if is_spoken else None
    return certificate_trouble(connection.address, connection.ca) if is_spoken else _NO_TLS


def _hint_for(code: grpc.StatusCode, connection: Connection) -> str:
    if connection.is_azure and code is grpc.StatusCode.UNAUTHENTICATED:
        return _sign_in_hint(connection)
    own = {} if connection.is_azure else _OWN_HINTS
    return own.get(code) or _HINTS.get(code, _HINT_OTHER)


def _sign_in_hint(connection: Connection) -> str:
    return _HINT_SIGN_IN if connection.has_name_of_azure else _HINT_OWN


def status_code(error: Exception) -> grpc.StatusCode | None:
    """The code of a failed call; None when `error` is something else."""
    return error.code() if isinstance(error, grpc.Call) else None


def status_details(error: Exception) -> str:
    """The text that came with a failed call."""
    return (error.details() or "") if isinstance(error, grpc.Call) else ""


def _cause_of(details: str) -> str:
    lowered = details.lower()
    found = (cause for part, cause in _CAUSES.items() if part in lowered)
    return next(found, details[:_DETAILS_CHARS_MAX])


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]
