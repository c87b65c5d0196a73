"""Global tables against an oracle, and against crashes."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haneul.clock import Clock
from haneul.core.caller import Caller
from haneul.core.errors import ServiceError
from haneul.services.dynamodb.replication import backfill, delivery
from haneul.services.dynamodb.service import DynamoDb
from haneul.store.layout import STORE
from tests.dynamodb.support import make_table, s
from tests.store.crashed import copy_as_crashed
from tests.support.running import ACCOUNT, Running
from tests.support.stores import Overlaid

REGIONS = ("us-east-1", "us-west-2", "eu-west-1")
ROOT = Caller(kind="root", account=ACCOUNT, arn=f"arn:aws:iam::{ACCOUNT}:root", principal_id=ACCOUNT)
SERVICES: list[type] = [DynamoDb]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with Running(services=SERVICES) as running:
        yield running


def call(cloud: Running, operation: str, region: str, **request: Any) -> Any:
    """One operation from inside: the requests are many, and the wire is not what is looked at here."""
    return cloud.run(cloud.app.cloud.invoke(f"dynamodb:{operation}", request, caller=ROOT, region=region))


def items(cloud: Running, name: str, region: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    start: dict[str, Any] = {}
    while True:
        page = call(cloud, "Scan", region, TableName=name, **start)
        found.update({item["pk"]["S"]: item.get("v", {}).get("S") for item in page["Items"]})
        if "LastEvaluatedKey" not in page:
            return found
        start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def save(cloud: Running, to: Path) -> None:
    """What a crash at this moment leaves: all that was committed, and nothing else."""
    copy_as_crashed(cloud.data_dir / STORE, to / STORE)
    shutil.copy(cloud.data_dir / "vault.key", to)


def reopened(data_dir: Path, clock: Clock) -> Running:
    running = Running(data_dir=data_dir, services=SERVICES)
    running.clock = Clock(frozen_at=clock.now())
    return running


# ---- the oracle: of every item, the version with the greatest time, and of those the one of the last region by name

WRITE = st.tuples(st.sampled_from(("put", "delete")), st.sampled_from(REGIONS), st.sampled_from(("a", "b", "c", "d")))
LINK = st.tuples(st.sampled_from(("cut", "heal")), st.sampled_from(REGIONS), st.sampled_from(("", *REGIONS)))
STEP = st.tuples(st.just("wait"), st.sampled_from(("1ms", "150ms", "150ms", "1s", "1s", "25h")), st.just(""))


class Oracle:
    """Who wrote each item last."""

    def __init__(self) -> None:
        self.own: dict[tuple[str, str], int] = {}
        self.winners: dict[str, tuple[int, str, str | None]] = {}

    def write(self, region: str, pk: str, now: int, value: str | None) -> None:
        moment = self.own[region, pk] = max(now, self.own.get((region, pk), 0) + 1)
        self.winners[pk] = max(self.winners.get(pk, (0, "", None)), (moment, region, value), key=lambda one: one[:2])

    def items(self) -> dict[str, str]:
        return {pk: value for pk, (_, _, value) in self.winners.items() if value is not None}


def perform(cloud: Running, name: str, oracle: Oracle, number: int, step: tuple[str, str, str]) -> None:
    kind, where, what = step
    links = cloud.app.cloud.links
    if kind == "wait":
        cloud.advance(where)
    elif kind == "cut" and where != what:
        cloud.run(links.cut(where, what))
    elif kind == "heal":
        cloud.run(links.heal(where, what))
    elif kind == "put":
        call(cloud, "PutItem", where, TableName=name, Item={"pk": s(what), "v": s(str(number))})
        oracle.write(where, what, cloud.clock.now(), str(number))
    elif kind == "delete" and "Attributes" in call(cloud, "DeleteItem", where, TableName=name, Key={"pk": s(what)}, ReturnValues="ALL_OLD"):
        # The deletion of what is not there is no write, here as in the real service.
        oracle.write(where, what, cloud.clock.now(), None)


def converge(cloud: Running, name: str, oracle: Oracle) -> None:
    """With all regions together again, all hold what the oracle says."""
    cloud.run(cloud.app.cloud.links.heal())
    cloud.advance("2s")
    for region in REGIONS:
        assert items(cloud, name, region) == oracle.items(), region
        assert call(cloud, "DescribeTable", region, TableName=name)["Table"]["ItemCount"] == len(oracle.items())


def make_global(cloud: Running) -> str:
    name = make_table(cloud)
    for region in REGIONS[1:]:
        call(cloud, "UpdateTable", REGIONS[0], TableName=name, ReplicaUpdates=[{"Create": {"RegionName": region}}])
        cloud.advance("1s")
    return name


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(WRITE, WRITE, LINK, STEP), min_size=3, max_size=25))
def test_all_regions_end_as_the_oracle_says(cloud: Running, steps: list[tuple[str, str, str]]) -> None:
    """Random writes, cuts, healings and steps of the clock on three regions: whatever happens, all end with the last writer's items."""
    name = make_global(cloud)
    oracle = Oracle()
    for number, step in enumerate(steps):
        perform(cloud, name, oracle, number, step)
    converge(cloud, name, oracle)


CHANGE = st.tuples(st.sampled_from(("add", "remove")), st.sampled_from(REGIONS[1:]), st.sampled_from(("", "1ms")))


def change(cloud: Running, name: str, kind: str, region: str) -> None:
    """Add or remove a replica, if that can be done now."""
    update = {"Create" if kind == "add" else "Delete": {"RegionName": region}}
    try:
        call(cloud, "UpdateTable", REGIONS[0], TableName=name, ReplicaUpdates=[update])
    except ServiceError as error:
        assert error.code in ("ValidationException", "ResourceInUseException"), error


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.one_of(WRITE, WRITE, LINK, CHANGE, STEP), min_size=3, max_size=30))
def test_replicas_that_come_and_go_lose_nothing(cloud: Running, steps: list[tuple[str, str, str]]) -> None:
    """Replicas are added and removed at any time, between writes and cuts: no write that was answered is lost, and no deleted item comes back."""
    name = make_table(cloud)
    oracle = Oracle()
    for number, step in enumerate(steps):
        kind, region, what = step
        if kind in ("add", "remove"):
            change(cloud, name, kind, region)
            cloud.advance(what or "1s")
            continue
        try:
            perform(cloud, name, oracle, number, step)
        except ServiceError as error:  # There is no replica in this region, or not yet.
            assert error.code == "ResourceNotFoundException", error
    cloud.run(cloud.app.cloud.links.heal())
    cloud.advance("2s")
    table = call(cloud, "DescribeTable", REGIONS[0], TableName=name)["Table"]
    assert table["TableStatus"] == "ACTIVE"
    for region in (REGIONS[0], *(replica["RegionName"] for replica in table.get("Replicas", ()))):
        assert items(cloud, name, region) == oracle.items(), region


@settings(max_examples=6, deadline=None)
@given(steps=st.lists(st.one_of(WRITE, WRITE, LINK, STEP), min_size=8, max_size=25), crash=st.integers(2, 8))
def test_crashes_lose_nothing(steps: list[tuple[str, str, str]], crash: int) -> None:
    """The same with a crash in the middle: what was answered before it is there afterwards, and travels on."""
    oracle = Oracle()
    with tempfile.TemporaryDirectory() as directory:
        with Running(services=SERVICES) as first:
            name = make_global(first)
            for number, step in enumerate(steps[:crash]):
                perform(first, name, oracle, number, step)
            save(first, Path(directory) / "saved")
            clock = first.clock
        with reopened(Path(directory) / "saved", clock) as second:
            for number, step in enumerate(steps[crash:], crash):
                perform(second, name, oracle, number, step)
            converge(second, name, oracle)


# ---- crashes within the background's own steps


def saving(cloud: Running, at: set[int], directory: Path) -> list[Path]:
    """Save what a crash would leave just before the numbered transactions from now on."""
    saved: list[Path] = []
    store = cloud.app.cloud.store
    transact = store.transact
    count = 0

    async def counted(work: Any) -> Any:
        nonlocal count
        count += 1
        if count in at:
            saved.append(directory / str(count))
            save(cloud, saved[-1])
        return await transact(work)

    cloud.app.cloud.store = Overlaid(store, transact=counted)  # type: ignore[assignment]
    return saved


def test_a_crash_while_a_replica_is_filled_and_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A crash before any of its steps: the filling goes on where it was, and ends with all items; so does the end of a replica."""
    monkeypatch.setattr(backfill, "_CHUNK", 5)
    monkeypatch.setattr(delivery, "_CHUNK", 5)
    with Running(services=SERVICES) as cloud:
        name = make_table(cloud)
        for at in range(23):
            call(cloud, "PutItem", REGIONS[0], TableName=name, Item={"pk": s(str(at))})
        call(cloud, "UpdateTable", REGIONS[0], TableName=name, ReplicaUpdates=[{"Create": {"RegionName": REGIONS[1]}}])
        saved = saving(cloud, {1, 3, 6}, tmp_path)
        cloud.advance("1s")
        assert len(items(cloud, name, REGIONS[1])) == 23
        for at in range(23, 40):
            call(cloud, "PutItem", REGIONS[1], TableName=name, Item={"pk": s(str(at))})
        call(cloud, "UpdateTable", REGIONS[0], TableName=name, ReplicaUpdates=[{"Delete": {"RegionName": REGIONS[1]}}])
        cloud.app.cloud.store = cloud.app.cloud.store.store  # type: ignore[attr-defined]
        saved_later = saving(cloud, {2, 4}, tmp_path / "later")
        cloud.advance("1s")
        clock = cloud.clock
    for directory in saved:
        with reopened(directory, clock) as again:
            again.advance("1s")
            assert len(items(again, name, REGIONS[1])) == 23
            table = call(again, "DescribeTable", REGIONS[0], TableName=name)["Table"]
            assert (table["TableStatus"], table["Replicas"][0]["ReplicaStatus"]) == ("ACTIVE", "ACTIVE")
    for directory in saved_later:
        with reopened(directory, clock) as again:
            again.advance("1s")
            assert len(items(again, name, REGIONS[0])) == 40
            assert "Replicas" not in call(again, "DescribeTable", REGIONS[0], TableName=name)["Table"]
    assert len(saved) == 3 and len(saved_later) == 2


def test_nothing_is_left_behind() -> None:
    """After the tombstones' time only the items' own versions are kept, and after the last replica's end not even those."""
    with Running(services=SERVICES) as cloud:
        store = cloud.app.cloud.store
        name = make_global(cloud)
        for region in REGIONS:
            call(cloud, "PutItem", region, TableName=name, Item={"pk": s(region)})
        cloud.advance("1s")
        for region in REGIONS[1:]:
            call(cloud, "DeleteItem", REGIONS[0], TableName=name, Key={"pk": s(region)})
        cloud.advance("1s")
        before = len(kept(store))
        cloud.advance("3d")
        assert before - len(kept(store)) == 3 * (2 * 2 + 1)  # In each region two versions, two tombstones, and the mark that they are looked after.
        for region in REGIONS[1:]:
            call(cloud, "UpdateTable", REGIONS[0], TableName=name, ReplicaUpdates=[{"Delete": {"RegionName": region}}])
            cloud.advance("1s")
        assert kept(store) == []


def kept(store: Any) -> list[bytes]:
    return [key for key, _ in store.range(b"\x02dynamodb-replica", b"\x02dynamodb-replicb")] + [
        key for key, _ in store.range(b"\x02dynamodb-global", b"\x02dynamodb-globam")
    ]


# ---- strong consistency: an acknowledged write is what every consistent read sees, until the next one

STRONG_REGIONS = ("us-east-1", "us-east-2", "us-west-2")
STRONG_STEP = st.tuples(st.sampled_from(("put", "put", "delete", "read", "read", "cut", "heal")), st.sampled_from(STRONG_REGIONS), st.sampled_from(("", *STRONG_REGIONS)))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(STRONG_STEP, min_size=3, max_size=30), witness=st.booleans())
def test_consistent_reads_see_the_last_acknowledged_write(cloud: Running, steps: list[tuple[str, str, str]], witness: bool) -> None:
    """Whatever is cut and healed, one item in three regions behaves as one item in one place, or does not answer; healed, all regions answer alike."""
    name = make_table(cloud)
    more: dict[str, Any] = {"GlobalTableWitnessUpdates": [{"Create": {"RegionName": STRONG_REGIONS[2]}}]} if witness else {}
    replicas = STRONG_REGIONS[1:2] if witness else STRONG_REGIONS[1:]
    creates = [{"Create": {"RegionName": region}} for region in replicas]
    call(cloud, "UpdateTable", STRONG_REGIONS[0], TableName=name, ReplicaUpdates=creates, MultiRegionConsistency="STRONG", **more)
    cloud.advance("1s")
    links = cloud.app.cloud.links
    key = {"pk": s("k")}
    current: str | None = None

    def read(region: str) -> str | None:
        item = call(cloud, "GetItem", region, TableName=name, Key=key, ConsistentRead=True).get("Item")
        return item["v"]["S"] if item is not None else None

    for number, (kind, region, other) in enumerate(steps):
        if kind == "cut" and region != other:
            cloud.run(links.cut(region, other))
        elif kind == "heal":
            cloud.run(links.heal(region, other))
            cloud.settle()
        elif kind in ("put", "delete", "read") and region in (STRONG_REGIONS[0], *replicas):
            try:
                if kind == "read":
                    assert read(region) == current
                elif kind == "put":
                    call(cloud, "PutItem", region, TableName=name, Item={**key, "v": s(str(number))})
                    current = str(number)
                else:
                    call(cloud, "DeleteItem", region, TableName=name, Key=key)
                    current = None
            except ServiceError as error:
                assert error.code == "InternalServerError"
    cloud.run(links.heal())
    cloud.settle()
    assert {read(region) for region in (STRONG_REGIONS[0], *replicas)} == {current}
