import http.server
import socket
import threading
from contextlib import closing

import grpc
import pytest

from services.shared.connection import read_connection
from services.shared.environment import Environment
from services.shared.sdk import as_unavailable


def refusal_of(address: str) -> grpc.RpcError:
    """What gRPC says of an address where nobody listens."""
    with grpc.insecure_channel(address) as channel:
        call = channel.unary_unary("/TaskHubSidecarService/Hello", None, None)
        with pytest.raises(grpc.RpcError, match="refused") as caught:
            call(b"", timeout=10)
    return caught.value


def test_a_name_of_whose_addresses_one_is_refused_and_one_speaks_http_is_told_of_http() -> None:
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        error = refusal_of(f"127.0.0.1:{port}")
    connection = read_connection(Environment({"ENDPOINT": f"http://localhost:{port}"}))
    told = as_unavailable(error, connection)
    assert told is not None
    assert "connection refused; is it running?" in str(told)
    with http.server.HTTPServer(("127.0.0.1", port), http.server.BaseHTTPRequestHandler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        told = as_unavailable(error, connection)
        server.shutdown()
        thread.join()
    assert told is not None
    assert "it speaks HTTP/1, not gRPC; ENDPOINT must name its gRPC port (8080 " in str(told)
    assert "is it running?" not in str(told)
