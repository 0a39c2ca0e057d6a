"""What reads text and bytes by itself: order files, settings, tokens, answers that are broken."""

import json
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Final, Self

from google.protobuf.message import DecodeError

from services.client.csv_orders import read_csv
from services.client.json_orders import read_json, read_jsonl
from services.client.order_problems import BrokenOrdersError
from services.client.order_rows import check_rows
from services.client.order_text import decode
from services.client.settings import ClientSettings
from services.dashboard.settings import DashboardSettings
from services.scheduler.edge.salvage import text_field
from services.scheduler.engine.protos import pb
from services.scheduler.errors import BadRequestError
from services.scheduler.hub.cursors import position
from services.scheduler.settings import SchedulerSettings
from services.shared.environment import Environment
from services.shared.errors import SettingsError
from services.shared.json_text import NoOrdersError, OrdersText
from services.shared.payload_files import PayloadFiles
from services.shared.payload_place import BLOB_TOKEN
from services.worker.settings import WorkerSettings
from tests.fuzz.seeds import seeds_of
from tests.fuzz.torn import torn
from tests.fuzz.violation import Violation

_FIELDS: Final = "order_id,customer,sku,quantity,unit_price,currency"
_ORDER: Final = (
    '{"order_id":"A1","customer":"Ada","sku":"TEA","quantity":3,"unit_price":"24.50",'
    '"currency":"EUR"}'
)
_SERVICES: Final = (ClientSettings, DashboardSettings, SchedulerSettings, WorkerSettings)
_SETTINGS: Final = (
    "DTS_TASK_HUB_NAMES=default,a", "SCHEDULER_HTTP_HOSTS=a.example", "SCHEDULER_HOST=0.0.0.0",
    "SCHEDULER_GRPC_PORT=0", "SCHEDULER_RETENTION_DAYS=never", "LOG_LEVEL=info", "LOG_FORMAT=json",
    "ENDPOINT=http://localhost:8080", "ENDPOINT=https://a.westus2.durabletask.io", "TASKHUB=a",
    "PAYLOAD_STORE=./payloads", "PAYLOAD_STORE=https://a.blob.core.windows.net/things",
    "PAYLOAD_STORE=AccountName=a;AccountKey=b==;BlobEndpoint=http://h:1/a;Container=things",
    "SCHEDULER_HTTP_ENDPOINT=http://[::1]:8081", "FAILURE_RATE=0.5", "PROCESSING_MS=20",
    "RUNS_IN_CONTAINER=1", "CLIENT_INVOCATION=make", "WORKER_GRACE_SECONDS=30",
)  # fmt: skip


class Texts:
    """Bytes for one reader. `read` gives what they came to, and raises `Violation`."""

    def __init__(self, read: Callable[[bytes], str], seeds: list[bytes]) -> None:
        self._read = read
        self._seeds = seeds

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        """Nothing was opened."""

    def seeds(self) -> list[bytes]:
        """What it reads well."""
        return self._seeds

    def mutate(self, data: bytes, dice: random.Random) -> bytes:
        """The same with pieces missing, repeated or replaced."""
        return torn(data, dice)

    def run(self, data: bytes) -> str:
        """Reads them."""
        return self._read(data)


def _orders(reader: Callable[..., object]) -> Callable[[bytes], str]:
    def read(data: bytes) -> str:
        try:
            orders, problems = check_rows(reader(decode(data)))  # type: ignore[arg-type]  # one of the three
        except BrokenOrdersError as error:
            orders, problems = (), ()
            _printable(str(error))
        for problem in problems:
            _printable(str(problem))
        for order in orders:
            if not Decimal("0.01") <= order.unit_price <= Decimal(1_000_000):
                raise Violation(f"an order costs {order.unit_price}")
            if not 1 <= order.quantity <= 1_000_000:
                raise Violation(f"an order is of {order.quantity}")
        if len({order.order_id for order in orders}) != len(orders):
            raise Violation("two orders have one id")
        return f"{min(len(orders), 3)} orders, {min(len(problems), 3)} problems"

    return read


def _printable(text: str) -> None:
    if not text.isprintable():
        raise Violation(f"a terminal is told {text[:200]!r}")


def _parts(data: bytes) -> str:
    """Cuts the orders of a payload: what comes out is what JSON says is in there."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return "no text"
    try:
        orders = OrdersText(text)
    except NoOrdersError:
        return "no orders"
    cut = json.loads(orders.cut(range(len(orders)), orders.fields).text)
    if cut["orders"] != json.loads(text)["orders"]:
        raise Violation("orders that were cut are not those of the payload")
    return f"{min(len(orders), 3)} orders"


def _settings(data: bytes) -> str:
    """Reads all services' settings from lines of `NAME=VALUE`."""
    lines = data.decode(errors="surrogateescape").split("\n")
    values = dict(line.partition("=")[::2] for line in lines)
    refused = 0
    for service in _SERVICES:
        try:
            service.read(Environment(values))
        except SettingsError as error:
            refused += 1
            if not error.problems:
                raise Violation("settings are refused without a reason") from error
    return f"{refused} refuse"


def _token(data: bytes) -> str:
    """A payload's text never leads out of the payload directory."""
    text = data.decode(errors="replace")
    files = PayloadFiles(Path("/nowhere"))
    blob = BLOB_TOKEN.fullmatch(text)
    try:
        path = files.path(text)
    except ValueError:
        return "a blob" if blob else "no token"
    if path.parent.parent != files.directory or ".." in path.parts:
        raise Violation(f"the token {text!r} leads to {path}")
    return "a file"


def _cursor(data: bytes) -> str:
    """A continuation token is one of ours, or refused."""
    try:
        found = position(data.decode(errors="surrogateescape"), (str, int))
    except BadRequestError:
        return "refused"
    if found is not None and [type(part) for part in found] != [str, int]:
        raise Violation(f"a cursor holds {found!r}")
    return "taken" if found else "none"


def _answer(data: bytes) -> str:
    """The token that is found in a broken answer is that of the whole one."""
    found = text_field(data, 5)
    try:
        message = pb.ActivityResponse.FromString(data)
    except DecodeError:
        return "broken, with a token" if found else "broken"
    if (found or "") != message.completionToken:
        raise Violation(f"{found!r} was found, and the token is {message.completionToken!r}")
    return "whole, with a token" if found else "whole"


def _csv(*rows: str) -> bytes:
    return "\n".join((_FIELDS, *rows, "")).encode()


def _answers() -> list[bytes]:
    token = pb.ActivityResponse(completionToken="a1.2-00000000-3").SerializeToString()
    return [seed.SerializeToString() + token for seed in seeds_of("CompleteActivityTask")]


TEXTS_READ: Final[dict[str, Callable[[], Texts]]] = {
    "orders-csv": lambda: Texts(
        _orders(read_csv), [_csv("A1,Ada,TEA,3,24.50,EUR", 'A2,"L, Bob",TEA,1,0.01,USD')]
    ),
    "orders-json": lambda: Texts(
        _orders(read_json), [f"[{_ORDER}]".encode(), f'{{"orders":[{_ORDER}]}}'.encode()]
    ),
    "orders-jsonl": lambda: Texts(
        _orders(read_jsonl), [f"{_ORDER}\n{_ORDER.replace('A1', 'A2')}\n".encode()]
    ),
    "orders-cut": lambda: Texts(_parts, [f'{{"orders":[{_ORDER},{{}}],"batch_size":10}}'.encode()]),
    "settings": lambda: Texts(_settings, ["\n".join(_SETTINGS).encode()] + [
        setting.encode() for setting in _SETTINGS
    ]),
    "tokens": lambda: Texts(
        _token, [b"file:v1:" + b"0" * 64, b"blob:v1:things:name/of/it", b"file:v1:../../etc"]
    ),
    "cursors": lambda: Texts(_cursor, [b"WyJhIiwxXQ==", b"W10=", b""]),
    "broken-answers": lambda: Texts(_answer, _answers()),
}  # fmt: skip
