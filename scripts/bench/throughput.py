"""Rows 1 to 4: orders a second and CPU for an order, of all servers in turn.

All rigs are up from the beginning, idle ones cost nothing; each round runs every one of them, each
round beginning with another.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

from scripts.bench import worker
from scripts.bench.readings import Measured, Reading, Target
from scripts.bench.rigs import Rig, Run, rig
from scripts.bench.samples import Spread
from scripts.bench.servers import Serving, echo_server, embedded_scheduler, testing_backend
from scripts.bench.session import Session

_WARM_UP: Final = 4  # parts of a run


@dataclass(frozen=True, slots=True, kw_only=True)
class _Variant:
    serving: Serving
    workers: int
    options: str = worker.SDK


# By whose workers they are, and how many.
_SDKS, _OURS = "the SDK's workers", "our workers"
_OPTIONS: Final = {_SDKS: worker.SDK, _OURS: worker.OURS}
_Rigs = Mapping[tuple[str, int], str]


def _rigs(server: str, *workers: int) -> _Rigs:
    return {
        (whose, number): f"{server} with {whose}, {number}"
        for whose in _OPTIONS
        for number in workers
    }


_MEMORY: Final = _rigs("in memory", 1, 2)
_DURABLE: Final = _rigs("durable", 1, 2)
_ECHO: Final = _rigs("echo", 2)
_STORELESS: Final = "durable with our workers without a payload store, 2"
_VARIANTS: Final = {
    **{
        name: _Variant(serving=serving, workers=number, options=_OPTIONS[whose])
        for serving, rigs in (
            (testing_backend, _MEMORY),
            (embedded_scheduler, _DURABLE),
            (echo_server, _ECHO),
        )
        for (whose, number), name in rigs.items()
    },
    _STORELESS: _Variant(serving=embedded_scheduler, workers=2, options=worker.STORELESS),
}
_TWO_DURABLE: Final = tuple(_DURABLE[whose, 2] for whose in _OPTIONS)
_NEEDED: Final[Mapping[str, tuple[str, ...]]] = {
    "throughput": (*_MEMORY.values(), *_DURABLE.values()),
    "echo": (*_TWO_DURABLE, *_ECHO.values()),
    "scheduler-cpu": (*_TWO_DURABLE, *_ECHO.values()),
    "worker-cpu": (*_TWO_DURABLE, _STORELESS),
}
_TARGETS: Final = {1: 1.0, 2: 1.05}
Runs = Mapping[str, list[Run]]


def measure_throughput(session: Session) -> Measured:
    """Row 1: durable over in memory, with one worker and with two, the SDK's and ours."""
    runs = _runs(session)
    readings = []
    for (whose, number), name in _DURABLE.items():
        ours, others = runs[name], runs[_MEMORY[whose, number]]
        readings.append(
            Reading(
                label=f"{whose}, {number}",
                spread=Spread.of_ratio(_rates(ours), _rates(others)),
                target=Target(comparison=">=", bound=_TARGETS[number]),
                detail=f"{_middle(_rates(ours)):,.0f} against {_middle(_rates(others)):,.0f}"
                f" orders/s; {_commits(ours)}",
            )
        )
    return Measured(readings=tuple(readings), series=_series(runs))


def measure_echo(session: Session) -> Measured:
    """Row 2: orders a second over what the echo server's workers get through."""
    return _over_echo(
        session,
        lambda run: run.rate,
        Target(comparison=">=", bound=0.85),
        "{:,.0f} of {:,.0f} orders/s",
    )


def measure_scheduler_cpu(session: Session) -> Measured:
    """Row 3: CPU of the scheduler for an order, over the echo server's."""
    return _over_echo(
        session,
        lambda run: run.server_ms,
        Target(comparison="<=", bound=1.4),
        "{:.3f} against {:.3f} ms of CPU an order",
    )


def _over_echo(
    session: Session, figure: Callable[[Run], float], target: Target, detail: str
) -> Measured:
    """A figure of the scheduler's runs over that of the echo's; `detail` takes both medians."""
    runs = _runs(session)
    readings = []
    for (whose, number), name in _ECHO.items():
        ours = [figure(run) for run in runs[_DURABLE[whose, number]]]
        echo = [figure(run) for run in runs[name]]
        reading = Reading(
            label=f"{whose}, {number}",
            spread=Spread.of_ratio(ours, echo),
            target=target,
            detail=detail.format(_middle(ours), _middle(echo)),
        )
        readings.append(reading)
    return Measured(readings=tuple(readings), series=_series(runs))


def measure_worker_cpu(session: Session) -> Measured:
    """Row 4: CPU of our workers for an order, over that of the SDK's with its defaults."""
    runs = _runs(session)
    defaults = [run.workers_ms for run in runs[_DURABLE[_SDKS, 2]]]
    readings = []
    for label, name in (
        ("as they come", _DURABLE[_OURS, 2]),
        ("without a payload store", _STORELESS),
    ):
        ours = [run.workers_ms for run in runs[name]]
        reading = Reading(
            label=label,
            spread=Spread.of_ratio(ours, defaults),
            target=Target(comparison="<=", bound=0.8),
            detail=f"{_middle(ours):.3f} against {_middle(defaults):.3f} ms of CPU an order;"
            f" {_middle(_rates(runs[name])):,.0f} orders/s with ours",
        )
        readings.append(reading)
    return Measured(readings=tuple(readings), series=_series(runs))


def _runs(session: Session) -> Runs:
    return session.shared("throughput", lambda: _measure(session))


def _measure(session: Session) -> Runs:
    needed = [name for row in session.options.rows for name in _NEEDED.get(row, ())]
    names = [name for name in _VARIANTS if name in needed]
    folder = session.new_folder("throughput")
    with ExitStack() as stack:
        rigs = []
        for name in names:
            variant = _VARIANTS[name]
            session.say(f"throughput: starting {name}")
            rigs.append(
                stack.enter_context(
                    rig(
                        name,
                        variant.serving,
                        folder,
                        workers=variant.workers,
                        options=variant.options,
                    )
                )
            )
        return _alternate(session, rigs)


def _alternate(session: Session, rigs: list[Rig]) -> Runs:
    sizes = session.sizes
    for each in rigs:
        each.run(-(-sizes.orders // _WARM_UP), sizes.batch_size, session.noise)
    runs: dict[str, list[Run]] = {each.name: [] for each in rigs}
    for number in range(session.rounds):
        first = number % len(rigs)
        for each in rigs[first:] + rigs[:first]:
            run = each.run(sizes.orders, sizes.batch_size, session.noise)
            runs[each.name].append(run)
            session.say(
                f"throughput: round {number + 1}, {each.name}: {run.rate:,.0f} orders/s, CPU an"
                f" order {run.server_ms:.3f} ms server, {run.workers_ms:.3f} ms workers"
            )
    return runs


def _rates(runs: Iterable[Run]) -> list[float]:
    return [run.rate for run in runs]


def _middle(values: list[float]) -> float:
    return Spread.of(values).value


def _commits(runs: list[Run]) -> str:
    """How many orders share a commit, and how much of the time commits take."""
    commits = sum(run.commits for run in runs)
    seconds = sum(run.commit_seconds for run in runs)
    orders = sum(run.orders for run in runs) / max(1, commits)
    share = seconds / sum(run.seconds for run in runs)
    return f"{orders:.0f} orders a commit, {share:.0%} of the time in commits"


def _series(runs: Runs) -> dict[str, Any]:
    return {
        "runs": [
            {"variant": name, "workers": _VARIANTS[name].workers, **run.as_document()}
            for name, found in runs.items()
            for run in found
        ]
    }
