"""What there is only an API of: it is honest about it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.dynamodb.support import failure, index, invalid, make_table
from tests.support.running import Running

STREAM = "arn:aws:kinesis:us-east-1:000000000000:stream/changes"


@pytest.fixture(scope="module")
def db(cloud: Running) -> Any:
    return cloud.client("dynamodb")


def test_insights_fail_and_say_why(cloud: Running, db: Any) -> None:
    """Nothing counts keys, so what is switched on never says ENABLED."""
    table = make_table(cloud, more={"g": "S"}, GlobalSecondaryIndexes=[index("by-g", "g")])
    assert db.describe_contributor_insights(TableName=table)["ContributorInsightsStatus"] == "DISABLED"
    for more in ({}, {"IndexName": "by-g"}):
        answer = db.update_contributor_insights(TableName=table, ContributorInsightsAction="ENABLE", **more)
        assert (answer["ContributorInsightsStatus"], answer["ContributorInsightsMode"]) == ("ENABLING", "ACCESSED_AND_THROTTLED_KEYS")
    cloud.advance("1s")
    found = db.describe_contributor_insights(TableName=table, IndexName="by-g")
    assert found["ContributorInsightsStatus"] == "FAILED" and "neither accessed nor throttled keys are counted" in found["FailureException"]["ExceptionDescription"]
    first = db.list_contributor_insights(TableName=table, MaxResults=1)
    second = db.list_contributor_insights(TableName=table, NextToken=first["NextToken"])
    assert [one.get("IndexName") for page in (first, second) for one in page["ContributorInsightsSummaries"]] == [None, "by-g"]
    assert db.update_contributor_insights(TableName=table, ContributorInsightsAction="DISABLE")["ContributorInsightsStatus"] == "DISABLING"
    assert "FailureException" in db.describe_contributor_insights(TableName=table)  # Until it is switched off.
    cloud.advance("1s")
    shown = db.describe_contributor_insights(TableName=table)
    assert {*shown} - {"ResponseMetadata"} == {"TableName", "ContributorInsightsStatus", "LastUpdateDateTime", "ContributorInsightsMode"}
    assert db.update_contributor_insights(TableName=table, ContributorInsightsAction="DISABLE")["ContributorInsightsStatus"] == "DISABLED"
    assert len(db.list_contributor_insights()["ContributorInsightsSummaries"]) == 1
    assert failure(db.describe_contributor_insights, TableName=table, IndexName="ghost") == (
        "ResourceNotFoundException",
        f"Requested resource not found: Index: ghost not found for table: {table}",
    )
    assert failure(db.update_contributor_insights, TableName="no-table", ContributorInsightsAction="ENABLE")[0] == "ResourceNotFoundException"
    # It goes with its index, and an update of the table is no reason to refuse it.
    db.update_table(TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": "by-g"}}])
    assert db.update_contributor_insights(TableName=table, ContributorInsightsAction="ENABLE")["ContributorInsightsStatus"] == "ENABLING"
    cloud.advance("1s")
    assert [one.get("IndexName") for one in db.list_contributor_insights(TableName=table)["ContributorInsightsSummaries"]] == [None]
    assert failure(db.describe_contributor_insights, TableName=table, IndexName="by-g")[0] == "ResourceNotFoundException"
    again = {"Create": {**index("by-g", "g")}}
    db.update_table(TableName=table, AttributeDefinitions=[{"AttributeName": "g", "AttributeType": "S"}], GlobalSecondaryIndexUpdates=[again])
    assert invalid(db.update_contributor_insights, TableName=table, IndexName="by-g", ContributorInsightsAction="ENABLE") == (
        "Table or Index is not in a valid state to update Key Access Insights: IndexStatus must be ACTIVE to enable ContributorInsights."
    )
    assert db.describe_contributor_insights(TableName=table, IndexName="by-g")["ContributorInsightsStatus"] == "DISABLED"


def test_kinesis_destinations_fail_and_say_why(cloud: Running, db: Any) -> None:
    """There is no Kinesis to deliver to. One stream may be on its way at a time, those that failed pile up, the latest first, and a precision is shown only if one was given;
    what is not ACTIVE can be neither disabled nor updated, and every refusal is about enabling, by its words."""
    table = make_table(cloud)
    assert db.describe_kinesis_streaming_destination(TableName=table)["KinesisDataStreamDestinations"] == []
    enable: dict[str, Any] = {"TableName": table, "StreamArn": STREAM}
    micro, second = {"ApproximateCreationDateTimePrecision": "MICROSECOND"}, f"{STREAM}-too"
    answer = db.enable_kinesis_streaming_destination(**enable)
    assert (answer["DestinationStatus"], answer["EnableKinesisStreamingConfiguration"]) == ("ENABLING", {})
    start = "Table is not in a valid state to enable Kinesis Streaming Destination: "
    for stream in (STREAM, second):
        message = f"{start}EnableKinesisStreamingDestination must be DISABLED or ENABLE_FAILED to perform ENABLE operation."
        assert invalid(db.enable_kinesis_streaming_destination, TableName=table, StreamArn=stream) == message
    cloud.advance("1s")
    (found,) = db.describe_kinesis_streaming_destination(TableName=table)["KinesisDataStreamDestinations"]
    assert found.pop("DestinationStatusDescription").startswith("Haneul has no Kinesis") and found == {"StreamArn": STREAM, "DestinationStatus": "ENABLE_FAILED"}
    for stream in (STREAM, second, f"{second}-and-more"):
        answer = db.enable_kinesis_streaming_destination(TableName=table, StreamArn=stream, EnableKinesisStreamingConfiguration=micro)
        assert answer["EnableKinesisStreamingConfiguration"] == micro
        cloud.advance("1s")
    listed = db.describe_kinesis_streaming_destination(TableName=table)["KinesisDataStreamDestinations"]
    assert [(one["StreamArn"], one["ApproximateCreationDateTimePrecision"]) for one in listed] == [(s, "MICROSECOND") for s in (f"{second}-and-more", second, STREAM)]
    disable, update, change = db.disable_kinesis_streaming_destination, db.update_kinesis_streaming_destination, {"UpdateKinesisStreamingConfiguration": micro}
    assert invalid(disable, **enable) == f"{start}KinesisStreamingDestination must be ACTIVE to perform DISABLE operation."
    assert "cannot be disabled using EnableKinesisStreamingConfiguration parameters" in invalid(disable, **enable, EnableKinesisStreamingConfiguration=micro)
    rest = f"Kinesis streaming is not in ACTIVE state. Updates are only allowed in ACTIVE state. TableName: {table}, kdsArn: {STREAM}"
    assert invalid(update, **enable, **change) == start + rest
    assert invalid(update, TableName=table, StreamArn=f"{STREAM}-never", **change).startswith(f"{start}No streaming destination with streamArn: {STREAM}-never")
    for nothing in ({}, {"UpdateKinesisStreamingConfiguration": {}}):
        assert "UpdateKinesisStreamingConfiguration cannot be null or contain only null values" in invalid(update, **enable, **nothing)
    key = {"KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}]}
    db.create_table(TableName="unready-streaming", BillingMode="PAY_PER_REQUEST", **key)
    enable["TableName"] = "unready-streaming"
    missing = ("ResourceNotFoundException", "Requested resource not found: Table: unready-streaming not found")
    assert failure(db.enable_kinesis_streaming_destination, **enable) == failure(disable, **enable) == failure(update, **enable, **change) == missing
    assert db.describe_kinesis_streaming_destination(TableName="unready-streaming")["KinesisDataStreamDestinations"] == []


def test_the_mode_of_insights_is_that_of_the_request(cloud: Running, db: Any) -> None:
    """Enabling without a mode means both kinds of keys, whatever was asked for before."""
    table = make_table(cloud)
    request = {"TableName": table, "ContributorInsightsAction": "ENABLE"}
    assert db.update_contributor_insights(**request, ContributorInsightsMode="THROTTLED_KEYS")["ContributorInsightsMode"] == "THROTTLED_KEYS"
    assert db.update_contributor_insights(**request)["ContributorInsightsMode"] == "ACCESSED_AND_THROTTLED_KEYS"
