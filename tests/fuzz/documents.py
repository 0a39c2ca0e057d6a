"""Changes JSON documents value by value, so that most stay of the shape that is asked for."""

import random
from typing import Any, Final

from tests.fuzz.messages import IDS, TEXTS

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
    "2026-01-01T00:00:00Z",
)


def other_document(document: Any, dice: random.Random) -> Any:
    """The document with one of its values replaced, or a member more or less."""
    if isinstance(document, dict) and document and dice.random() < 0.9:
        name = dice.choice(list(document))
        kind = dice.random()
        if kind < 0.1:
            return {key: value for key, value in document.items() if key != name}
        if kind < 0.15:
            return document | {dice.choice(TEXTS): document[name]}
        return document | {name: other_document(document[name], dice)}
    if isinstance(document, list) and document and dice.random() < 0.7:
        at = dice.randrange(len(document))
        return [*document[:at], other_document(document[at], dice), *document[at + 1 :]]
    if isinstance(document, str) and dice.random() < 0.8:
        return dice.choice(IDS + TEXTS)
    return dice.choice(_VALUES)
