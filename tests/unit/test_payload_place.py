from pathlib import Path

import pytest

from services.client.settings import ClientSettings
from services.shared.connection import read_connection
from services.shared.environment import Environment
from services.shared.errors import SettingsError
from services.shared.payload_place import (
    BLOB_TOKEN,
    BlobContainer,
    PayloadSettings,
    Place,
    read_payload_place,
    read_payload_settings,
)
from services.worker.settings import WorkerSettings
from tests.tidy.repository import ROOT

ACCOUNT = "DefaultEndpointsProtocol=https;AccountName=shop;AccountKey=c2VjcmV0;"
HTTPS = "https://orders.westus2.durabletask.io"


def read(**values: str) -> PayloadSettings:
    environment = Environment(values)
    settings = read_payload_settings(environment, read_connection(environment))
    environment.check()
    return settings


def place(text: str) -> Place:
    return read(PAYLOAD_STORE=text).place


def test_a_scheduler_on_this_machine_shares_a_directory_of_the_checkout() -> None:
    assert read().place == ROOT / "data" / "payloads"
    assert read(ENDPOINT="http://127.0.0.1:9").place == ROOT / "data" / "payloads"
    assert read(SCHEDULER_DATA_DIR="/var/tasks").place == Path("/var/tasks/payloads")
    assert read_payload_place(Environment({}), Path("data/payloads")) == Path("data/payloads")


def test_containers_share_a_volume() -> None:
    in_container = {"RUNS_IN_CONTAINER": "1"}
    assert read(**in_container).place == Path("/payloads")
    assert read_payload_place(Environment(in_container), Path("data")) == Path("/payloads")


@pytest.mark.parametrize(
    "variables",
    [
        {"ENDPOINT": HTTPS},
        {"ENDPOINT": HTTPS, "RUNS_IN_CONTAINER": "1"},
        {"ENDPOINT": "http://elsewhere:8080"},
        {"PAYLOAD_STORE": "none"},
        {"PAYLOAD_STORE": "None", "RUNS_IN_CONTAINER": "1"},
    ],
)
def test_a_scheduler_elsewhere_has_no_payload_store_until_one_is_named(
    variables: dict[str, str],
) -> None:
    assert read(**variables).place is None


def test_every_service_reads_the_same_place() -> None:
    environment = Environment({"PAYLOAD_STORE": "some/where"})
    places = {
        WorkerSettings.read(environment).payloads.place,
        ClientSettings.read(environment).payloads.place,
        read_payload_place(environment, Path("data")),
    }
    assert places == {ROOT / "some" / "where"}


def test_a_directory_is_named_from_the_root_or_from_the_checkout() -> None:
    assert place("/var/payloads") == Path("/var/payloads")
    assert place("data/large ones") == ROOT / "data" / "large ones"
    assert place("/var/a:b=c") == Path("/var/a:b=c")
    assert place("./a:b=c") == ROOT / "a:b=c"


def test_a_blob_container_is_named_by_its_address() -> None:
    assert place("https://shop.blob.core.windows.net/orders-1") == BlobContainer(
        name="orders-1", account_url="https://shop.blob.core.windows.net"
    )
    assert place("https://127.0.0.1:10000/devstoreaccount1/orders/") == BlobContainer(
        name="orders", account_url="https://127.0.0.1:10000/devstoreaccount1"
    )


def test_a_blob_container_is_named_by_a_connection_string_with_its_name() -> None:
    assert place(f"{ACCOUNT}Container=orders") == BlobContainer(
        name="orders", connection_string=ACCOUNT.rstrip(";")
    )
    found = place("container=orders;BlobEndpoint=http://127.0.0.1:10000/a;AccountKey=x=;")
    assert found == BlobContainer(
        name="orders", connection_string="BlobEndpoint=http://127.0.0.1:10000/a;AccountKey=x="
    )


@pytest.mark.parametrize(
    "text",
    [
        "http://shop.blob.core.windows.net/orders",
        "https://shop.blob.core.windows.net",
        "https://shop.blob.core.windows.net/Orders",
        "https://shop.blob.core.windows.net/or--ders",
        "https://shop.blob.core.windows.net/a/b/orders",
        "https://me:secret@shop.blob.core.windows.net/orders",
        "https://shop.blob.core.windows.net:port/orders",
        "https:///orders",
        "s3://bucket/orders",
        "file:///payloads",
        ACCOUNT,
        f"{ACCOUNT}Container=",
        f"{ACCOUNT}Container=a;Container=b",
        "AccountKey=c2VjcmV0;Container=orders",
        "AccountName=shop;Container=orders",
        "a\0b",
        "~/payloads",
        "s3:bucket",
        "AccountName=x",
        "shop.blob.core.windows.net/orders",
    ],
)
def test_anything_else_is_refused_with_what_is_allowed(text: str) -> None:
    with pytest.raises(SettingsError, match="an Azure Blob container") as refused:
        place(text)
    assert [problem.name for problem in refused.value.problems] == ["PAYLOAD_STORE"]


@pytest.mark.parametrize(
    "text",
    [
        ACCOUNT,
        "BlobEndpoint=https://x;sharedaccesssignature=sig=c2VjcmV0&x",
        "https://shop.blob.core.windows.net/orders?sv=1&sig=c2VjcmV0",
    ],
)
def test_no_secret_is_ever_told(text: str) -> None:
    with pytest.raises(SettingsError) as refused:
        place(text)
    assert "c2VjcmV0" not in str(refused.value)
    assert "c2VjcmV0" not in repr(place(f"{ACCOUNT}Container=orders"))


def test_the_limit_for_one_payload_is_the_services_own_or_the_stores() -> None:
    assert read(PAYLOAD_STORE="none").payload_bytes_max == 1_048_576
    assert read().payload_bytes_max == 104_857_600
    assert read(PAYLOAD_STORE_BYTES_MAX="2000000").payload_bytes_max == 2_000_000
    assert "PAYLOAD_STORE " in read(PAYLOAD_STORE="none").advice
    assert "PAYLOAD_STORE_BYTES_MAX" in read().advice


@pytest.mark.parametrize("text", ["0", "1048575", "1073741825", "-1", "100 MB"])
def test_the_limit_is_a_number_of_bytes_from_one_mebibyte_to_one_gibibyte(text: str) -> None:
    with pytest.raises(SettingsError, match="PAYLOAD_STORE_BYTES_MAX"):
        read(PAYLOAD_STORE_BYTES_MAX=text)


def test_a_blob_token_is_its_text_as_a_whole() -> None:
    assert BLOB_TOKEN.fullmatch("blob:v1:orders:main-1:0001/0123456789abcdef")
    for text in ("blob:v1:orders:", "blob:v1:O:x", "blob:v1:orders:a\nb", ' "blob:v1:orders:a"'):
        assert BLOB_TOKEN.fullmatch(text) is None
