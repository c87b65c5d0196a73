"""What becomes of functions' events while the disk is full: nothing is lost by it."""

from __future__ import annotations

from typing import Any

import pytest

from haneul.store.port import StoreError
from tests.lambda_.build import function, invoke
from tests.lambda_.test_event_sources import _forwarder, _put, _seen, _table
from tests.support.running import Running
from tests.support.stores import Overlaid


def _ids(cloud: Running, seen: str) -> list[str]:
    return [record["dynamodb"]["Keys"]["id"]["S"] for event in _seen(cloud, seen) for record in event["Records"]]


@pytest.mark.parametrize("lanes", [1, 3])
def test_a_checkpoint_that_could_not_be_written_loses_no_record(fresh_cloud: Running, lanes: int) -> None:
    """Because a full disk passes: until what is done can be written down its shard waits, so that nothing is done again, and what comes after it comes after it."""
    cloud = fresh_cloud
    seen = _forwarder(cloud)
    arn = _table(cloud)
    store, failures = cloud.app.cloud.store, 0

    async def transact(work: Any) -> Any:
        nonlocal failures
        if "ShardPoller._note" in getattr(work, "__qualname__", "") and not failures:
            failures += 1
            raise StoreError("the disk is full")
        return await store.transact(work)

    cloud.app.cloud.store = Overlaid(store, transact=transact)
    _put(cloud, *"abcdef")
    settings = {"BatchSize": 2, "ParallelizationFactor": lanes}
    cloud.client("lambda").create_event_source_mapping(FunctionName="worker", EventSourceArn=arn, StartingPosition="TRIM_HORIZON", **settings)
    first = _ids(cloud, seen)
    assert failures == 1 and (lanes > 1 or first == list("ab"))
    cloud.advance("1m")
    later = _ids(cloud, seen)
    assert sorted(first + later) == list("abcdef") and (lanes > 1 or later == list("cdef"))


def test_a_log_waits_for_the_disk(fresh_cloud: Running) -> None:
    """Because the lines of the time of trouble are those that somebody wants to read."""
    cloud = fresh_cloud
    function(cloud, "talks", "def handler(event, context):\n    print('line', event)\n")
    store, full = cloud.app.cloud.store, True

    async def transact(work: Any) -> Any:
        if full and "put_log_events" in getattr(work, "__qualname__", ""):
            raise StoreError("the disk is full")
        return await store.transact(work)

    cloud.app.cloud.store = Overlaid(store, transact=transact)
    for number in range(3):
        invoke(cloud, "talks", number)
    cloud.advance("30s")
    full = False
    cloud.advance("30s")
    events = cloud.client("logs").filter_log_events(logGroupName="/aws/lambda/talks", filterPattern="line")["events"]
    assert [event["message"].strip() for event in events] == ["line 0", "line 1", "line 2"]
