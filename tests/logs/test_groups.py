"""Log groups and streams."""

from __future__ import annotations

import pytest

from tests.logs.support import error_of, make_stream, now_ms, put


def test_a_group_is_described_as_made(cloud, logs):
    """Both ARNs are given: with `:*` for policies, without for tagging."""
    logs.create_log_group(logGroupName="/g/one", tags={"a": "1"})
    (group,) = logs.describe_log_groups(logGroupNamePrefix="/g/one")["logGroups"]
    assert group["arn"] == "arn:aws:logs:us-east-1:000000000000:log-group:/g/one:*"
    assert group["logGroupArn"] == "arn:aws:logs:us-east-1:000000000000:log-group:/g/one"
    assert group["creationTime"] == now_ms(cloud)
    assert group["logGroupClass"] == "STANDARD"
    assert group["storedBytes"] == 0
    assert "retentionInDays" not in group


def test_errors_of_groups(logs):
    """Codes and messages are the service's."""
    logs.create_log_group(logGroupName="/e/one")
    assert error_of(logs.create_log_group, logGroupName="/e/one") == ("ResourceAlreadyExistsException", "The specified log group already exists")
    assert error_of(logs.delete_log_group, logGroupName="/e/none") == ("ResourceNotFoundException", "The specified log group does not exist.")
    code, message = error_of(logs.put_retention_policy, logGroupName="/e/one", retentionInDays=2)
    assert code == "InvalidParameterException"
    assert message.startswith("1 validation error detected: Value '2' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [1, 3, 5,")
    code, message = error_of(logs.create_log_group, logGroupName="spaces are wrong")
    assert code == "InvalidParameterException"
    assert "failed to satisfy constraint: Member must satisfy regular expression pattern" in message


def test_listing_groups_in_pages(logs):
    """Pages follow the names, and a prefix is not a pattern."""
    for number in range(7):
        logs.create_log_group(logGroupName=f"/page/{number}")
    logs.create_log_group(logGroupName="/pagf")
    pages = logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix="/page", PaginationConfig={"PageSize": 3})
    counts = [[group["logGroupName"] for group in page["logGroups"]] for page in pages]
    assert [len(page) for page in counts] == [3, 3, 1]
    assert [name for page in counts for name in page] == [f"/page/{number}" for number in range(7)]
    assert [g["logGroupName"] for g in logs.describe_log_groups(logGroupNamePattern="age/3")["logGroups"]] == ["/page/3"]
    assert [g["logGroupName"] for g in logs.list_log_groups(logGroupNamePattern="^/pagf")["logGroups"]] == ["/pagf"]
    identifiers = ["/page/1", "arn:aws:logs:us-east-1:000000000000:log-group:/page/2"]
    assert [g["logGroupName"] for g in logs.describe_log_groups(logGroupIdentifiers=identifiers)["logGroups"]] == ["/page/1", "/page/2"]
    both = error_of(logs.describe_log_groups, logGroupNamePrefix="a", logGroupNamePattern="b")
    assert both == ("InvalidParameterException", "LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    assert error_of(logs.describe_log_groups, nextToken="!")[0] == "InvalidParameterException"


def test_tags_by_arn_and_by_name(logs):
    """The older operations see the same tags."""
    logs.create_log_group(logGroupName="/t", tags={"a": "1"})
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:/t"
    logs.tag_resource(resourceArn=arn, tags={"b": "2"})
    logs.tag_log_group(logGroupName="/t", tags={"c": "3"})
    logs.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2", "c": "3"}
    logs.untag_log_group(logGroupName="/t", tags=["c"])
    assert logs.list_tags_log_group(logGroupName="/t")["tags"] == {"b": "2"}
    assert error_of(logs.tag_resource, resourceArn=arn, tags={str(n): "" for n in range(50)})[0] == "TooManyTagsException"
    for operation, where in ((logs.tag_resource, {"resourceArn": arn}), (logs.tag_log_group, {"logGroupName": "/t"}), (logs.create_log_group, {"logGroupName": "/new"})):
        assert error_of(operation, **where, tags={"AWS:x": "1"})[0] == "InvalidParameterException"


def test_deletion_protection(logs):
    """A protected group cannot be deleted by mistake."""
    logs.create_log_group(logGroupName="/p", deletionProtectionEnabled=True)
    assert error_of(logs.delete_log_group, logGroupName="/p")[0] == "ValidationException"
    logs.put_log_group_deletion_protection(logGroupIdentifier="/p", deletionProtectionEnabled=False)
    logs.delete_log_group(logGroupName="/p")


def test_what_is_not_built_says_so(logs):
    """Nothing is accepted that would not be done."""
    assert error_of(logs.create_log_group, logGroupName="/k", kmsKeyId="arn:aws:kms:us-east-1:000000000000:key/x")[0] == "NotImplemented"
    assert error_of(logs.start_query, logGroupName="/k", startTime=0, endTime=1, queryString="fields @message")[0] == "NotImplemented"


def test_a_group_made_again_is_empty(cloud, logs):
    """Deleting takes the streams and events with it, in the store as well."""
    make_stream(logs, "/again")
    put(logs, "/again", "s", (now_ms(cloud), "old"))
    logs.delete_log_group(logGroupName="/again")
    make_stream(logs, "/again")
    assert logs.get_log_events(logGroupName="/again", logStreamName="s", startFromHead=True)["events"] == []
    assert logs.describe_log_groups(logGroupNamePrefix="/again")["logGroups"][0]["storedBytes"] == 0
    cloud.settle()
    store = cloud.app.cloud.store
    assert not [key for key, value in store.range(b"\x02logs", b"\x02logt") if value.endswith(b"old")]


def test_streams_by_name_and_by_time(cloud, logs):
    """Both orders page without losing or repeating a stream."""
    logs.create_log_group(logGroupName="/s")
    at = now_ms(cloud)
    names = [f"s{number}" for number in range(6)]
    for name in names:
        logs.create_log_stream(logGroupName="/s", logStreamName=name)
    for minutes, name in enumerate(["s3", "s1", "s5"]):
        put(logs, "/s", name, (at - 600_000 + minutes * 1_000 * (60 if minutes else 0), "x"))

    def listed(**params):
        found, token = [], {}
        while True:
            page = logs.describe_log_streams(logGroupName="/s", limit=2, **token, **params)
            found += [stream["logStreamName"] for stream in page["logStreams"]]
            if "nextToken" not in page:
                return found
            token = {"nextToken": page["nextToken"]}

    assert listed() == names
    assert listed(descending=True) == names[::-1]
    assert listed(orderBy="LastEventTime", descending=True) == ["s5", "s1", "s3", "s4", "s2", "s0"]
    assert listed(orderBy="LastEventTime") == ["s0", "s2", "s4", "s3", "s1", "s5"]
    assert error_of(logs.describe_log_streams, logGroupName="/s", orderBy="LastEventTime", logStreamNamePrefix="s")[0] == "InvalidParameterException"
    assert error_of(logs.create_log_stream, logGroupName="/s", logStreamName="s1") == ("ResourceAlreadyExistsException", "The specified log stream already exists")
    assert error_of(logs.create_log_stream, logGroupName="/s", logStreamName="a:b")[0] == "InvalidParameterException"
    logs.delete_log_stream(logGroupName="/s", logStreamName="s3")
    assert error_of(logs.delete_log_stream, logGroupName="/s", logStreamName="s3") == ("ResourceNotFoundException", "The specified log stream does not exist.")
    assert "s3" not in listed(orderBy="LastEventTime")


@pytest.mark.parametrize(("account", "region"), [("test", "eu-west-1"), ("111111111111", "us-east-1")])
def test_accounts_and_regions_are_apart(cloud, logs, account, region):
    """The same name elsewhere is another group."""
    if not logs.describe_log_groups(logGroupNamePrefix="/apart")["logGroups"]:
        logs.create_log_group(logGroupName="/apart")
    elsewhere = cloud.client("logs", key=account, region=region)
    assert elsewhere.describe_log_groups()["logGroups"] == []
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:/apart"
    code = error_of(elsewhere.describe_log_streams, logGroupIdentifier=arn)[0]
    assert code == "ResourceNotFoundException"
