import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from azure.storage.blob import ContainerClient
from durabletask.entities import EntityInstanceId

from scripts.local_stack import LocalStack
from services.shared.errors import PayloadStoreError
from services.shared.payload_blobs import BlobPlace
from services.shared.payload_files import PayloadMissingError
from services.shared.payload_place import BLOB_TOKEN, BlobContainer
from services.shared.payload_store import CachingPayloadStore
from tests.conformance.hub import Hub
from tests.e2e.conftest import FAST, CommandLine
from tests.e2e.payload_programs import (
    BYTES_MAX,
    asks_box,
    hub_with,
    kinds_of,
    measures,
    passes_on,
    swell,
    worker_store,
    working,
)
from tests.e2e.processes import end, wait_until

HERE: Final = Path(__file__).parent
PARTS: Final = (".npmrc", "package.json", "package-lock.json")
SECONDS_MAX: Final = 180
CONTAINER: Final = "orders"
# The account that Azurite has, and the key that its documentation gives to everybody.
ACCOUNT: Final = "devstoreaccount1"
KEY: Final = (
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
LARGE: Final = {"text": "é" * 1_000_000}


def why_not_installed(folder: Path) -> str | None:
    missing = [name for name in ("node", "npm") if shutil.which(name) is None]
    if missing:
        return f"there is no {' and no '.join(missing)}"
    for part in PARTS:
        shutil.copy(HERE / part, folder)
    installed = subprocess.run(
        ["npm", "ci"],  # noqa: S607 - npm is found on PATH
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    return f"npm ci failed:\n{installed.stderr}" if installed.returncode else None


@pytest.fixture(scope="session")
def account(tmp_path_factory: pytest.TempPathFactory, *, in_ci: bool) -> Iterator[str]:
    """The connection string of a storage account on this machine."""
    folder = tmp_path_factory.mktemp("azurite")
    reason = why_not_installed(folder)
    if reason is not None:
        text = f"no Azurite to test with: {reason}"
        if in_ci:
            pytest.fail(text, pytrace=False)
        pytest.skip(text)
    log = folder / "log"
    command = ["node", "node_modules/azurite/dist/src/blob/main.js", "--blobHost", "127.0.0.1"]
    # A storage SDK may speak a newer version than the last Azurite that runs on this Node.
    command += ["--blobPort", "0", "--inMemoryPersistence", "--skipApiVersionCheck"]
    command += ["--disableTelemetry", "--silent"]
    with log.open("wb") as stream:
        azurite = subprocess.Popen(command, cwd=folder, stdout=stream, stderr=stream)
    try:
        listens = re.compile(r"successfully listens on (http://127\.0\.0\.1:\d+)")
        wait_until(lambda: listens.search(log.read_text()) or azurite.poll() is not None)
        found = listens.search(log.read_text())
        assert found, log.read_text()
        yield (
            f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
            f"BlobEndpoint={found[1]}/{ACCOUNT}"
        )
    finally:
        end(azurite)


@pytest.fixture(scope="session")
def stack(account: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A scheduler and a worker of ours, with the storage account."""
    variables = FAST | {
        "PAYLOAD_STORE": f"{account};Container={CONTAINER}",
        "DTS_TASK_HUB_NAMES": "default,programs",
    }
    logs = tmp_path_factory.mktemp("stack")
    with LocalStack(workers=1, logs=logs, environment=variables, usual_ports=False) as stack:
        yield stack


@pytest.fixture
def place(account: str) -> BlobPlace:
    return BlobPlace(BlobContainer(name=CONTAINER, connection_string=account))


@pytest.fixture
def blobs(account: str) -> Iterator[ContainerClient]:
    """The container itself."""
    with ContainerClient.from_connection_string(account, CONTAINER) as blobs:
        yield blobs


@pytest.fixture
def hub(stack: LocalStack, place: BlobPlace) -> Iterator[Hub]:
    """A task hub of its own, for programs of tests."""
    with hub_with(stack.endpoint, place, "programs") as hub:
        yield hub


@pytest.fixture
def store(place: BlobPlace) -> CachingPayloadStore:
    place.prepare()
    return CachingPayloadStore(place, bytes_max=BYTES_MAX, cache_bytes=1_000_000)


def name_in(token: str) -> str:
    match = BLOB_TOKEN.fullmatch(token)
    assert match
    return match["name"]


def test_orders_above_the_limit_of_the_service_are_processed(
    stack: LocalStack, tmp_path: Path, blobs: ContainerClient
) -> None:
    client = CommandLine(stack.environment)
    orders = tmp_path / "orders.csv"
    orders.write_text(client("generate", 9_000).out)
    ran = client("submit", orders, "--batch-size", 1000, "--json")
    assert ran.code == 0, ran.err
    assert ran.document["orders"] == 9_000
    results = client("results", ran.document["instance_id"], "--format", "csv")
    assert len(results.out.splitlines()) == 9_001
    sizes = {blob.name: blob.size for blob in blobs.list_blobs()}
    assert any(name.startswith(ran.document["instance_id"]) for name in sizes)
    # Compressed on their way.
    assert max(sizes.values()) < 1_000_000


def test_large_payloads_of_every_kind_come_back_as_they_were(hub: Hub, place: BlobPlace) -> None:
    key = Hub.fresh("box")
    with working(hub, worker_store(place)):
        assert hub.ran(passes_on, input=LARGE).get_output() == LARGE
        hub.ran(asks_box, input={"key": key, "operation": "put", "value": LARGE})
        assert hub.ran(asks_box, input={"key": key, "operation": "get"}).get_output() == LARGE
    entity = hub.client.get_entity(EntityInstanceId("box", key))
    assert entity is not None
    assert entity.get_typed_state() == LARGE


@pytest.mark.parametrize("damage", [None, b"", b"no gzip", b"\x1f\x8b\x08\x00half"])
def test_an_input_that_cannot_be_read_fails_its_orchestration_and_is_named(
    hub: Hub, place: BlobPlace, blobs: ContainerClient, damage: bytes | None
) -> None:
    instance_id = hub.client.schedule_new_orchestration(passes_on, input=LARGE)
    with hub_with(hub.endpoint, None, "programs") as bare:
        state = bare.client.get_orchestration_state(instance_id)
        assert state is not None
        token = state.serialized_input or ""
    spoil(blobs, token, damage)
    with working(hub, worker_store(place)):
        state = hub.ended(instance_id)
    assert state.runtime_status.name == "FAILED"
    assert state.failure_details is not None
    assert f"the payload {token} cannot be read: " in state.failure_details.message
    with pytest.raises(PayloadMissingError, match="no such blob" if damage is None else "damaged"):
        state.get_input()


def test_a_result_that_is_missing_fails_who_waits_for_it(
    hub: Hub, place: BlobPlace, blobs: ContainerClient
) -> None:
    instance_id = Hub.fresh()
    with working(hub, worker_store(place), activities=()):
        hub.client.schedule_new_orchestration(measures, input=33_333, instance_id=instance_id)
        hub.until(lambda: "TaskScheduledEvent" in kinds_of(hub, instance_id))
    with working(hub, worker_store(place), orchestrators=(), activities=[swell]):
        hub.until(lambda: list(blobs.list_blob_names(name_starts_with=instance_id)))
    [name] = blobs.list_blob_names(name_starts_with=instance_id)
    blobs.delete_blob(name)
    with working(hub, worker_store(place)):
        state = hub.ended(instance_id)
    assert state.runtime_status.name == "FAILED"
    assert state.failure_details is not None
    assert f"blob:v1:{CONTAINER}:{name} cannot be read" in state.failure_details.message


def test_what_was_read_is_remembered(store: CachingPayloadStore, blobs: ContainerClient) -> None:
    token = store.upload(b"x" * 100_000)
    assert store.download(token) == b"x" * 100_000
    blobs.delete_blob(name_in(token))
    assert store.download(token) == b"x" * 100_000


def test_only_tokens_of_the_own_container_are_looked_for(
    store: CachingPayloadStore, account: str
) -> None:
    elsewhere = BlobPlace(BlobContainer(name="elsewhere", connection_string=account))
    elsewhere.prepare()
    token = elsewhere.upload(b"private", None)
    assert not store.is_known_token(token)
    assert store.is_known_token(store.upload(b"ours"))


@pytest.mark.parametrize("instance_id", ["../../x", "a/b", "@box@key", "é", "x" * 100, " ", "a:1"])
def test_any_instance_id_will_do(store: CachingPayloadStore, instance_id: str) -> None:
    token = store.upload(b"some payload", instance_id=instance_id)
    assert store.is_known_token(token)
    assert store.download(token) == b"some payload"


def test_a_wrong_key_is_told_without_it(account: str) -> None:
    wrong = re.sub(r"AccountKey=[^;]*", "AccountKey=d3Jvbmc=", account)
    with pytest.raises(PayloadStoreError, match=r"blob container orders cannot be used") as told:
        BlobPlace(BlobContainer(name=CONTAINER, connection_string=wrong)).prepare()
    assert "d3Jvbmc=" not in str(told.value)


@pytest.mark.parametrize(
    "text", ["x=y", "AccountName=x;AccountKey=no base64!;BlobEndpoint=http://127.0.0.1:1/x"]
)
def test_a_connection_string_of_no_use_is_told(text: str) -> None:
    with pytest.raises(PayloadStoreError, match="PAYLOAD_STORE says where it is"):
        BlobPlace(BlobContainer(name=CONTAINER, connection_string=text)).prepare()


def test_an_account_that_cannot_be_reached_is_told_where_a_worker_starts(account: str) -> None:
    nobody = re.sub(r"http://127\.0\.0\.1:\d+", "http://127.0.0.1:1", account)
    with pytest.raises(PayloadStoreError, match=r"container orders cannot be used: .* refused"):
        BlobPlace(BlobContainer(name=CONTAINER, connection_string=nobody)).prepare()


def spoil(blobs: ContainerClient, token: str, damage: bytes | None) -> None:
    if damage is None:
        blobs.delete_blob(name_in(token))
    else:
        blobs.upload_blob(name_in(token), damage, overwrite=True)
