"""One run of the bench: its options, its folder, the noise, and what rows share."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from scripts.bench.errors import BenchError
from scripts.bench.noise import Noise
from scripts.bench.options import Options, Sizes

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """`folder` is temporary; `say` tells a person how far it is."""

    options: Options
    folder: Path
    say: Callable[[str], None]
    noise: Noise = field(default_factory=Noise)
    _shared: dict[str, Any] = field(default_factory=dict)

    @property
    def sizes(self) -> Sizes:
        """How much of everything."""
        return self.options.sizes

    @property
    def rounds(self) -> int:
        """How often runs alternate."""
        return self.options.rounds

    def new_folder(self, name: str) -> Path:
        """A folder of that name, which nobody has made yet."""
        path = self.folder / name
        path.mkdir()
        return path

    def shared(self, name: str, measure: Callable[[], T]) -> T:
        """What `measure` returns, once for all rows that ask; its error likewise."""
        if name not in self._shared:
            try:
                self._shared[name] = measure()
            except BenchError as error:
                self._shared[name] = error
        found = self._shared[name]
        if isinstance(found, BenchError):
            raise found
        result: T = found
        return result
