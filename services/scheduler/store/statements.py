"""Reads statements by their names, the schema, and the migrations."""

import re
from collections.abc import Mapping
from importlib import resources
from typing import Final

_NAME: Final = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def _text_of(file: str) -> str:
    return resources.files(__package__).joinpath(file).read_text(encoding="utf-8")


def _read(file: str) -> dict[str, str]:
    parts = _NAME.split(_text_of(file))[1:]
    return {name: sql.strip() for name, sql in zip(parts[::2], parts[1::2], strict=True)}


SQL: Final = _read("queries.sql")
# What a check of a hub's file asks.
CHECKS: Final = _read("checks.sql")
SCHEMA: Final = _text_of("schema.sql")
# From each earlier version to the next one; every version since 1 can be opened.
MIGRATIONS: Final[Mapping[int, str]] = {
    1: _text_of("migrations/from_1.sql"),
    2: _text_of("migrations/from_2.sql"),
}
