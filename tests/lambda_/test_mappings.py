"""Event source mappings as resources, against CreateEventSourceMapping and UpdateEventSourceMapping of the API Reference."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.lambda_.build import function, role
from tests.support.running import ACCOUNT, REGION, Running

QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:work"


def _ready(cloud: Running) -> Any:
    """A function and the sources that it may follow; the client."""
    client = cloud.client("lambda")
    if "plain" not in [one["FunctionName"] for one in client.list_functions()["Functions"]]:
        function(cloud, "plain")
        function(cloud, "other")
        cloud.client("sqs").create_queue(QueueName="work")
        cloud.client("sqs").create_queue(QueueName="work.fifo", Attributes={"FifoQueue": "true"})
        cloud.client("dynamodb").create_table(
            TableName="items",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "KEYS_ONLY"},
        )
        cloud.settle()
        cloud.advance("10s")
    return client


def _stream(cloud: Running) -> str:
    return str(cloud.client("dynamodb").describe_table(TableName="items")["Table"]["LatestStreamArn"])


def test_states_on_the_way_and_at_rest(fresh_cloud: Running) -> None:
    """Because deployment tools wait for them: each change answers with the state on the way, and a look afterwards with the one at rest."""
    client = _ready(fresh_cloud)

    def now() -> str:
        return str(client.get_event_source_mapping(UUID=uuid)["State"])

    made = client.create_event_source_mapping(FunctionName="plain", EventSourceArn=QUEUE, Enabled=False)
    uuid = made["UUID"]
    assert (made["State"], now()) == ("Creating", "Disabled") and made["StateTransitionReason"] == "USER_INITIATED"
    assert (client.update_event_source_mapping(UUID=uuid, Enabled=True)["State"], now()) == ("Enabling", "Enabled")
    assert (client.update_event_source_mapping(UUID=uuid, BatchSize=5)["State"], now()) == ("Updating", "Enabled")
    moved = client.update_event_source_mapping(UUID=uuid, FunctionName="other")
    assert moved["State"] == "Updating" and moved["FunctionArn"].endswith(":function:other") and moved["BatchSize"] == 5
    assert (client.update_event_source_mapping(UUID=uuid, Enabled=False)["State"], now()) == ("Disabling", "Disabled")
    assert client.delete_event_source_mapping(UUID=uuid)["State"] == "Deleting"
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.update_event_source_mapping(UUID=uuid, Enabled=True)


@pytest.mark.parametrize(
    ("source", "settings", "message"),
    [
        ("work", {"BatchSize": 10_001}, "less than or equal to 10000"),
        ("work", {"BatchSize": 0}, "greater than or equal to 1"),
        ("work.fifo", {"BatchSize": 11, "MaximumBatchingWindowInSeconds": 1}, "Maximum batch size is 10"),
        ("work.fifo", {"MaximumBatchingWindowInSeconds": 1}, "Batching window is not supported for FIFO queues"),
        ("work", {"MaximumBatchingWindowInSeconds": 301}, "less than or equal to 300"),
        ("work", {"ScalingConfig": {"MaximumConcurrency": 1}}, "greater than or equal to 2"),
        ("work", {"ScalingConfig": {"MaximumConcurrency": 1001}}, "less than or equal to 1000"),
        ("work", {"ParallelizationFactor": 2}, "Unsupported ParallelizationFactor"),
        ("work", {"ParallelizationFactor": 1}, "Unsupported ParallelizationFactor"),
        ("work", {"BisectBatchOnFunctionError": True}, "Unsupported BisectBatchOnFunctionError"),
        ("work", {"BisectBatchOnFunctionError": False}, "Unsupported BisectBatchOnFunctionError"),
        ("work", {"MaximumRetryAttempts": 0}, "Unsupported MaximumRetryAttempts"),
        ("work", {"MaximumRetryAttempts": 1}, "Unsupported MaximumRetryAttempts"),
        ("work", {"MaximumRecordAgeInSeconds": -1}, "Unsupported MaximumRecordAgeInSeconds"),
        ("work", {"TumblingWindowInSeconds": 1}, "Unsupported TumblingWindowInSeconds"),
        ("work", {"StartingPosition": "TRIM_HORIZON"}, "StartingPosition is not valid for SQS"),
        ("work", {"StartingPosition": "LATEST"}, "StartingPosition is not valid for SQS"),
        ("work", {"FilterCriteria": {"Filters": [{"Pattern": "{\"body\": [\"a\"]}"}] * 6}}, "cannot be more than 5"),
        ("work", {"FilterCriteria": {"Filters": [{"Pattern": "{\"body\": [{\"numeric\": [\"~\", 1]}]}"}]}}, "Invalid filter pattern definition"),
        ("stream", {}, "Value null at 'startingPosition'"),
        ("stream", {"StartingPosition": "AT_TIMESTAMP", "StartingPositionTimestamp": 1}, "Unsupported starting position"),
        ("stream", {"StartingPosition": "LATEST", "ParallelizationFactor": 11}, "less than or equal to 10"),
        ("stream", {"StartingPosition": "LATEST", "MaximumRecordAgeInSeconds": 59}, "MaximumRecordAgeInSeconds must be -1 or between 60 and 604800"),
        ("stream", {"StartingPosition": "LATEST", "MaximumRecordAgeInSeconds": 604_801}, "less than or equal to 604800"),
        ("stream", {"StartingPosition": "LATEST", "MaximumRetryAttempts": 10_001}, "less than or equal to 10000"),
        ("stream", {"StartingPosition": "LATEST", "TumblingWindowInSeconds": 901}, "less than or equal to 900"),
        ("stream", {"StartingPosition": "LATEST", "TumblingWindowInSeconds": 9, "ParallelizationFactor": 2}, "is not supported with a ParallelizationFactor"),
        ("stream", {"StartingPosition": "LATEST", "ScalingConfig": {"MaximumConcurrency": 2}}, "Unsupported ScalingConfig"),
        ("stream", {"StartingPosition": "LATEST", "ScalingConfig": {}}, "Unsupported ScalingConfig"),
        ("stream", {"StartingPosition": "LATEST", "DestinationConfig": {"OnSuccess": {"Destination": QUEUE}}}, "Unsupported DestinationConfig"),
        ("stream", {"StartingPosition": "LATEST", "DestinationConfig": {"OnFailure": {}}}, "The Destination field is required for an OnFailure configuration."),
        ("stream", {"StartingPosition": "LATEST", "DestinationConfig": {"OnFailure": {"Destination": f"{QUEUE}.fifo"}}}, f"The destination ARN {QUEUE}.fifo is invalid."),
    ],
)
def test_what_a_mapping_may_not_say(cloud: Running, source: str, settings: dict[str, Any], message: str) -> None:
    """Because each is a documented bound, or makes no sense for the source."""
    _ready(cloud)
    client = cloud.client("lambda", parameter_validation=False)
    arn = _stream(cloud) if source == "stream" else f"arn:aws:sqs:{REGION}:{ACCOUNT}:{source}"
    with pytest.raises(ClientError) as caught:
        client.create_event_source_mapping(FunctionName="plain", EventSourceArn=arn, **settings)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400 and message in caught.value.response["Error"]["Message"]
    assert client.list_event_source_mappings()["EventSourceMappings"] == []


def test_the_role_must_be_allowed_to_report_failures(cloud: Running) -> None:
    """Because records that are given up would be lost without a word."""
    client = _ready(cloud)
    wrong = client.exceptions.InvalidParameterValueException
    function(cloud, "reader", Role=role(cloud, "reader", [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*"}]))
    settings = {"FunctionName": "reader", "EventSourceArn": _stream(cloud), "StartingPosition": "LATEST", "Enabled": False}
    with pytest.raises(wrong, match="The provided execution role does not have permissions to call SendMessage on SQS"):
        client.create_event_source_mapping(**settings, DestinationConfig={"OnFailure": {"Destination": QUEUE}})
    uuid = client.create_event_source_mapping(**settings)["UUID"]
    with pytest.raises(wrong, match="The provided execution role does not have permissions to call PutObject on S3"):
        client.update_event_source_mapping(UUID=uuid, DestinationConfig={"OnFailure": {"Destination": "arn:aws:s3:::given-up"}})
    client.delete_event_source_mapping(UUID=uuid)


def test_an_update_says_no_more_than_the_source_knows(cloud: Running) -> None:
    """Because an update that is not refused would have to be honoured."""
    client = _ready(cloud)
    uuid = client.create_event_source_mapping(FunctionName="plain", EventSourceArn=QUEUE, Enabled=False)["UUID"]
    with pytest.raises(ClientError, match="Unsupported BisectBatchOnFunctionError parameter"):
        client.update_event_source_mapping(UUID=uuid, BisectBatchOnFunctionError=True)
    client.delete_event_source_mapping(UUID=uuid)
    uuid = client.create_event_source_mapping(FunctionName="plain", EventSourceArn=_stream(cloud), StartingPosition="LATEST", Enabled=False)["UUID"]
    with pytest.raises(ClientError, match="Unsupported ScalingConfig parameter"):
        client.update_event_source_mapping(UUID=uuid, ScalingConfig={"MaximumConcurrency": 2})
    client.delete_event_source_mapping(UUID=uuid)


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"KMSKeyArn": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1"}, "KMSKeyArn"),
        ({"ProvisionedPollerConfig": {"MinimumPollers": 2, "MaximumPollers": 5}}, "ProvisionedPollerConfig"),
        ({"LoggingConfig": {"SystemLogLevel": "INFO"}}, "LoggingConfig"),
        ({"SourceAccessConfigurations": [{"Type": "BASIC_AUTH", "URI": f"arn:aws:secretsmanager:{REGION}:{ACCOUNT}:secret:a"}]}, "SourceAccessConfigurations"),
        ({"EventSourceArn": f"arn:aws:kafka:{REGION}:{ACCOUNT}:cluster/a/b"}, "event sources of the service kafka"),
        ({"EventSourceArn": f"arn:aws:mq:{REGION}:{ACCOUNT}:broker:a:b"}, "event sources of the service mq"),
    ],
)
def test_what_mappings_do_not_have_here_is_refused_by_name(cloud: Running, settings: dict[str, Any], name: str) -> None:
    """Because a mapping that were made without it would promise what it does not do."""
    client = _ready(cloud)
    with pytest.raises(ClientError) as caught:
        client.create_event_source_mapping(**{"FunctionName": "plain", "EventSourceArn": QUEUE, **settings})
    error = caught.value.response
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 501 and name in error["Error"]["Message"]
