"""Items expire by the clock."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from haneul.core.caller import Caller
from haneul.services.dynamodb import expiry
from haneul.store.keys import pack
from tests.dynamodb.support import index, invalid, make_table, n, s, stream_records
from tests.support.running import Running

ROOT = Caller(kind="root", account="000000000000", arn="arn:aws:iam::000000000000:root", principal_id="000000000000")
HOUR = 3600
YEAR = 365 * 86_400


def switch(db: Any, table: str, enabled: bool) -> None:
    db.update_time_to_live(TableName=table, TimeToLiveSpecification={"Enabled": enabled, "AttributeName": "ttl"})


def keys(db: Any, table: str) -> list[str]:
    return sorted(item["pk"]["S"] for item in db.scan(TableName=table)["Items"])


def status(db: Any, table: str) -> dict[str, Any]:
    return dict(db.describe_time_to_live(TableName=table)["TimeToLiveDescription"])


def test_items_expire(fresh_cloud: Running) -> None:
    """Items that were there before and that come after; only times that are numbers and not long past; indexes and counts follow."""
    db = fresh_cloud.client("dynamodb")
    table = make_table(
        fresh_cloud,
        more={"g": "S"},
        GlobalSecondaryIndexes=[index("by-g", "g")],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "OLD_IMAGE"},
    )
    now = fresh_cloud.clock.seconds()

    def put(key: str, ttl: dict[str, Any]) -> None:
        db.put_item(TableName=table, Item={"pk": s(key), "g": s("g"), "ttl": ttl})

    put("before", n(now + HOUR))
    assert status(db, table) == {"TimeToLiveStatus": "DISABLED"}
    switch(db, table, True)
    assert status(db, table) == {"TimeToLiveStatus": "ENABLING", "AttributeName": "ttl"}
    put("during", n(now + HOUR))
    fresh_cloud.advance("1s")
    assert status(db, table)["TimeToLiveStatus"] == "ENABLED"
    put("after", n(now + HOUR))
    put("later", n(f"{now + 3 * HOUR}.75"))
    put("prolonged", n(now + HOUR))
    put("prolonged", n(now + 3 * HOUR))
    put("text", s(str(now + HOUR)))
    put("long past", n(now - 6 * YEAR))
    put("past", n(now - HOUR))
    put("milliseconds", n((now + HOUR) * 1000))
    put("negative", n(-5))
    put("kept", n(now + HOUR))
    db.update_item(TableName=table, Key={"pk": s("kept")}, UpdateExpression="REMOVE #t", ExpressionAttributeNames={"#t": "ttl"})
    fresh_cloud.advance("59m")
    everything = ["after", "before", "during", "kept", "later", "long past", "milliseconds", "negative", "prolonged", "text"]
    assert keys(db, table) == everything
    fresh_cloud.advance("3m")
    rest = ["kept", "later", "long past", "milliseconds", "negative", "prolonged", "text"]
    assert keys(db, table) == rest
    fresh_cloud.advance("3h")
    rest = [key for key in rest if key not in ("later", "prolonged")]
    assert keys(db, table) == rest
    described = db.describe_table(TableName=table)["Table"]
    assert described["ItemCount"] == described["GlobalSecondaryIndexes"][0]["ItemCount"] == len(rest)


def test_expiry_shows_in_the_stream_as_the_services_doing(fresh_cloud: Running) -> None:
    """Readers tell expiry from deletion by the identity."""
    db, streams = fresh_cloud.client("dynamodb"), fresh_cloud.client("dynamodbstreams")
    table = make_table(fresh_cloud, StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"})
    switch(db, table, True)
    fresh_cloud.advance("1s")
    db.put_item(TableName=table, Item={"pk": s("x"), "ttl": n(fresh_cloud.clock.seconds() + 60)})
    fresh_cloud.advance("5m")
    arn = db.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    insert, remove = stream_records(streams, arn)
    assert "userIdentity" not in insert and remove["eventName"] == "REMOVE"
    assert remove["userIdentity"] == {"PrincipalId": "dynamodb.amazonaws.com", "Type": "Service"}


def test_expiry_survives_a_restart_and_goes_on(fresh_cloud: Running) -> None:
    """The timers are durable."""
    db = fresh_cloud.client("dynamodb")
    table = make_table(fresh_cloud)
    switch(db, table, True)
    fresh_cloud.advance("1s")
    for number in range(250):
        db.put_item(TableName=table, Item={"pk": s(str(number)), "ttl": n(fresh_cloud.clock.seconds() + 60)})
    fresh_cloud.stop()
    fresh_cloud.start()
    fresh_cloud.advance("5m")
    assert keys(fresh_cloud.client("dynamodb"), table) == []
    assert not fresh_cloud.app.cloud.store.range(b"\x02dynamodb-expiry", b"\x02dynamodb-expiry\xff")


def test_switching_is_limited(fresh_cloud: Running) -> None:
    """Not twice the same, not on another attribute (which is looked at first), not twice within an hour; off means off. A key can be the attribute."""
    db = fresh_cloud.client("dynamodb")
    table = make_table(fresh_cloud)
    call: dict[str, Any] = {"TableName": table}
    on, off = {"Enabled": True, "AttributeName": "ttl"}, {"Enabled": False, "AttributeName": "ttl"}
    assert invalid(db.update_time_to_live, **call, TimeToLiveSpecification=off) == "TimeToLive is already disabled"
    switch(db, table, True)
    fresh_cloud.advance("1s")
    assert invalid(db.update_time_to_live, **call, TimeToLiveSpecification=on) == "TimeToLive is already enabled"
    assert "different AttributeName" in invalid(db.update_time_to_live, **call, TimeToLiveSpecification={"Enabled": True, "AttributeName": "x"})
    soon = "Time to live has been modified multiple times within a fixed interval"
    fresh_cloud.advance("59m")
    assert invalid(db.update_time_to_live, **call, TimeToLiveSpecification=off) == soon
    db.put_item(TableName=table, Item={"pk": s("x"), "ttl": n(fresh_cloud.clock.seconds() + 2 * HOUR)})
    fresh_cloud.advance("1m")
    message = "TimeToLive is active on a different AttributeName: current AttributeName is ttl"
    for enabled in (True, False):
        assert invalid(db.update_time_to_live, **call, TimeToLiveSpecification={"Enabled": enabled, "AttributeName": "x"}) == message
    switch(db, table, False)
    assert invalid(db.update_time_to_live, **call, TimeToLiveSpecification={"Enabled": True, "AttributeName": "pk"}) == soon
    fresh_cloud.advance("5h")
    assert status(db, table) == {"TimeToLiveStatus": "DISABLED"} and keys(db, table) == ["x"]
    switch(db, table, True)
    fresh_cloud.advance("5m")
    assert keys(db, table) == []
    by_key = make_table(fresh_cloud, "N")
    db.update_time_to_live(TableName=by_key, TimeToLiveSpecification={"Enabled": True, "AttributeName": "pk"})
    db.put_item(TableName=by_key, Item={"pk": n(fresh_cloud.clock.seconds() + 60)})
    fresh_cloud.advance("5m")
    assert db.scan(TableName=by_key)["Count"] == 0


def test_a_table_may_change_while_its_items_expire(fresh_cloud: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many items of one minute go in several steps, each of which keeps what the table has by then: a stream that is new tells of the rest, as an index would lose them."""
    cloud = fresh_cloud
    db, streams, app = cloud.client("dynamodb"), cloud.client("dynamodbstreams"), cloud.app.cloud
    monkeypatch.setattr(expiry, "_CHUNK", 1)
    table = make_table(cloud)
    switch(db, table, True)
    cloud.advance("1s")
    for number in range(40):
        db.put_item(TableName=table, Item={"pk": s(str(number)), "ttl": n(cloud.clock.seconds() + 60)})
    stream = {"TableName": table, "StreamSpecification": {"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"}}
    begun: list[asyncio.Task[Any]] = []

    def look(keys: Any) -> None:
        if not begun:  # The first step is made.
            begun.append(asyncio.ensure_future(app.invoke("dynamodb:UpdateTable", stream, caller=ROOT, region="us-east-1")))

    stop = app.store.watch(pack(("dynamodb-expiry",)), look)
    cloud.advance("5m")
    stop()
    assert keys(db, table) == [] and begun[0].exception() is None
    arn = db.describe_table(TableName=table)["Table"]["LatestStreamArn"]
    assert 20 < len(stream_records(streams, arn)) < 40
