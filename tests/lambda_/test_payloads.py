"""Events as functions see them, against the examples of the AWS Lambda and DynamoDB Developer Guides."""

from __future__ import annotations

import json

from tests.lambda_.build import function
from tests.lambda_.conftest import there
from tests.support.running import Running

SHOW = """
import boto3, json, os
def handler(event, context):
    boto3.client("sqs").send_message(QueueUrl=os.environ["SEEN"], MessageBody=json.dumps(event))
"""


def test_a_deletion_by_time_to_live_says_so_in_lower_case() -> None:
    """Because handlers tell expiry by userIdentity.type, which GetRecords spells Type ("Working with expired items and time to live")."""
    with Running(services=there()) as cloud:
        dynamodb, client = cloud.client("dynamodb"), cloud.client("lambda")
        seen = cloud.client("sqs").create_queue(QueueName="seen")["QueueUrl"]
        function(cloud, "show", SHOW, Timeout=20, MemorySize=512, Environment={"Variables": {"SEEN": seen}})
        made = dynamodb.create_table(
            TableName="sessions",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        )
        cloud.advance("10s")
        dynamodb.update_time_to_live(TableName="sessions", TimeToLiveSpecification={"Enabled": True, "AttributeName": "until"})
        client.create_event_source_mapping(
            FunctionName="show",
            EventSourceArn=made["TableDescription"]["LatestStreamArn"],
            StartingPosition="TRIM_HORIZON",
            FilterCriteria={"Filters": [{"Pattern": json.dumps({"userIdentity": {"type": ["Service"], "principalId": ["dynamodb.amazonaws.com"]}})}]},
        )
        until = str(cloud.clock.now() // 1_000_000_000 + 60)
        dynamodb.put_item(TableName="sessions", Item={"id": {"S": "a"}, "until": {"N": until}})
        cloud.advance("2h")
        [message] = cloud.client("sqs").receive_message(QueueUrl=seen, MaxNumberOfMessages=10)["Messages"]
        [record] = json.loads(message["Body"])["Records"]
        assert record["eventName"] == "REMOVE"
        assert record["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
