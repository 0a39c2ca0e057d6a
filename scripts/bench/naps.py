"""Row 8: whether twice the workers do twice the work, where an order waits for somebody else."""

from contextlib import ExitStack
from typing import Final

from scripts.bench.programs import NAP_SECONDS
from scripts.bench.readings import Measured, Reading, Target
from scripts.bench.rigs import Run, rig
from scripts.bench.samples import Spread
from scripts.bench.servers import embedded_scheduler
from scripts.bench.session import Session

_WORKERS: Final = (1, 2, 4)
_THREADS: Final = 8
_WARM_UP: Final = 8  # parts of a run
_TARGET: Final = Target(comparison=">=", bound=0.9)


def measure_workers(session: Session) -> Measured:
    """Orders a second with more workers over so many times that of one."""
    folder = session.new_folder("naps")
    runs: dict[int, list[Run]] = {count: [] for count in _WORKERS}
    with ExitStack() as stack:
        rigs = {
            count: stack.enter_context(
                rig(
                    f"{count} workers",
                    embedded_scheduler,
                    folder,
                    workers=count,
                    options=str(_THREADS),
                )
            )
            for count in _WORKERS
        }

        def run(count: int, orders: int) -> Run:
            return rigs[count].run(orders, session.sizes.batch_size, session.noise, activity="nap")

        for count in _WORKERS:
            run(count, max(1, count * session.sizes.naps // _WARM_UP))
        for number in range(session.rounds):
            for count in _WORKERS:
                runs[count].append(run(count, count * session.sizes.naps))
                session.say(
                    f"workers: round {number + 1}, {count}: {runs[count][-1].rate:,.0f} orders/s"
                )
    return Measured(
        readings=tuple(_reading(runs, count) for count in _WORKERS[1:]),
        series={
            "runs": [
                {"workers": count, **run.as_document()}
                for count, found in runs.items()
                for run in found
            ]
        },
    )


def _reading(runs: dict[int, list[Run]], count: int) -> Reading:
    linear = [count * run.rate for run in runs[1]]
    rates = [run.rate for run in runs[count]]
    most = count * _THREADS / NAP_SECONDS
    return Reading(
        label=f"{count} workers over {count} times one",
        spread=Spread.of_ratio(rates, linear),
        target=_TARGET,
        detail=f"{Spread.of(rates).value:,.0f} orders/s, linear {Spread.of(linear).value:,.0f},"
        f" {most:,.0f} if orders only slept",
    )
