"""The `DataConverter` that our workers and clients share: plain JSON, pydantic at both ends.

The SDK's own converter cannot write a `Decimal`, does not know pydantic, and hands on the raw dict
when a payload does not fit the type that was asked for. This one writes both and raises.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from durabletask.serialization import DataConverter
from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from services.shared.json_text import JsonText
from services.shared.payload_files import TOKEN, PayloadMissingError
from services.shared.payload_place import BLOB_TOKEN

_PLAIN: Final = frozenset({str, int, float, bool, dict, list, type(None), object, Any})
_AS_TEXT: Final = (JsonText, JsonText | None)
# No JSON begins like this, so no value of a program is taken for a token.
_TOKENS: Final = {"file:v1:": TOKEN, "blob:v1:": BLOB_TOKEN}
_TOKEN_PREFIX_CHARS: Final = 8


def _no_store(_token: str) -> str:
    return "there is no payload store here; PAYLOAD_STORE says where large payloads are kept"


class PayloadTypeError(TypeError):
    """A payload does not fit the type that its reader asked for."""


class PydanticDataConverter(DataConverter):
    """Writes everything that pydantic can write, and rebuilds every type that it can validate.

    `reason` says of a payload's token why the payload itself could not be read.
    """

    def __init__(self, reason: Callable[[str], str] = _no_store) -> None:
        self._reason = reason

    def serialize(self, value: Any) -> str | None:  # noqa: ANN401 - the SDK's signature
        """The JSON of `value`, or None for None.

        Raises `TypeError` for what has no JSON form and `ValueError` for NaN and infinity.
        """
        if value is None:
            return None
        if isinstance(value, JsonText):
            return value.text
        return json.dumps(value, default=to_jsonable_python, allow_nan=False, separators=(",", ":"))

    def deserialize(self, data: str | None, target_type: type | None = None) -> Any:  # noqa: ANN401 - the SDK's signature
        """The value of `data`, as a `target_type` when one is named.

        Raises `PayloadTypeError` when it does not fit, `ValueError` when `data` is not JSON and no
        type is named, and `PayloadMissingError` when it is a large payload's token: the payload
        store hands that on where it cannot read the payload.
        """
        if data is None or data == "":
            return None
        pattern = _TOKENS.get(data[:_TOKEN_PREFIX_CHARS])
        if pattern is not None and pattern.fullmatch(data):
            raise PayloadMissingError(data, self._reason(data))
        if target_type is None:
            return json.loads(data)
        if target_type in _AS_TEXT:
            return JsonText(data)
        try:
            # As JSON, not as Python: a strict model takes a date or a decimal from text only there.
            return _adapter(target_type).validate_json(data)
        except ValidationError as error:
            raise PayloadTypeError(_describe(target_type, error)) from error

    def coerce(self, value: Any, target_type: type | None = None) -> Any:  # noqa: ANN401 - the SDK's signature
        """`value` as a `target_type`; raises `PayloadTypeError` when it does not fit."""
        if target_type is None or value is None:
            return value
        try:
            return _adapter(target_type).validate_python(value)
        except ValidationError as error:
            raise PayloadTypeError(_describe(target_type, error)) from error

    def can_reconstruct(self, target_type: Any) -> bool:  # noqa: ANN401 - the SDK's signature
        """Whether pydantic validates `target_type`; plain JSON types need no rebuilding.

        A type whose own annotations cannot be resolved here is left alone.
        """
        try:
            return target_type in _AS_TEXT or (
                target_type not in _PLAIN and _adapter(target_type).pydantic_complete
            )
        except (PydanticUserError, NameError, TypeError):
            return False


@lru_cache(maxsize=256)
def _adapter(target_type: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - any annotation is a key
    return TypeAdapter(target_type)


def _describe(target_type: object, error: ValidationError) -> str:
    name = getattr(target_type, "__name__", str(target_type))
    problems = (
        f"{'.'.join(str(part) for part in problem['loc']) or 'value'}: {problem['msg']}"
        for problem in error.errors(include_url=False, include_input=False)
    )
    return f"the payload is no {name}: {'; '.join(problems)}"
