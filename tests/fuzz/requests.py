"""Requests to the HTTP port as bytes, each to its end on a real scheduler."""

import json
import random
from typing import Any, Final
from urllib.parse import quote

from services.scheduler.http.routes import OPERATIONS
from tests.fuzz.messages import IDS, TEXTS
from tests.fuzz.renewed import RenewedScheduler
from tests.fuzz.scheduler import HUB
from tests.fuzz.torn import torn

_SPLIT: Final = b"\x1e"
_PLAIN: Final = ("/healthz", "/metrics", "/openapi.json", "/v1/taskhubs/ping")
_ROUTES: Final = (
    *((operation.method, operation.path) for operation in OPERATIONS),
    *(("GET", path) for path in _PLAIN),
)
_METHODS: Final = ("GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH", "TRACE")
_WHEN: Final = "2026-01-01T00:00:00Z"
# What each operation with a body takes, said as fully as can be.
_BODIES: Final[dict[str, tuple[Any, ...]]] = {
    "/v1/taskhubs/orchestrations/query": (
        {
            "filter": {
                "name": "main", "instanceIdPrefix": "a", "createdFrom": _WHEN,
                "statuses": ["ORCHESTRATION_STATUS_RUNNING"], "instanceIds": ["a"],
            },
            "pagination": {"count": 2, "startIndex": 1},
            "sort": [{"column": "NAME", "direction": "DESCENDING"}],
            "fields": ["tags"],
        },
        {"pagination": {"count": 1, "cursor": "WyJhIiwxXQ=="}},
    ),
    "/v1/taskhubs/orchestrations": (
        {"name": "main", "instanceId": "a", "version": "1", "input": "1", "tags": {"k": "v"}},
        {"name": "main", "instanceId": "b", "scheduledStartAt": "2099-01-01T00:00:00Z"},
    ),
    "/v1/taskhubs/orchestrations/bulk": (
        {"action": "suspend", "instanceIds": ["a", "b"], "reason": "r"},
        {"action": "resume", "instanceIds": ["a", "b"], "reason": "r"},
        {"action": "rewind", "instanceIds": ["a", "b"], "reason": "r"},
        {"action": "terminate", "instanceIds": ["a"], "output": "1", "recursive": True},
        {"action": "raiseEvent", "instanceIds": ["a"], "eventName": "event", "input": "1"},
        {"action": "restart", "instanceIds": ["a"], "newInstanceIds": True},
        {"action": "purge", "instanceIds": ["a"]},
    ),
    "/v1/taskhubs/orchestrations/purge": (
        {"filter": {"createdFrom": _WHEN}, "recursive": True},
    ),
    "/v1/taskhubs/orchestrations/forceterminate": ({"instanceIds": ["a", "b"], "reason": "r"},),
    "/v1/taskhubs/orchestrations/{instanceId}/history": (
        {"executionSuspended": {"reason": "r"}},
        {"executionResumed": {"reason": "r"}},
        {"executionTerminated": {"output": "1", "recursive": True}},
        {"executionRewound": {"reason": "r"}},
        {"eventRaised": {"name": "event", "input": "1"}},
    ),
    "/v1/taskhubs/orchestrations/{instanceId}/restart": ({"restartWithNewInstanceId": True},),
    "/v1/taskhubs/entities/query": (
        {"filter": {"instanceIdPrefix": "@"}, "pagination": {"count": 1}, "fields": ["state"]},
    ),
    "/v1/taskhubs/entities/{instanceId}/signal": ({"operation": "add", "input": "1"},),
}  # fmt: skip
_QUERIES: Final = (b"", b"recursive=true", b"count=1&payloadChars=2", b"cursor=0&count=5")
_VALUES: Final[tuple[Any, ...]] = (
    None,
    True,
    0,
    -1,
    1.5,
    10**30,
    [],
    {},
    [[]],
    {"a": {"a": {}}},
    _WHEN,
)


class HttpCalls(RenewedScheduler):
    """A route's number, how it is asked, a path's part, a query and a body: any bytes are one."""

    def seeds(self) -> list[bytes]:
        """Well-formed requests to every route."""
        return [
            bytes((number, 0)) + _SPLIT.join((b"a", query, json.dumps(body).encode()))
            for number, (_method, path) in enumerate(_ROUTES)
            for body in _BODIES.get(path, ("",))
            for query in (_QUERIES if path not in _BODIES else _QUERIES[:1])
        ]

    def mutate(self, data: bytes, dice: random.Random) -> bytes:
        """Another body, query or path."""
        head, parts = _taken_apart(data)
        if dice.random() < 0.1:
            head = bytes((head[0], dice.randrange(256)))
        number = dice.choice((0, 1, 2, 2, 2))
        try:
            document = json.loads(parts[2])
        except (ValueError, RecursionError):
            document = None
        if number == 0 and dice.random() < 0.7:
            parts[0] = quote(dice.choice(IDS + TEXTS), safe="").encode()
        elif number == 2 and document is not None and dice.random() < 0.8:
            document = _other(document, dice)
            parts[2] = json.dumps(document).encode()
        else:
            parts[number] = torn(parts[number], dice)
        return head + _SPLIT.join(parts)

    def run(self, data: bytes) -> str:
        """Makes the request and gives what it came to; raises `Violation`."""
        head, (part, query, body) = _taken_apart(data)
        method, path = _ROUTES[head[0] % len(_ROUTES)]
        flags = head[1]
        if flags & 0x80:
            method = _METHODS[flags & 7]
        target = path.encode()
        for name in (b"{instanceId}", b"{executionId}", b"{index}", b"{token}"):
            target = target.replace(name, part)
        target = _sendable(target).replace(b"?", b"%3F")
        if query:
            target += b"?" + _sendable(query)
        headers = [(b"host", b"localhost"), (b"content-type", b"application/json")]
        headers.append((b"x-taskhub", part[:80] if flags & 0x20 else HUB.encode()))
        if flags & 0x40:
            odd = bytes(byte for byte in query if byte not in b"\r\n\0")
            headers += [(b"if-none-match", odd), (b"origin", odd), (b"content-type", odd)]
        status, _answer = self.scheduler().request(method, target, headers, body)
        return f"{method} {path} {status}"


def _sendable(target: bytes) -> bytes:
    """What is not printable ASCII is refused by the HTTP server before the application sees it."""
    return bytes(byte for byte in target if 0x20 < byte < 0x7F)


def _taken_apart(data: bytes) -> tuple[bytes, list[bytes]]:
    parts = data[2:].split(_SPLIT, 2)
    return data[:2].ljust(2, b"\0"), parts + [b""] * (3 - len(parts))


def _other(document: Any, dice: random.Random) -> Any:
    """The document with one of its values replaced, or a member more or less."""
    if isinstance(document, dict) and document and dice.random() < 0.9:
        name = dice.choice(list(document))
        kind = dice.random()
        if kind < 0.1:
            return {key: value for key, value in document.items() if key != name}
        if kind < 0.15:
            return document | {dice.choice(TEXTS): document[name]}
        return document | {name: _other(document[name], dice)}
    if isinstance(document, list) and document and dice.random() < 0.7:
        at = dice.randrange(len(document))
        return [*document[:at], _other(document[at], dice), *document[at + 1 :]]
    if isinstance(document, str) and dice.random() < 0.8:
        return dice.choice(IDS + TEXTS)
    return dice.choice(_VALUES)
