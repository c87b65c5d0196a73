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
    cloud.advance("1s")
    assert db.update_contributor_insights(TableName=table, ContributorInsightsAction="DISABLE")["ContributorInsightsStatus"] == "DISABLED"
    assert len(db.list_contributor_insights()["ContributorInsightsSummaries"]) == 1
    assert failure(db.describe_contributor_insights, TableName=table, IndexName="ghost") == (
        "ResourceNotFoundException",
        f"Requested resource not found: Index: ghost not found for table: {table}",
    )
    assert failure(db.update_contributor_insights, TableName="no-table", ContributorInsightsAction="ENABLE")[0] == "ResourceNotFoundException"


def test_kinesis_destinations_fail_and_say_why(cloud: Running, db: Any) -> None:
    """There is no Kinesis to deliver to."""
    table = make_table(cloud)
    assert db.describe_kinesis_streaming_destination(TableName=table)["KinesisDataStreamDestinations"] == []
    enable: dict[str, Any] = {"TableName": table, "StreamArn": STREAM}
    assert db.enable_kinesis_streaming_destination(**enable)["DestinationStatus"] == "ENABLING"
    assert "must be DISABLED or ENABLE_FAILED" in invalid(db.enable_kinesis_streaming_destination, **enable)
    cloud.advance("1s")
    (found,) = db.describe_kinesis_streaming_destination(TableName=table)["KinesisDataStreamDestinations"]
    assert found["DestinationStatus"] == "ENABLE_FAILED" and "nothing is delivered" in found["DestinationStatusDescription"]
    assert "must be ACTIVE to perform DISABLE" in invalid(db.disable_kinesis_streaming_destination, **enable)
    assert "must be ACTIVE to perform UPDATE" in invalid(db.update_kinesis_streaming_destination, **enable)


def test_the_mode_of_insights_is_that_of_the_request(cloud: Running, db: Any) -> None:
    """Enabling without a mode means both kinds of keys, whatever was asked for before."""
    table = make_table(cloud)
    request = {"TableName": table, "ContributorInsightsAction": "ENABLE"}
    assert db.update_contributor_insights(**request, ContributorInsightsMode="THROTTLED_KEYS")["ContributorInsightsMode"] == "THROTTLED_KEYS"
    assert db.update_contributor_insights(**request)["ContributorInsightsMode"] == "ACCESSED_AND_THROTTLED_KEYS"
