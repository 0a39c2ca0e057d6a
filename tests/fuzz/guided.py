"""`python -m tests.fuzz.guided TARGET`: fuzzes one target by coverage, with atheris.

A process of its own for each: libFuzzer has one callback, and ends the process when it is done. The
last line on standard output is JSON: the executions and the findings.
"""

import argparse
import base64
import contextlib
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["services"]):
    from tests.fuzz.blind import Tally, run
    from tests.fuzz.targets import TARGETS, Target


class Guided:
    """What libFuzzer calls."""

    def __init__(
        self,
        name: str,
        target: Target,
        opened: contextlib.ExitStack,
        *,
        executions: int,
        seconds: float,
    ) -> None:
        self._target = target
        self._opened = opened
        self._executions = executions
        self._deadline = time.monotonic() + seconds
        self._tally = Tally(target=name)

    def one(self, data: bytes) -> None:
        """Takes one input; ends the process after the last one."""
        run(self._target, self._tally.target, data, self._tally)
        is_late = time.monotonic() > self._deadline
        if is_late or self._tally.executions >= self._executions:
            self._opened.close()
            print(_told(self._tally), flush=True)  # noqa: T201 - for whoever runs it
            # Without libFuzzer's own report, which is about a process that was to go on.
            os._exit(0)

    def mutate(self, data: bytes, most: int, seed: int) -> bytes:
        """Another input: every second time by what the target knows of its inputs."""
        dice = random.Random(seed)
        if dice.random() < 0.5:
            mutated: bytes = atheris.Mutate(data, most)
            return mutated
        return self._target.mutate(data, dice)[:most]


def _told(tally: Tally) -> str:
    findings = [
        {"text": finding.text, "data": base64.b64encode(finding.data).decode()}
        for finding in tally.findings.values()
    ]
    return json.dumps({"executions": tally.executions, "findings": findings})


def main() -> None:
    """Fuzzes until the executions or the time are used up."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.guided", description=__doc__)
    parser.add_argument("target", choices=list(TARGETS))
    parser.add_argument("--executions", type=int, default=sys.maxsize)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with contextlib.ExitStack() as opened:
        folder = opened.enter_context(tempfile.TemporaryDirectory())
        target = opened.enter_context(TARGETS[options.target][1]())
        for number, seed in enumerate(target.seeds()):
            (Path(folder) / f"{number:04}").write_bytes(seed)
        guided = Guided(
            options.target,
            target,
            opened,
            executions=options.executions,
            seconds=options.seconds,
        )
        limits = ["-max_len=20000", "-timeout=120", "-rss_limit_mb=0", "-detect_leaks=0"]
        arguments = [sys.argv[0], f"-seed={options.seed}", "-verbosity=0", *limits, folder]
        atheris.Setup(arguments, guided.one, custom_mutator=guided.mutate)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
