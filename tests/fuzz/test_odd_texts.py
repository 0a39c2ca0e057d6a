"""Every text that is known to be trouble, in every place where a text can stand.

What a run of seconds meets is a matter of luck; what these have in common with the fuzzers is what
must not be: see `FuzzedScheduler`.
"""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor

from services.scheduler.engine.protos import StringValue
from tests.fuzz.messages import IDS, TEXTS
from tests.fuzz.routes import ROUTES, Request, Route, requests_of
from tests.fuzz.scheduler import HUB, FuzzedScheduler
from tests.fuzz.seeds import METHODS, seeds_of
from tests.fuzz.texts import TEXTS_READ
from tests.fuzz.torn import MARKS

ODD = (*IDS, *TEXTS)
# Long seeds have marks at so many places, and not at every one.
PLACES_MAX = 100
# The first seed of the settings holds all of the others.
SEEDS_MAX = 3


def with_texts(request: Any, text: str) -> Iterator[Any]:
    """The request with the text in one of its fields, for each that holds one."""
    for field in request.DESCRIPTOR.fields:
        is_wrapped = field.message_type is StringValue.DESCRIPTOR
        if field.is_repeated or not (field.type == FieldDescriptor.TYPE_STRING or is_wrapped):
            continue
        changed = type(request)()
        changed.CopyFrom(request)
        if is_wrapped:
            getattr(changed, field.name).value = text
        else:
            setattr(changed, field.name, text)
        yield changed


def leaves(document: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where in a document texts stand."""
    if isinstance(document, str):
        yield path
    members: Any = ()
    if isinstance(document, dict):
        members = document.items()
    elif isinstance(document, list):
        members = enumerate(document)
    for key, value in members:
        yield from leaves(value, (*path, key))


def with_leaf(document: Any, path: tuple[Any, ...], text: str) -> Any:
    """The document with another text in one place."""
    changed = copy.deepcopy(document)
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = text
    return changed


@pytest.mark.parametrize("method", METHODS)
def test_in_a_field_of_a_call(fuzzed: FuzzedScheduler, method: str) -> None:
    for text in ODD:
        for request in with_texts(seeds_of(method)[0], text):
            fuzzed.call(method, request.SerializeToString())


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_in_a_part_of_an_http_request(fuzzed: FuzzedScheduler, route: Route) -> None:
    first = next(requests_of(route))
    for text in ODD:
        if "{" in route.path:
            fuzzed.request(Request(first.body, text, first.second, first.query).to(route, HUB))
        for path in leaves(first.body):
            changed = with_leaf(first.body, path, text)
            fuzzed.request(Request(changed, first.part).to(route, HUB))


@pytest.mark.parametrize("name", TEXTS_READ)
def test_at_a_place_of_what_is_read(name: str) -> None:
    reader = TEXTS_READ[name]()
    for seed in reader.seeds()[:SEEDS_MAX]:
        for place in range(0, len(seed) + 1, len(seed) // PLACES_MAX + 1):
            for mark in MARKS:
                reader.run(seed[:place] + mark + seed[place:])
