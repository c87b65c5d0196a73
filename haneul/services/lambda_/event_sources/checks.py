"""What a mapping may say, and whether its function's role may read the source.

Source: AWS Lambda API Reference, CreateEventSourceMapping; AWS Lambda Developer Guide, pages on SQS and DynamoDB event sources.
"""

from __future__ import annotations

from typing import Any

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.errors import AccessDenied, NotBuilt, ServiceError
from haneul.core.operation import Shape
from haneul.services.lambda_.destinations import check_destination, check_may_send, provided_role_may_not, queue_url
from haneul.services.lambda_.errors import invalid
from haneul.services.lambda_.event_sources.patterns import FILTERS_MAX, PATTERN_LENGTH_MAX, BadPattern, compile_pattern
from haneul.services.lambda_.event_sources.records import Mapping
from haneul.services.lambda_.event_sources.source import PRINCIPAL
from haneul.services.lambda_.functions import Resolution

_NOT_BUILT = (
    "AmazonManagedKafkaEventSourceConfig",
    "DocumentDBEventSourceConfig",
    "KMSKeyArn",
    "LoggingConfig",
    "ProvisionedPollerConfig",
    "Queues",
    "SelfManagedEventSource",
    "SelfManagedKafkaEventSourceConfig",
    "SourceAccessConfigurations",
    "Topics",
)
_STREAM_ONLY = (
    "ParallelizationFactor",
    "BisectBatchOnFunctionError",
    "MaximumRetryAttempts",
    "MaximumRecordAgeInSeconds",
    "DestinationConfig",
    "TumblingWindowInSeconds",
)
_BATCH_DEFAULTS = {"sqs": 10, "dynamodb": 100}
_BATCH_MAX = 10_000
_STREAM_RIGHTS = "Please ensure the role can perform the GetRecords, GetShardIterator, DescribeStream, and ListStreams Actions on your stream in IAM."


def check_built(request: Shape, operation: str) -> None:
    """Refuse parameters that could not be honoured."""
    for name in _NOT_BUILT:
        if request.get(name):
            raise NotBuilt(f"the parameter {name} of lambda:{operation}")


def check_source(arn: str, region: str) -> str:
    """The service of an event source (sqs or dynamodb), which must be in the function's region."""
    parsed = parse_arn(arn)
    if parsed is None:
        raise invalid(f"Unrecognized event source: {arn}")
    if parsed.service not in _BATCH_DEFAULTS:
        raise NotBuilt(f"event sources of the service {parsed.service}")
    if parsed.service == "dynamodb" and "/stream/" not in parsed.resource:
        raise invalid(f"Unrecognized event source, must be kinesis, dynamodb stream or sqs. Unsupported source arn: {arn}")
    if parsed.region != region:
        raise invalid(f"Event source region must match Lambda region {region}.")
    return parsed.service


def batch_size_of(request: Shape, service: str) -> int:
    return int(request.get("BatchSize", _BATCH_DEFAULTS[service]))


def apply_request(call: Call, mapping: Mapping, request: Shape) -> None:
    """Put the request's settings, checked, into a mapping. What the request leaves out stays."""
    queue = mapping.source_service == "sqs"
    if queue:
        for name in _STREAM_ONLY:
            if request.get(name) not in (None, {}):  # What says nothing may be said; a false or a zero says something.
                raise invalid(f"Unsupported {name} parameter for given event source mapping type.")
    elif request.get("ScalingConfig") is not None:
        raise invalid("Unsupported ScalingConfig parameter for given event source mapping type.")
    mapping.batch_size = request.get("BatchSize", mapping.batch_size)
    mapping.window_seconds = request.get("MaximumBatchingWindowInSeconds", mapping.window_seconds)
    mapping.enabled = request.get("Enabled", mapping.enabled)
    mapping.parallelization = request.get("ParallelizationFactor", mapping.parallelization)
    mapping.bisect = request.get("BisectBatchOnFunctionError", mapping.bisect)
    mapping.retries = request.get("MaximumRetryAttempts", mapping.retries)
    mapping.record_age_seconds = request.get("MaximumRecordAgeInSeconds", mapping.record_age_seconds)
    mapping.tumbling_seconds = request.get("TumblingWindowInSeconds", mapping.tumbling_seconds)
    if "MetricsConfig" in request:
        mapping.metrics = _metrics(request["MetricsConfig"])
    if "FunctionResponseTypes" in request:
        mapping.reports_item_failures = "ReportBatchItemFailures" in request["FunctionResponseTypes"]
    if "DestinationConfig" in request:
        mapping.on_failure = _on_failure(call, request["DestinationConfig"])
    if "ScalingConfig" in request:
        mapping.concurrency_max = request["ScalingConfig"].get("MaximumConcurrency")
    if "FilterCriteria" in request:
        mapping.filters = _filters(request["FilterCriteria"])
    _check_batching(mapping)


def _check_batching(mapping: Mapping) -> None:
    fifo = mapping.source_arn.endswith(".fifo")
    if mapping.batch_size > _BATCH_MAX or (fifo and mapping.batch_size > 10):
        raise invalid(f"Maximum batch size is {10 if fifo else _BATCH_MAX} for this event source.")
    if fifo and mapping.window_seconds:
        raise invalid("Batching window is not supported for FIFO queues.")
    if mapping.source_service == "sqs" and mapping.batch_size > 10 and mapping.window_seconds < 1:
        raise invalid("Maximum batch window in seconds must be greater than 0 if maximum batch size is greater than 10")
    if mapping.tumbling_seconds and mapping.parallelization > 1:
        raise invalid("TumblingWindowInSeconds is not supported with a ParallelizationFactor greater than 1.")
    age = mapping.record_age_seconds
    if age != -1 and age < 60:
        raise invalid("MaximumRecordAgeInSeconds must be -1 or between 60 and 604800.")


def check_position(request: Shape, source: str) -> str:
    """Where a stream's mapping begins; "" for queues, which have no positions."""
    position: str = request.get("StartingPosition", "")
    if source == "sqs":
        if position or "StartingPositionTimestamp" in request:
            raise invalid("StartingPosition is not valid for SQS event sources.")
        return ""
    if not position:
        raise invalid("1 validation error detected: Value null at 'startingPosition' failed to satisfy constraint: Member must not be null.")
    if position == "AT_TIMESTAMP":
        raise invalid("Unsupported starting position for arn type dynamodb stream: AT_TIMESTAMP")
    if "StartingPositionTimestamp" in request:
        raise invalid("StartingPositionTimestamp is only valid with the starting position AT_TIMESTAMP.")
    return position


def _metrics(config: dict[str, Any]) -> list[str]:
    wanted: list[str] = config.get("Metrics") or []
    if any(one != "EventCount" for one in wanted):
        raise invalid("Unsupported MetricsConfig parameter for given event source mapping type: queues and streams have the metric EventCount.")
    return list(wanted)


def _on_failure(call: Call, destinations: dict[str, Any]) -> str:
    if (destinations.get("OnSuccess") or {}).get("Destination"):
        raise invalid("Unsupported DestinationConfig parameter for given event source mapping type.")
    failure: dict[str, Any] | None = destinations.get("OnFailure")
    if failure is None:
        return ""
    if "Destination" not in failure:  # An empty one takes the destination away.
        raise invalid("The Destination field is required for an OnFailure configuration.")
    arn: str = failure["Destination"]
    if not arn:
        return ""
    parsed = parse_arn(arn)
    if parsed is None or parsed.service not in ("sqs", "sns", "s3"):
        raise invalid("Invalid destination: on-failure destinations are SQS queues, SNS topics and S3 buckets.")
    check_destination(call, arn)
    return arn


def _filters(criteria: dict[str, Any]) -> list[str]:
    patterns = [one.get("Pattern", "") for one in criteria.get("Filters") or []]
    if len(patterns) > FILTERS_MAX:
        raise invalid(f"Invalid filter pattern definition. Filters cannot be more than {FILTERS_MAX}.")
    for pattern in patterns:
        try:
            if len(pattern) > PATTERN_LENGTH_MAX:
                raise BadPattern("too long")
            compile_pattern(pattern)
        except BadPattern:
            raise invalid("Invalid filter pattern definition.") from None
    return patterns


async def check_access(call: Call, mapping: Mapping, found: Resolution) -> None:
    """The source is there and the function's role may read it, tried out; and may send to the destination of failures."""
    if mapping.source_service == "sqs":
        await _check_queue(call, mapping, found)
    else:
        await _check_stream(call, mapping, found)
    if mapping.on_failure:
        check_may_send(call, found.version.role, mapping.function_name, mapping.on_failure, provided_role_may_not)


async def _as_role(call: Call, mapping: Mapping, found: Resolution, operation: str, params: Shape) -> Shape:
    return await call.invoke(operation, params, role=found.version.role, principal=PRINCIPAL, session_name=mapping.function_name)


async def _check_queue(call: Call, mapping: Mapping, found: Resolution) -> None:
    url = queue_url(mapping.source_arn)
    try:
        # Permission is asked before anything else; what the queue itself says to a request for no messages does not matter.
        await _as_role(call, mapping, found, "sqs:ReceiveMessage", {"QueueUrl": url, "MaxNumberOfMessages": 0})
    except AccessDenied:
        raise invalid("The provided execution role does not have permissions to call ReceiveMessage on SQS") from None
    except ServiceError as error:
        if "NonExistentQueue" in error.code or error.code == "QueueDoesNotExist":
            message = f"Error occurred while ReceiveMessage. SQS Error Code: AWS.SimpleQueueService.NonExistentQueue. SQS Error Message: {error.message}"
            raise invalid(message) from None
    try:
        answer = await _as_role(call, mapping, found, "sqs:GetQueueAttributes", {"QueueUrl": url, "AttributeNames": ["VisibilityTimeout"]})
    except AccessDenied:
        raise invalid("The provided execution role does not have permissions to call GetQueueAttributes on SQS") from None
    visibility = int(answer["Attributes"]["VisibilityTimeout"])
    if visibility < found.version.timeout_seconds:
        raise invalid(f"Queue visibility timeout: {visibility} seconds is less than Function timeout: {found.version.timeout_seconds} seconds")


async def _check_stream(call: Call, mapping: Mapping, found: Resolution) -> None:
    arn = mapping.source_arn
    try:
        described = await _as_role(call, mapping, found, "dynamodbstreams:DescribeStream", {"StreamArn": arn})
        for shard in described["StreamDescription"].get("Shards", [])[:1]:
            place = {"StreamArn": arn, "ShardId": shard["ShardId"], "ShardIteratorType": "LATEST"}
            iterator = await _as_role(call, mapping, found, "dynamodbstreams:GetShardIterator", place)
            await _as_role(call, mapping, found, "dynamodbstreams:GetRecords", {"ShardIterator": iterator["ShardIterator"], "Limit": 1})
        await _as_role(call, mapping, found, "dynamodbstreams:ListStreams", {"Limit": 1})
    except AccessDenied:
        raise invalid(f"Cannot access stream {arn}. {_STREAM_RIGHTS}") from None
    except ServiceError as error:
        if error.code == "ResourceNotFoundException":
            raise invalid(f"Stream not found: {arn}") from None
        raise
