"""Putting, getting and filtering events."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.logs.support import error_of, make_stream, messages, now_ms, put

DAY_MS = 86_400_000


def test_events_come_back_in_the_order_of_their_times(cloud, logs):
    """Batches may overlap in time; a stream is sorted by timestamp, then by arrival."""
    make_stream(logs, "/o")
    at = now_ms(cloud)
    put(logs, "/o", "s", (at - 10, "b"), (at - 5, "d"))
    put(logs, "/o", "s", (at - 20, "a"), (at - 10, "c"))
    answer = logs.get_log_events(logGroupName="/o", logStreamName="s", startFromHead=True)
    assert messages(answer) == ["a", "b", "c", "d"]
    assert answer["events"][0]["ingestionTime"] == at
    stream = logs.describe_log_streams(logGroupName="/o")["logStreams"][0]
    assert (stream["firstEventTimestamp"], stream["lastEventTimestamp"], stream["lastIngestionTime"]) == (at - 20, at - 5, at)
    assert logs.describe_log_groups(logGroupNamePrefix="/o")["logGroups"][0]["storedBytes"] == 4 * 27


def test_what_a_batch_may_be(cloud, logs):
    """The limits of the API reference, with the service's messages."""
    make_stream(logs, "/l")
    at = now_ms(cloud)

    def refusal(*events):
        return error_of(
            logs.put_log_events, logGroupName="/l", logStreamName="s", logEvents=[{"timestamp": time, "message": text} for time, text in events]
        )

    assert refusal((at, "a"), (at - 1, "b")) == ("InvalidParameterException", "Log events in a single PutLogEvents request must be in chronological order.")
    span = "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
    assert refusal((at - DAY_MS - 1, "a"), (at, "b")) == ("InvalidParameterException", span)
    assert refusal((at, "x" * 524_288), (at, "y" * 524_288)) == ("InvalidParameterException", "Upload too large: 1048628 bytes exceeds limit of 1048576")
    assert refusal((at, "x" * 1_048_577))[1].startswith("Log event too large: ")
    assert refusal(*[(at, "x")] * 10_001)[0] == "InvalidParameterException"
    put(logs, "/l", "s", (at, "x" * 1_048_550))
    put(logs, "/l", "s", *[(at, "x")] * 10_000)
    assert error_of(logs.put_log_events, logGroupName="/l", logStreamName="none", logEvents=[{"timestamp": at, "message": "x"}]) == (
        "ResourceNotFoundException",
        "The specified log stream does not exist.",
    )


def test_too_old_and_too_new_events_are_reported(cloud, logs):
    """The rest of the batch is taken."""
    make_stream(logs, "/r")
    logs.put_retention_policy(logGroupName="/r", retentionInDays=3)
    at = now_ms(cloud)
    old = put(logs, "/r", "s", (at - 15 * DAY_MS, "too old"), (at - 14 * DAY_MS + 1, "expired"), (at - 3 * DAY_MS, "kept"))
    assert old["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1, "expiredLogEventEndIndex": 2}
    new = put(logs, "/r", "s", (at, "now"), (at + 2 * 3_600_000, "soon"), (at + 2 * 3_600_000 + 1, "too new"))
    assert new["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 2}
    assert len(new["nextSequenceToken"]) == 56
    assert messages(logs.get_log_events(logGroupName="/r", logStreamName="s", startFromHead=True)) == ["kept", "now", "soon"]


def test_tokens_go_forward_and_backward(cloud, logs):
    """At an end the same token comes back, and a forward token finds what came later."""
    make_stream(logs, "/tok")
    at = now_ms(cloud)
    put(logs, "/tok", "s", *[(at, str(number)) for number in range(10)])

    def get(**params):
        return logs.get_log_events(logGroupName="/tok", logStreamName="s", limit=4, **params)

    tail = get()
    assert messages(tail) == ["6", "7", "8", "9"]
    before = get(nextToken=tail["nextBackwardToken"])
    assert messages(before) == ["2", "3", "4", "5"]
    assert messages(get(nextToken=before["nextForwardToken"])) == ["6", "7", "8", "9"]
    first = get(nextToken=before["nextBackwardToken"])
    assert messages(first) == ["0", "1"]
    end = get(nextToken=first["nextBackwardToken"])
    assert end["events"] == [] and end["nextBackwardToken"] == first["nextBackwardToken"]
    follow = get(nextToken=tail["nextForwardToken"])
    assert follow["events"] == [] and follow["nextForwardToken"] == tail["nextForwardToken"]
    put(logs, "/tok", "s", (at, "late"))
    assert messages(get(nextToken=follow["nextForwardToken"])) == ["late"]
    assert error_of(logs.get_log_events, logGroupName="/tok", logStreamName="s", nextToken="f/12") == ("InvalidParameterException", "The specified nextToken is invalid.")


def test_following_a_stream_that_is_still_empty(cloud, logs):
    """A tail begun before the first event sees it."""
    make_stream(logs, "/early")
    token = logs.get_log_events(logGroupName="/early", logStreamName="s")["nextForwardToken"]
    put(logs, "/early", "s", (now_ms(cloud), "first"))
    assert messages(logs.get_log_events(logGroupName="/early", logStreamName="s", nextToken=token)) == ["first"]


def test_time_ranges(cloud, logs):
    """GetLogEvents leaves its end out, FilterLogEvents takes it in: so it is documented."""
    make_stream(logs, "/range")
    at = now_ms(cloud) - 1000
    put(logs, "/range", "s", *[(at + number, str(number)) for number in range(5)])
    got = logs.get_log_events(logGroupName="/range", logStreamName="s", startTime=at + 1, endTime=at + 3, startFromHead=True)
    assert messages(got) == ["1", "2"]
    assert messages(logs.filter_log_events(logGroupName="/range", startTime=at + 1, endTime=at + 3)) == ["1", "2", "3"]


def test_pages_hold_a_megabyte(cloud, logs):
    """An answer never grows beyond what clients expect."""
    make_stream(logs, "/mega")
    at = now_ms(cloud)
    for number in range(4):
        put(logs, "/mega", "s", (at + number, "x" * 400_000))
    assert len(logs.get_log_events(logGroupName="/mega", logStreamName="s")["events"]) == 2
    first = logs.filter_log_events(logGroupName="/mega")
    assert len(first["events"]) == 3
    assert len(logs.filter_log_events(logGroupName="/mega", nextToken=first["nextToken"])["events"]) == 1


def test_filter_interleaves_and_pages(cloud, logs):
    """Events of all streams come by time, with ids that differ, and no page repeats or drops one."""
    logs.create_log_group(logGroupName="/f")
    at = now_ms(cloud) - 100_000
    chance = random.Random(7)
    expected = []
    for number in range(5):
        logs.create_log_stream(logGroupName="/f", logStreamName=f"s{number}")
        times = sorted(at + chance.randrange(50) for _ in range(20))
        put(logs, "/f", f"s{number}", *[(time, f"{number}-{order} {'odd' if order % 2 else 'even'}") for order, time in enumerate(times)])
        expected += [(time, f"s{number}") for time in times]

    def pages(**params):
        events, token = [], {}
        while True:
            page = logs.filter_log_events(logGroupName="/f", limit=7, **token, **params)
            events += page["events"]
            assert page["searchedLogStreams"] == []
            if "nextToken" not in page:
                return events
            token = {"nextToken": page["nextToken"]}

    events = pages()
    assert [event["timestamp"] for event in events] == sorted(time for time, _ in expected)
    assert len({event["eventId"] for event in events}) == 100
    assert [event["eventId"] for event in events] == sorted(event["eventId"] for event in events)
    assert sorted((event["timestamp"], event["logStreamName"]) for event in events) == sorted(expected)
    assert pages(startTime=at, startFromHead=False) == events[::-1]
    assert pages(filterPattern="odd") == [event for event in events if "odd" in event["message"]]
    assert {event["logStreamName"] for event in pages(logStreamNames=["s1", "s3"])} == {"s1", "s3"}
    assert {event["logStreamName"] for event in pages(logStreamNamePrefix="s4")} == {"s4"}


def test_errors_of_filtering(cloud, logs):
    """What cannot be asked is refused."""
    make_stream(logs, "/fe")
    assert error_of(logs.filter_log_events, logGroupName="/fe", filterPattern="/var/log") == ("InvalidParameterException", "Invalid character(s) in term '/var/log'")
    assert error_of(logs.filter_log_events, logGroupName="/fe", filterPattern="{ $.a }") == ("InvalidParameterException", "Invalid filter pattern")
    assert error_of(logs.filter_log_events, logGroupName="/fe", nextToken="nonsense") == ("InvalidParameterException", "The specified nextToken is invalid.")
    assert error_of(logs.filter_log_events, logGroupName="/fe", logStreamNames=["no"])[1] == "The specified log stream does not exist."
    assert error_of(logs.filter_log_events, logGroupName="/fe", logStreamNames=["s"], logStreamNamePrefix="s")[0] == "InvalidParameterException"
    assert error_of(logs.filter_log_events)[0] == "InvalidParameterException"
    assert error_of(logs.filter_log_events, logGroupName="/fe", startFromHead=False)[0] == "InvalidParameterException"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.tuples(st.integers(0, 5), st.sampled_from("ab")), min_size=1, max_size=6), min_size=1, max_size=6), st.integers(1, 4))
def test_paging_agrees_with_a_sorted_list(cloud, logs, batches, limit):
    """The oracle is a plain list sorted by time; ties inside a stream keep the order of arrival."""
    group = f"/prop/{cloud.app.cloud.ids.hex(12)}"
    logs.create_log_group(logGroupName=group)
    at = now_ms(cloud) - 1000
    model: dict[str, list[tuple[int, str]]] = {}
    for number, batch in enumerate(batches):
        for stream in "ab":
            events = sorted((offset, f"{number}.{order}") for order, (offset, name) in enumerate(batch) if name == stream)
            if not events:
                continue
            if stream not in model:
                logs.create_log_stream(logGroupName=group, logStreamName=stream)
            put(logs, group, stream, *[(at + offset, text) for offset, text in events])
            model.setdefault(stream, []).extend(events)
    found, token = [], {}
    while True:
        page = logs.filter_log_events(logGroupName=group, limit=limit, **token)
        found += [(event["timestamp"] - at, event["message"], event["logStreamName"]) for event in page["events"]]
        if "nextToken" not in page:
            break
        token = {"nextToken": page["nextToken"]}
    assert [one[0] for one in found] == sorted(one[0] for one in found)
    for stream, events in model.items():
        expected = [text for _, text in sorted(events, key=lambda event: event[0])]
        assert [text for _, text, name in found if name == stream] == expected
        backward, token, last = [], {}, None
        while True:
            answer = logs.get_log_events(logGroupName=group, logStreamName=stream, limit=limit, **token)
            if answer["nextBackwardToken"] == last:
                break
            last = answer["nextBackwardToken"]
            backward = messages(answer) + backward
            token = {"nextToken": last}
        assert backward == expected


@pytest.mark.parametrize("text", ["snow ☃ 🎉", "nul \0 byte", "line\nbreak", '{"json": true}'])
def test_messages_come_back_as_sent(cloud, logs, text):
    """Any text is a message."""
    group = f"/text/{abs(hash(text))}"
    make_stream(logs, group)
    put(logs, group, "s", (now_ms(cloud), text))
    assert messages(logs.get_log_events(logGroupName=group, logStreamName="s")) == [text]
