"""`python -m services.client`: the command line.

Each command imports its own module when it runs, so that `--help` loads neither gRPC nor the SDK.
"""

import functools
import sys
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from services.client import errors
from services.client.messages import data_stream, make_streams_robust, say, stderr_console
from services.client.settings import ClientSettings
from services.shared.environment import Environment
from services.shared.errors import PayloadStoreError, SchedulerUnavailableError, SettingsError
from services.shared.payload_files import PayloadMissingError
from services.shared.standard_streams import READER_GONE, leave_standard_output
from services.shared.tracing import leave_out_opentelemetry

app = typer.Typer(
    name="python -m services.client",
    help="Submit orders to the Durable Task Scheduler, and watch and manage what becomes of them.",
    epilog=(
        "Exit codes: 0 completed; 1 the orchestration failed; 2 bad usage or input; 3 the scheduler"
        " cannot be reached or does not know the task hub; 4 still running. ENDPOINT and TASKHUB"
        " choose the scheduler."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

_InstanceId = Annotated[str, typer.Argument(metavar="ID", help="The orchestration's instance id.")]
_Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
_Timeout = Annotated[
    float | None, typer.Option(min=0.1, help="Stop waiting after so many seconds (exit code 4).")
]
_Strict = Annotated[
    bool, typer.Option("--strict", help="Exit code 1 when an order did not complete.")
]
_LIST_LIMIT: Final = 20
_BATCH_SIZE: Final = 10
_ORDERS_GENERATED_MAX: Final = 10_000_000


class _ResultFormat(StrEnum):
    TABLE = "table"
    CSV = "csv"
    JSON = "json"


class _OrderFormat(StrEnum):
    CSV = "csv"
    JSONL = "jsonl"


def _command(command: Callable[..., int], name: str | None = None) -> Callable[..., int]:
    """Registers a command whose errors become one message and an exit code, never a traceback."""

    @app.command(name)
    @functools.wraps(command)
    def run(*args: object, **kwargs: object) -> None:
        make_streams_robust()
        try:
            code = command(*args, **kwargs)
            sys.stdout.flush()
        except errors.ClientError as error:
            code = _tell(error, error.exit_code)
        except (SettingsError, PayloadStoreError) as error:
            code = _tell(error, errors.BAD_INPUT)
        except PayloadMissingError as error:
            code = _tell(error, errors.FAILED)
        except SchedulerUnavailableError as error:
            code = _tell(error, errors.UNREACHABLE)
        except KeyboardInterrupt:
            code = errors.INTERRUPTED
        except OSError as error:
            code = _tell_unwritten(error)
        raise typer.Exit(code)

    return command


def _tell(error: Exception, exit_code: int) -> int:
    say(stderr_console(), str(error))
    return exit_code


def _tell_unwritten(error: OSError) -> int:
    """Standard output is full, or its reader went away (`| head`), which needs no words."""
    leave_standard_output()
    if isinstance(error, BrokenPipeError):
        return READER_GONE
    return _tell(OSError(f"cannot write the output: {error.strerror or error}"), errors.FAILED)


def _settings() -> ClientSettings:
    """To be read before a command imports the SDK, which finds OpenTelemetry or does not."""
    settings = ClientSettings.read(Environment.of_process())
    leave_out_opentelemetry(settings.tracing)
    return settings


@_command
def submit(  # noqa: PLR0913 - one parameter for each option
    file: Annotated[Path, typer.Argument(help="Orders: .csv, .json or .jsonl.")],
    *,
    batch_size: Annotated[int, typer.Option(help="Orders in a batch.")] = _BATCH_SIZE,
    instance_id: Annotated[
        str | None, typer.Option(help="The id to run under; by default the content's own.")
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Start another run of orders submitted before.")
    ] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Print the instance id and do not wait.")
    ] = False,
    timeout: _Timeout = None,
    strict: _Strict = False,
    skip_invalid: Annotated[
        bool, typer.Option("--skip-invalid", help="Submit the good rows, name the others.")
    ] = False,
    json: _Json = False,
) -> int:
    """Submit the orders of FILE and show what became of them.

    The same orders submitted twice are one run: the second submission attaches to the first.
    """
    settings = _settings()
    from services.client.submit import SubmitOptions, submit  # noqa: PLC0415 - keeps --help instant

    options = SubmitOptions(
        batch_size=batch_size,
        instance_id=instance_id,
        new=new,
        no_wait=no_wait,
        timeout=timeout,
        strict=strict,
        skip_invalid=skip_invalid,
        json=json,
    )
    return submit(file, options, settings)


@_command
def status(instance_id: _InstanceId, *, json: _Json = False) -> int:
    """Show what an orchestration is doing, or what it came to."""
    settings = _settings()
    from services.client.orchestrations import status  # noqa: PLC0415 - keeps --help instant

    return status(instance_id, settings, json=json)


@_command
def wait(
    instance_id: _InstanceId,
    *,
    timeout: _Timeout = None,
    strict: _Strict = False,
    json: _Json = False,
) -> int:
    """Wait for an orchestration and show what became of it."""
    settings = _settings()
    from services.client.submit import wait  # noqa: PLC0415 - keeps --help instant

    return wait(instance_id, settings, timeout=timeout, strict=strict, json=json)


@_command
def results(
    instance_id: _InstanceId,
    *,
    style: Annotated[
        _ResultFormat, typer.Option("--format", help="How to write them.")
    ] = _ResultFormat.TABLE,
    output: Annotated[
        Path | None, typer.Option(help="Write to this file instead of standard output.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> int:
    """Show every order's outcome."""
    settings = _settings()
    from services.client.results import results  # noqa: PLC0415 - keeps --help instant

    return results(instance_id, settings, style="json" if json else style, output=output)


def list_(
    *,
    status: Annotated[
        list[str] | None, typer.Option(help="Only this status; may be given again.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at the most.")] = _LIST_LIMIT,
    children: Annotated[bool, typer.Option("--children", help="Sub-orchestrations too.")] = False,
    json: _Json = False,
) -> int:
    """List the newest orchestrations."""
    settings = _settings()
    from services.client.orchestrations import list_orchestrations  # noqa: PLC0415 - keeps --help instant

    return list_orchestrations(
        settings, statuses=status or [], limit=limit, children=children, json=json
    )


_command(list_, "list")


@_command
def suspend(instance_id: _InstanceId) -> int:
    """Suspend a running orchestration."""
    settings = _settings()
    from services.client.control import request  # noqa: PLC0415 - keeps --help instant

    return request("suspend", instance_id, settings)


@_command
def resume(instance_id: _InstanceId) -> int:
    """Resume a suspended orchestration."""
    settings = _settings()
    from services.client.control import request  # noqa: PLC0415 - keeps --help instant

    return request("resume", instance_id, settings)


@_command
def terminate(instance_id: _InstanceId) -> int:
    """Terminate an orchestration and its sub-orchestrations."""
    settings = _settings()
    from services.client.control import request  # noqa: PLC0415 - keeps --help instant

    return request("terminate", instance_id, settings)


@_command
def purge(instance_id: _InstanceId) -> int:
    """Forget a finished orchestration and its children."""
    settings = _settings()
    from services.client.control import purge  # noqa: PLC0415 - keeps --help instant

    return purge(instance_id, settings)


@_command
def generate(
    count: Annotated[int, typer.Argument(metavar="N", min=1, max=_ORDERS_GENERATED_MAX)],
    *,
    seed: Annotated[int, typer.Option(help="The same seed gives the same orders.")] = 0,
    style: Annotated[
        _OrderFormat, typer.Option("--format", help="How to write them.")
    ] = _OrderFormat.CSV,
) -> int:
    """Print N orders on standard output."""
    from services.client.generate import (  # noqa: PLC0415 - keeps --help instant
        generate_orders,
        write_csv,
        write_jsonl,
    )

    write = write_jsonl if style is _OrderFormat.JSONL else write_csv
    write(generate_orders(count, seed), data_stream())
    return errors.COMPLETED


if __name__ == "__main__":
    app()
