"""Requests to the HTTP port as bytes, each to its end on a real scheduler."""

import json
import random
from collections.abc import Sequence
from typing import Final
from urllib.parse import quote, unquote

from tests.fuzz.answers import friendly_answer
from tests.fuzz.documents import other_document
from tests.fuzz.messages import IDS, TEXTS
from tests.fuzz.renewed import RenewedScheduler
from tests.fuzz.routes import ROUTES, HttpRequest, requests_of, target_of
from tests.fuzz.scheduler import OPEN, FuzzedScheduler, Make
from tests.fuzz.torn import torn

_SPLIT: Final = b"\x1e"
# A route's number, the method, the task hub, who asks, and what is odd: headers, or a cut body.
_HEAD_BYTES: Final = 5
# The two parts of a path, the query and the body.
_PARTS: Final = 4
_BY_ADDRESS: Final = {(route.method, route.path): route for route in ROUTES}
# The route's own, mostly.
_METHODS: Final = ("", "GET", "POST", "DELETE", "PUT", "HEAD", "OPTIONS", "PATCH", "TRACE")
# Between two answers of the worker: what is asked about changes meanwhile, as it would.
_REQUESTS_AN_ANSWER: Final = 3


class HttpCalls(RenewedScheduler):
    """How a route is asked, parts of its path, a query and a body: any bytes are a request."""

    def __init__(self, make: Make = OPEN) -> None:
        super().__init__(make)
        self._requests = 0

    def seeds(self) -> list[bytes]:
        """Well-formed requests to every route."""
        return [
            bytes((number, 0, 0, 0, 0)) + _SPLIT.join(request.encoded())
            for number, route in enumerate(ROUTES)
            for request in requests_of(route)
        ]

    def mutate(self, data: bytes, dice: random.Random) -> bytes:
        """Another body, query or path."""
        (route, method, _hub, _caller, odd), parts = _taken_apart(data)
        if dice.random() < 0.05:
            method = dice.randrange(256)
        if dice.random() < 0.05:
            odd = dice.randrange(4)
        head = bytes((route, method, *self.mutate_head(dice), odd))
        number = dice.choice((0, 1, 2, 3, 3, 3))
        try:
            document = json.loads(parts[3])
        except (ValueError, RecursionError):
            document = None
        if number == 0 and dice.random() < 0.7:
            parts[0] = quote(dice.choice(IDS + TEXTS), safe="").encode()
        elif number == 3 and document is not None and dice.random() < 0.8:
            parts[3] = json.dumps(other_document(document, dice)).encode()
        else:
            parts[number] = torn(parts[number], dice)
        return head + _SPLIT.join(parts)

    def run(self, data: bytes) -> str:
        """Makes the request and gives what it came to; raises `Violation`."""
        (number, asked, hub, caller, odd), (part, second, query, body) = _taken_apart(data)
        route = ROUTES[number % len(ROUTES)]
        method = _METHODS[asked % len(_METHODS)] or route.method
        with self.scheduler() as scheduler:
            self._work(scheduler)
            named = self.hub_of(hub, scheduler)
            execution = scheduler.execution_of(unquote(part, errors="replace"))
            request = HttpRequest(
                route=_BY_ADDRESS.get(("GET" if method == "HEAD" else method, route.path), route),
                method=method,
                target=target_of(route.path, part, second, query, execution),
                headers=_odd_headers(query) if odd & 1 else (),
                is_cut=bool(odd & 2),
                body=body,
                hub=named,
                caller=self.caller_of(caller),
            )
            status, _answer = scheduler.request(request)
        return f"{method} {route.path} {status}"

    def _work(self, scheduler: FuzzedScheduler) -> None:
        """Now and then the worker answers what it has."""
        self._requests += 1
        tokens = scheduler.tokens if self._requests % _REQUESTS_AN_ANSWER == 0 else ()
        if tokens:
            dice = random.Random(self._requests)
            scheduler.call(*friendly_answer(tokens[0], dice))


def _odd_headers(value: bytes) -> Sequence[tuple[bytes, bytes]]:
    value = bytes(byte for byte in value if byte not in b"\r\n\0")
    return [(b"if-none-match", value), (b"origin", value), (b"content-type", value)]


def _taken_apart(data: bytes) -> tuple[bytes, list[bytes]]:
    parts = data[_HEAD_BYTES:].split(_SPLIT, _PARTS - 1)
    return data[:_HEAD_BYTES].ljust(_HEAD_BYTES, b"\0"), parts + [b""] * (_PARTS - len(parts))
