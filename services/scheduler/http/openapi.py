"""The OpenAPI document of the management API, made of the models that read and write it."""

import re
from collections.abc import Iterable
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from services.scheduler.http.asks import NoParameters
from services.scheduler.http.endpoint import HUB_HEADER
from services.scheduler.http.models import Refusal
from services.scheduler.http.operations import Operation

_REF: Final = "#/components/schemas/{model}"
_JSON: Final = "application/json"
_DESCRIPTION: Final = (
    "Reads and manages orchestrations, entities, workers and task hubs. Reads carry an ETag, and"
    " answer 304 to an If-None-Match of it, queries by POST too."
)
_REFUSALS: Final = {
    "400": "The request is not well formed, or breaks a rule of the protocol.",
    "401": "The scheduler asks for a token, and this one is missing, unknown or has expired.",
    "403": "The token does not allow this, or the host or the page that asks is not ours.",
    "404": "What the request names does not exist.",
    "409": "The instance is not in a state that allows this, or its id is taken.",
    "503": "The scheduler is stopping.",
}
_SCHEMES: Final = {"bearer": {"type": "http", "scheme": "bearer"}}
_BODY_REFUSALS: Final = {
    "413": "The body is above the limit.",
    "415": "The body is not said to be JSON.",
}


def document_of(operations: Iterable[Operation]) -> dict[str, Any]:
    """OpenAPI 3.1."""
    operations = tuple(operations)
    used: dict[type[BaseModel], None] = {Refusal: None}
    for operation in operations:
        used[operation.gives] = None
        if operation.takes is not None:
            used[operation.takes] = None
    # As they are read: a member that has a default may be absent, in what is given as well.
    keyed, definitions = models_json_schema(
        [(model, "validation") for model in used], ref_template=_REF
    )
    refs: dict[Any, Any] = {model: schema for (model, _mode), schema in keyed.items()}
    paths: dict[str, dict[str, Any]] = {}
    for operation in operations:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _described(operation, refs)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Scheduler management API",
            "version": "1",
            "description": _DESCRIPTION,
        },
        "paths": paths,
        "components": {"schemas": definitions["$defs"], "securitySchemes": _SCHEMES},
        # One or none: whether a token is asked for is the scheduler's SCHEDULER_AUTH.
        "security": [{}, {"bearer": []}],
    }


def _described(operation: Operation, refs: dict[Any, Any]) -> dict[str, Any]:
    answers: dict[str, Any] = {
        str(operation.status): {
            "description": operation.gives.__doc__,
            "content": {_JSON: {"schema": refs[operation.gives]}},
        }
    }
    if operation.is_tagged:
        answers["304"] = {"description": "Nothing has changed since."}
    refusals = _REFUSALS | (_BODY_REFUSALS if operation.takes is not None else {})
    for status, text in sorted(refusals.items()):
        answers[status] = {
            "description": text,
            "content": {_JSON: {"schema": refs[Refusal]}},
        }
    described = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": [*_path_parameters(operation), *_parameters(operation)],
        "responses": answers,
    }
    if operation.takes is not None:
        described["requestBody"] = {
            "required": True,
            "content": {_JSON: {"schema": refs[operation.takes]}},
        }
    return described


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in re.findall(r"{(\w+)}", operation.path)
    ]


def _parameters(operation: Operation) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    if operation.is_of_hub:
        found.append(
            {
                "name": HUB_HEADER,
                "in": "header",
                "required": True,
                "description": "the task hub",
                "schema": {"type": "string"},
            }
        )
    if operation.parameters is not NoParameters:
        schema = operation.parameters.model_json_schema()
        for name, shape in schema["properties"].items():
            described = {"name": name, "in": "query", "required": False, "schema": shape}
            found.append(described)
    return found
