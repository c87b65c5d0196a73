"""Events end when their retention does."""

from __future__ import annotations

from tests.logs.support import make_stream, messages, now_ms, put

DAY_MS = 86_400_000


def rows(cloud) -> int:
    """How many events lie in the store."""
    store = cloud.app.cloud.store
    return sum(1 for key, _ in store.range(b"\x02logs", b"\x02logt") if b"\x02event\x00" in key)


def test_events_expire_by_the_clock(fresh_cloud):
    """Nothing beyond retention is shown, and its rows go within the hour; what is younger stays."""
    logs = fresh_cloud.client("logs")
    make_stream(logs, "/r")
    logs.create_log_stream(logGroupName="/r", logStreamName="quiet")
    at = now_ms(fresh_cloud)
    put(logs, "/r", "s", (at - 2 * DAY_MS, "a"))
    put(logs, "/r", "s", (at - DAY_MS, "b"), (at - DAY_MS + 1, "c"))
    put(logs, "/r", "quiet", (at, "q"))
    logs.put_retention_policy(logGroupName="/r", retentionInDays=3)
    fresh_cloud.advance("1d")
    assert messages(logs.filter_log_events(logGroupName="/r")) == ["a", "b", "c", "q"]
    fresh_cloud.advance("1s")
    assert messages(logs.filter_log_events(logGroupName="/r")) == ["b", "c", "q"]
    fresh_cloud.advance("1h")
    assert rows(fresh_cloud) == 3
    put(logs, "/r", "s", (now_ms(fresh_cloud), "d"))
    fresh_cloud.advance("25h")
    assert messages(logs.get_log_events(logGroupName="/r", logStreamName="s")) == ["d"]
    stream = logs.describe_log_streams(logGroupName="/r", logStreamNamePrefix="s")["logStreams"][0]
    assert stream["firstEventTimestamp"] == stream["lastEventTimestamp"]
    fresh_cloud.advance("4d")
    assert rows(fresh_cloud) == 0
    assert logs.describe_log_groups()["logGroups"][0]["storedBytes"] == 0
    put(logs, "/r", "s", (now_ms(fresh_cloud), "new"))
    fresh_cloud.advance("4d")
    assert rows(fresh_cloud) == 0


def test_without_retention_events_stay(fresh_cloud):
    """Groups keep their events for ever unless told otherwise; a policy taken back is no policy."""
    logs = fresh_cloud.client("logs")
    make_stream(logs, "/k")
    logs.put_retention_policy(logGroupName="/k", retentionInDays=1)
    put(logs, "/k", "s", (now_ms(fresh_cloud), "kept"))
    logs.delete_retention_policy(logGroupName="/k")
    fresh_cloud.advance("3653d")
    assert messages(logs.filter_log_events(logGroupName="/k")) == ["kept"]


def test_large_expiries_take_several_transactions(fresh_cloud):
    """More rows than one transaction takes are removed all the same."""
    logs = fresh_cloud.client("logs")
    make_stream(logs, "/big")
    at = now_ms(fresh_cloud)
    put(logs, "/big", "s", *[(at, "x")] * 5000)
    logs.create_log_stream(logGroupName="/big", logStreamName="t")
    put(logs, "/big", "t", *[(at, "x")] * 3000)
    logs.put_retention_policy(logGroupName="/big", retentionInDays=1)
    fresh_cloud.advance("26h")
    assert rows(fresh_cloud) == 0


def test_logs_survive_a_restart(fresh_cloud):
    """What was acknowledged is there afterwards, its expiry too."""
    logs = fresh_cloud.client("logs")
    make_stream(logs, "/again")
    logs.put_retention_policy(logGroupName="/again", retentionInDays=1)
    put(logs, "/again", "s", (now_ms(fresh_cloud), "kept"))
    fresh_cloud.stop()
    fresh_cloud.start()
    logs = fresh_cloud.client("logs")
    assert messages(logs.get_log_events(logGroupName="/again", logStreamName="s")) == ["kept"]
    fresh_cloud.advance("26h")
    assert rows(fresh_cloud) == 0
