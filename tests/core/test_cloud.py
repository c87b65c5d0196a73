"""A whole cloud's life: start and stop, restart, reset, metering."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from haneul.clock import HOUR, SECOND, Clock
from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.ports import Shape
from haneul.store.keys import pack
from haneul.store.port import Transaction
from tests.core.conftest import SERVICES
from tests.core.test_pipeline import fake
from tests.support.running import ACCOUNT, REGION, Running

KEY = pack(("test", "row"))


def keep_row(cloud: Running, value: bytes) -> None:
    def work(tx: Transaction) -> None:
        tx.put(KEY, value)

    cloud.run(cloud.app.cloud.store.transact(work))


def usage(cloud: Running) -> dict[tuple[str, str], int]:
    meter: Any = cloud.app.cloud.usage
    cloud.run(meter.flush())
    return dict(meter.total(ACCOUNT))


def test_state_survives_a_restart(tmp_path: Path) -> None:
    """Because stopping is not forgetting."""
    running = Running(services=SERVICES, data_dir=tmp_path).start()
    keep_row(running, b"kept")
    running.client("iam").create_user(UserName="stays")
    root = running.app.root_key
    running.stop()
    running.start()
    assert running.app.cloud.store.get(KEY) == b"kept"
    assert running.client("iam").get_user(UserName="stays")["User"]["UserName"] == "stays"
    assert running.app.root_key == root
    running.stop()


def test_a_restart_goes_on_with_the_clock(tmp_path: Path) -> None:
    """Because what was due tomorrow must not be due yesterday after a restart."""
    running = Running(services=SERVICES, data_dir=tmp_path, frozen=False).start()
    running.advance("35d")
    ahead = running.clock.now() - Clock.machine_now()
    running.stop()
    again = Running(services=SERVICES, data_dir=tmp_path, frozen=False).start()
    assert again.app.cloud.clock.offset == running.clock.offset
    assert abs(again.clock.now() - Clock.machine_now() - ahead) < SECOND
    again.stop()


def test_temporary_credentials_survive_a_restart(tmp_path: Path) -> None:
    """Because the token carries all, and the vault's key stays."""
    running = Running(services=SERVICES, data_dir=tmp_path).start()
    keys = running.client("sts").get_session_token()["Credentials"]
    running.stop()
    running.start()
    client = running.client("sts", key=keys["AccessKeyId"], secret=keys["SecretAccessKey"], token=keys["SessionToken"])
    assert client.get_caller_identity()["Account"] == ACCOUNT
    running.stop()


def test_services_are_started_and_stopped_once(tmp_path: Path) -> None:
    """Because background work begun twice does everything twice."""
    running = Running(services=SERVICES, data_dir=tmp_path).start()
    service = fake(running, "kinesis")
    assert service.events == ["start"]
    running.stop()
    assert service.events == ["start", "end waits", "stop"]


def test_long_waits_are_answered_when_the_cloud_stops(tmp_path: Path) -> None:
    """Because a client that polls for 20 seconds must not hold up a stop, nor be cut off by it."""
    running = Running(services=SERVICES, data_dir=tmp_path).start()
    service = fake(running, "kinesis")
    waiting, over = threading.Event(), asyncio.Event()
    service.end_waits = lambda: over.set()

    async def wait(call: Call, request: Shape) -> Shape:
        waiting.set()
        await over.wait()
        return {"StreamNames": ["answered"], "HasMoreStreams": False}

    service.behave = wait
    client = running.client("kinesis")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.list_streams)
        assert waiting.wait(10)
        running.stop()
        assert answer.result(5)["StreamNames"] == ["answered"]


# ---- reset


def test_a_reset_forgets_everything_but_the_keys(alone: Running) -> None:
    """Because the next test wants an empty cloud at the same address, with the credentials that its shell has."""
    keep_row(alone, b"gone")
    alone.client("iam").create_user(UserName="gone")
    root = alone.app.root_key
    (alone.data_dir / "blobs" / "ab").mkdir(parents=True, exist_ok=True)
    (alone.data_dir / "blobs" / "ab" / "left").write_bytes(b"x")
    alone.run(alone.app.reset())
    assert alone.app.cloud.store.get(KEY) is None and alone.client("iam").list_users()["Users"] == []
    assert fake(alone, "kinesis").events == ["start", "stop", "start"]
    assert list((alone.data_dir / "blobs").iterdir()) == []
    own = alone.client("sts", key=root[0], secret=root[1])
    assert own.get_caller_identity()["Arn"] == f"arn:aws:iam::{ACCOUNT}:root"


def test_a_cloud_that_was_reset_starts_again(alone: Running) -> None:
    """What is kept over a reset must not look like a data directory of another layout."""
    alone.run(alone.app.reset())
    alone.stop()
    alone.start()
    assert alone.client("iam").list_users()["Users"] == []


def test_a_reset_keeps_the_clock(alone: Running) -> None:
    """Because time does not run backwards under a client's feet."""
    alone.advance("2h")
    before = alone.clock.now()
    alone.run(alone.app.reset())
    assert alone.clock.now() >= before


def test_a_reset_drops_what_was_promised(alone: Running) -> None:
    """Because a timer of a forgotten resource would act on nothing, or on its successor."""
    done: list[Shape] = []

    async def handle(payload: Shape) -> None:
        done.append(payload)

    outbox = alone.app.cloud.outbox
    outbox.handle("test", handle)
    due = alone.clock.now() + HOUR
    alone.run(alone.app.cloud.store.transact(lambda tx: outbox.put(tx, "test", {"a": 1}, due=due)))
    alone.run(alone.app.reset())
    alone.advance("2h")
    assert done == []
    alone.run(alone.app.cloud.store.transact(lambda tx: outbox.put(tx, "test", {"a": 2})))
    alone.settle()
    assert done == [{"a": 2}]


def test_blobs_can_be_written_after_a_reset(alone: Running) -> None:
    """Because a reset removes the folders that a running process had made."""
    blobs = alone.app.cloud.blobs

    async def write() -> str:
        writer = await blobs.create()
        writer.write(b"x")
        blob = await writer.finish()
        await alone.app.cloud.store.transact(lambda tx: blobs.adopt(tx, blob))
        return blob

    for _ in range(40):  # The first digits of ids are the folders: some come again.
        alone.run(write())
    alone.run(alone.app.reset())
    for _ in range(40):
        assert blobs.open(alone.run(write())).read(0, 1) == b"x"


# ---- metering


def test_requests_and_errors_are_counted(alone: Running) -> None:
    """Because metrics and the bill are made of these counts, and a restart must not lose them."""
    client = alone.client("kinesis")
    for _ in range(3):
        client.list_streams()

    async def fail(call: Call, request: Shape) -> None:
        raise ServiceError("LimitExceededException", "", 400)

    fake(alone, "kinesis").behave = fail
    with pytest.raises(ClientError):
        client.list_streams()
    counted = usage(alone)
    assert (counted["kinesis", "Requests"], counted["kinesis", "Errors"]) == (3, 1)


def test_an_error_inside_is_counted(alone: Running) -> None:
    """Because it is the kind of error that a metric is watched for."""

    async def fail(call: Call, request: Shape) -> None:
        raise RuntimeError("deliberate")

    fake(alone, "kinesis").behave = fail
    with pytest.raises(ClientError):
        alone.client("kinesis").list_streams()
    assert usage(alone)["kinesis", "Errors"] == 1


def test_counts_survive_a_restart(tmp_path: Path) -> None:
    """Because the bill is for the month, not for the process."""
    running = Running(services=SERVICES, data_dir=tmp_path).start()
    running.client("kinesis").list_streams()
    running.stop()
    running.start()
    running.client("kinesis").list_streams()
    assert usage(running)["kinesis", "Requests"] == 2
    running.stop()


def test_counts_are_kept_by_the_minute(alone: Running) -> None:
    """Because CloudWatch's finest usual period is one minute."""
    meter: Any = alone.app.cloud.usage
    begin = alone.clock.now()
    for _ in range(2):
        alone.client("kinesis").list_streams()
        alone.run(meter.flush())
        alone.advance("1m")
    rows = [row for row in meter.read(ACCOUNT, REGION, begin, alone.clock.now()) if row[1] == "kinesis"]
    assert [(row[2], row[3], row[4]) for row in rows] == [("Requests", "ListStreams", 1)] * 2
    assert rows[1][0] - rows[0][0] == 60 * SECOND


def test_accounts_are_counted_apart(alone: Running) -> None:
    """Because each pays its own bill."""
    alone.client("kinesis", key="123456789012").list_streams()
    assert usage(alone).get(("kinesis", "Requests")) is None
    meter: Any = alone.app.cloud.usage
    assert meter.total("123456789012")["kinesis", "Requests"] == 1
