"""Sessions of the bench whose runs have been already."""

from copy import deepcopy
from functools import partial
from pathlib import Path
from typing import Any

from scripts.bench.options import Options, Sizes
from scripts.bench.rigs import Run
from scripts.bench.session import Session


def session_with(shared: dict[str, Any], sizes: Sizes | None = None) -> Session:
    """A session in which these have been measured."""
    options = Options(
        rows=("throughput",),
        rounds=3,
        sizes=sizes or Sizes(),
        directory=None,
        output=Path("nowhere"),
    )
    session = Session(options=options, folder=Path("nowhere"), say=lambda _text: None)
    for name, found in shared.items():
        session.shared(name, partial(deepcopy, found))
    return session


def run(
    seconds: float,
    *,
    server: float = 1.0,
    workers: float = 2.0,
    orders: int = 1_000,
    commits: int = 0,
) -> Run:
    """A run of 1,000 orders unless told otherwise, a quarter of it in commits, if there are any."""
    return Run(
        orders=orders,
        seconds=seconds,
        server_cpu=server,
        workers_cpu=workers,
        commits=commits,
        commit_seconds=seconds / 4 if commits else 0.0,
    )
