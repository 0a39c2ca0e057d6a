"""The management API as a program calls it: by the names of its operations, every reply checked."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import quote

import httpx

from scripts.local_stack import LocalStack
from services.scheduler.http.operations import Operation
from services.scheduler.http.routes import OPERATIONS

BY_NAME: Final = {operation.name: operation for operation in OPERATIONS}
HEADER: Final = "x-taskhub"


class Api:
    """One scheduler's API, for one task hub."""

    def __init__(self, client: httpx.Client, task_hub: str = "default") -> None:
        self.client = client
        self.task_hub = task_hub

    def call(
        self,
        name: str,
        *segments: str,
        body: Any = None,
        parameters: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """The answer of an operation, whatever it is; `segments` fill its path."""
        operation = BY_NAME[name]
        response = self.client.request(
            operation.method,
            path_of(operation, *segments),
            params=parameters,
            content=None if body is None else json.dumps(body).encode(),
            headers={
                HEADER: self.task_hub,
                **({} if body is None else {"content-type": "application/json"}),
                **(headers or {}),
            },
        )
        assert response.status_code != httpx.codes.INTERNAL_SERVER_ERROR, response.text
        return response

    def ask(self, name: str, *segments: str, **options: Any) -> Any:
        """What an operation gives: it must succeed, in the shape that is documented."""
        operation = BY_NAME[name]
        response = self.call(name, *segments, **options)
        assert response.status_code == operation.status, response.text
        operation.gives.model_validate_json(response.content)
        return response.json()

    def refused(self, name: str, *segments: str, **options: Any) -> tuple[int, str, str]:
        """How an operation refuses: HTTP status, code and message."""
        return refusal_of(self.call(name, *segments, **options))

    def start(self, name: str, **fields: Any) -> str:
        """Starts an orchestration; gives its id."""
        return str(self.ask("startOrchestration", body={"name": name, **fields})["instanceId"])

    def status(self, instance_id: str) -> str:
        """The short name of an instance's status."""
        return short(self.ask("getOrchestration", instance_id)["status"])

    def query(self, **body: Any) -> Any:
        """A page of orchestrations."""
        return self.ask("queryOrchestrations", body=body)

    def history(self, instance_id: str, **parameters: Any) -> Any:
        """A page of the present history."""
        execution_id = self.ask("getOrchestration", instance_id)["executionId"]
        return self.ask("getHistory", instance_id, execution_id, parameters=parameters)


def path_of(operation: Operation, *segments: str) -> str:
    """The address of an operation, each segment encoded."""
    path = operation.path
    for segment in segments:
        before, _brace, rest = path.partition("{")
        path = before + quote(segment, safe="") + rest.partition("}")[2]
    return path


def refusal_of(response: httpx.Response) -> tuple[int, str, str]:
    """HTTP status, code and message of what must be a refusal."""
    assert response.headers["content-type"] == "application/json"
    error = response.json()["error"]
    assert "Traceback" not in response.text
    return response.status_code, error["code"], error["message"]


def short(status: str) -> str:
    """A status without what all of them begin with."""
    return status.removeprefix("ORCHESTRATION_STATUS_")


@contextmanager
def api_of(stack: LocalStack, task_hub: str = "default") -> Iterator[Api]:
    """The API of a running stack."""
    base = f"http://127.0.0.1:{stack.http_port}"
    with httpx.Client(base_url=base, timeout=30) as client:
        yield Api(client, task_hub)
