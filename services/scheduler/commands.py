"""`backup`, `restore` and `check`: what an operator runs beside the scheduler or without it."""

import argparse
import os
import signal
import sqlite3
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

from services.scheduler.clock import system_now
from services.scheduler.errors import BackupError, SchedulerError
from services.scheduler.settings import DataSettings
from services.scheduler.store.backup import BackedUp, Backup
from services.scheduler.store.check import CheckedHub, check
from services.scheduler.store.findings import Finding, Kind
from services.scheduler.store.restore import Restore
from services.scheduler.store.whole_file import scratch_folder, whole_file
from services.shared.environment import Environment
from services.shared.errors import SettingsError
from services.shared.payload_files import PayloadFiles
from services.shared.standard_streams import READER_GONE, leave_standard_output

_DONE: Final = 0
_DONE_IN_PART: Final = 1
_REFUSED: Final = 2
_INTERRUPTED: Final = 130
_STREAM: Final = "-"
_EXAMPLES_MAX: Final = 10
_PROGRESS_SECONDS: Final = 0.2
_SETTINGS: Final = (
    "settings: SCHEDULER_DATA_DIR (data) and PAYLOAD_STORE (payloads in the data directory), as"
    " those of the scheduler"
)


def run(arguments: Sequence[str]) -> int:
    """Runs a command; its exit code. Raises `SystemExit` at wrong arguments and `--help`."""
    parsed = _parser().parse_args(arguments)
    if not getattr(parsed, "file", _STREAM):
        # As make gives it where it was given none.
        return _refuse("FILE must name a file, such as FILE=home.backup")
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        settings = DataSettings.read(Environment.of_process())
        code: int = parsed.act(parsed, settings)
    except KeyboardInterrupt:
        return _refuse("interrupted; nothing has changed", code=_INTERRUPTED)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _refuse(f"{where}{error.strerror or error}")
    except (SchedulerError, SettingsError, sqlite3.Error) as error:
        return _refuse(str(error))
    finally:
        signal.signal(signal.SIGTERM, before)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m services.scheduler", allow_abbrev=False)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, act: Callable[..., int], text: str, codes: str) -> argparse.ArgumentParser:
        command = commands.add_parser(
            name, description=text, epilog=f"{codes}. {_SETTINGS}.", allow_abbrev=False
        )
        command.set_defaults(act=act)
        return command

    made = add(
        "backup",
        _back_up,
        "Writes all task hubs and the payloads that they name into one file, while the scheduler"
        " runs or not.",
        "exit codes: 0 done; 1 done, but something had to be left out; 2 nothing was written",
    )
    made.add_argument("file", metavar="FILE", help="the new file; - is standard output")
    made.add_argument("--force", action="store_true", help="replace FILE if it is there already")
    read = add(
        "restore",
        _restore,
        "Restores a backup into a data directory that holds no task hub, while no scheduler uses"
        " it.",
        "exit codes: 0 done; 1 done, but the backup was made without something; 2 refused, and"
        " nothing has changed",
    )
    read.add_argument("file", metavar="FILE", help="a file that backup wrote; - is standard input")
    add(
        "check",
        _check,
        "Checks all task hubs and the payloads that they name, while the scheduler runs or not."
        " It changes nothing.",
        "exit codes: 0 all is well; 1 something is wrong; 2 it could not be checked",
    )
    return parser


def _interrupt(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _refuse(text: str, *, code: int = _REFUSED) -> int:
    _say(text)
    return code


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - for a person


class _Progress:
    """How far it is, in one line of a terminal; nothing where there is none."""

    def __init__(self) -> None:
        self._is_shown = sys.stderr.isatty()
        self._next = 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if self._is_shown and now >= self._next:
            self._next = now + _PROGRESS_SECONDS
            sys.stderr.write(f"\r\x1b[K{what}  {done:,} of {total:,}")
            sys.stderr.flush()

    def end(self) -> None:
        """Clears the line."""
        if self._is_shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()


# Backup


def _back_up(parsed: argparse.Namespace, settings: DataSettings) -> int:
    progress, begun = _Progress(), time.perf_counter()
    backup = Backup(settings.data_dir, _payloads(settings), progress=progress)
    try:
        if parsed.file == _STREAM:
            done = _to_stdout(backup, settings)
        else:
            file = Path(parsed.file)
            _check_outside(file, settings)
            with whole_file(file, force=parsed.force) as (stream, folder):
                done = backup.write(stream, folder, system_now())
    finally:
        progress.end()
    seconds = time.perf_counter() - begun
    where = "" if parsed.file == _STREAM else f" to {parsed.file}"
    _say(f"backed up {settings.data_dir.absolute()}{where} in {seconds:.1f} s")
    _tell_backup(done)
    return _DONE_IN_PART if done.left_out else _DONE


def _to_stdout(backup: Backup, settings: DataSettings) -> BackedUp:
    if getattr(sys.stdout, "name", None) == os.devnull:
        # It was closed before the start. Sent there by somebody, it has another name.
        raise BackupError("standard output is closed: send it to a file")
    if sys.stdout.isatty():
        raise BackupError("standard output is a terminal: send it to a file")
    if not settings.data_dir.is_dir():
        raise BackupError(f"there is no data directory {settings.data_dir}")
    with scratch_folder(settings.data_dir / "backup") as folder:
        done = backup.write(sys.stdout.buffer, folder, system_now())
        sys.stdout.buffer.flush()
    return done


def _check_outside(file: Path, settings: DataSettings) -> None:
    """What is kept beside the data is lost with them, and might be taken for a hub."""
    for folder in (settings.data_dir, settings.payload_dir):
        if folder is not None and file.absolute().resolve().is_relative_to(folder.resolve()):
            raise BackupError(f"{file} is inside {folder}, and would be lost with it")


def _tell_backup(done: BackedUp) -> None:
    width = max(len("payloads"), *(len(hub.name) for hub in done.hubs))
    for hub in done.hubs:
        _say(
            f"  {hub.name:{width}}  {_number(hub.instances, 'instance')} ({hub.running:,} not"
            f" ended), {_number(hub.entities, 'entity', 'entities')}, {_megabytes(hub.bytes)}"
        )
    if done.payloads:
        _say(
            f"  {'payloads':{width}}  {_number(done.payloads, 'file')},"
            f" {_megabytes(done.payload_bytes)}"
        )
    _tell_left_out("not in it", done.left_out)


def _tell_left_out(what: str, left_out: Sequence[str]) -> None:
    for text in left_out[:_EXAMPLES_MAX]:
        _say(f"  {what}: {text}")
    if len(left_out) > _EXAMPLES_MAX:
        _say(f"  {what}: {len(left_out) - _EXAMPLES_MAX} more")


def _number(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _payloads(settings: DataSettings) -> PayloadFiles | None:
    return None if settings.payload_dir is None else PayloadFiles(settings.payload_dir)


# Restore


def _restore(parsed: argparse.Namespace, settings: DataSettings) -> int:
    progress = _Progress()
    restore = Restore(settings.data_dir, _payloads(settings), progress=progress)
    try:
        if parsed.file == _STREAM:
            done = restore.read(sys.stdin.buffer, "standard input")
        else:
            with Path(parsed.file).open("rb") as stream:
                done = restore.read(stream, parsed.file)
    finally:
        progress.end()
    what = "a backup" if parsed.file == _STREAM else parsed.file
    _say(
        f"restored {what} to {settings.data_dir.absolute()}:"
        f" task hubs {', '.join(done.hubs)}; {_number(done.payloads, 'payload')}"
    )
    _tell_left_out("the backup was made without", done.left_out)
    _say("start the scheduler: all goes on from the moment of the backup")
    return _DONE_IN_PART if done.left_out else _DONE


# Check


def _check(_parsed: argparse.Namespace, settings: DataSettings) -> int:
    try:
        code = _look(settings)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever read (`| head`) has what they wanted.
        leave_standard_output()
        return READER_GONE
    return code


def _look(settings: DataSettings) -> int:
    progress = _Progress()
    hubs, found = 0, 0
    for hub in check(settings.data_dir, _payloads(settings), progress=progress):
        progress.end()
        _tell_hub(hub)
        hubs, found = hubs + 1, found + len(hub.findings)
    verdict = "nothing is wrong" if not found else f"{_number(found, 'finding')}"
    print(f"{settings.data_dir.absolute()}: {_number(hubs, 'task hub')}, {verdict}")  # noqa: T201 - the result
    return _DONE_IN_PART if found else _DONE


def _tell_hub(hub: CheckedHub) -> None:
    print(  # noqa: T201 - the result
        f"{hub.name}: {_number(hub.instances, 'instance')},"
        f" {_number(hub.entities, 'entity', 'entities')}, {_number(hub.payloads, 'payload')},"
        f" schema {hub.schema}"
    )
    for kind, findings in _by_kind(hub.findings).items():
        print(f"  {kind.what} ({len(findings):,})")  # noqa: T201 - the result
        left = len(findings)
        for alike in _alike(findings)[:_EXAMPLES_MAX]:
            left -= len(alike)
            print(f"    {alike[0].where}")  # noqa: T201 - the result
            if len(alike) > 1:
                print(f"    ... and {len(alike) - 1:,} more like it")  # noqa: T201 - the result
        if left:
            print(f"    ... and {left:,} more")  # noqa: T201 - the result
        print(f"    -> {kind.advice}")  # noqa: T201 - the result


def _alike(findings: Sequence[Finding]) -> list[list[Finding]]:
    sorted_out: defaultdict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        sorted_out[finding.gist].append(finding)
    return list(sorted_out.values())


def _by_kind(findings: Sequence[Finding]) -> Mapping[Kind, list[Finding]]:
    sorted_out: defaultdict[Kind, list[Finding]] = defaultdict(list)
    for finding in findings:
        sorted_out[finding.kind].append(finding)
    return sorted_out
