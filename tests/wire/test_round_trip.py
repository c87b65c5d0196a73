"""Every operation of the services that Haneul has: what botocore sends is what the codec reads, and what the codec writes is what botocore reads."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.wire.oracle import Values, client_model, client_request, client_response, codec, inside, pruned

SPEAKS = [
    ("dynamodb", "json"),
    ("dynamodbstreams", "json"),
    ("lambda", "rest-json"),
    ("s3", "rest-xml"),
    ("sqs", "json"),
    ("sqs", "query"),
    ("sns", "query"),
    ("iam", "query"),
    ("sts", "query"),
    ("logs", "json"),
    ("apigateway", "rest-json"),
    ("cloudwatch", "smithy-rpc-v2-cbor"),
    ("cloudwatch", "json"),
    ("cloudwatch", "query"),
    ("ec2", "ec2"),
    ("kms", "json"),
    ("secretsmanager", "json"),
    ("events", "json"),
    ("cognito-idp", "json"),
    ("cloudformation", "query"),
]
# Not services of Haneul (yet), but they have what those do not: JSON in headers, namespaces, host labels, greedy labels in the middle of a path.
BEYOND = [("lex-runtime", "rest-json"), ("cloudfront", "rest-xml"), ("s3control", "rest-xml"), ("backup", "rest-json"), ("rds", "query")]
SEEDS = st.integers(0, 2**32)
EXAMPLES = settings(max_examples=3, deadline=None, derandomize=True, database=None)

# Two names for one route: requests for the old name arrive at the new one. Directory buckets have hosts of their own.
ALIASES = {
    "GetBucketLifecycle": "GetBucketLifecycleConfiguration",
    "GetBucketNotification": "GetBucketNotificationConfiguration",
    "PutBucketLifecycle": "PutBucketLifecycleConfiguration",
    "PutBucketNotification": "PutBucketNotificationConfiguration",
    "ListDirectoryBuckets": "ListBuckets",
}


def operations(service: str, protocol: str) -> list[str]:
    names = client_model(service, protocol).operation_names
    return names[::14] if service == "ec2" else names  # EC2 has 830, all alike: a sample.


@pytest.mark.parametrize(("service", "protocol"), SPEAKS + BEYOND)
@EXAMPLES
@given(seed=SEEDS)
def test_requests_are_read_as_the_client_meant_them(service: str, protocol: str, seed: int) -> None:
    """Because every SDK must be understood, whatever the location or type of a parameter."""
    subject = codec(service)
    for name in operations(service, protocol):
        shape = client_model(service, protocol).operation_model(name).input_shape
        params = Values(seed, protocol, output=False).structure(shape) if shape is not None else {}
        request = client_request(service, name, params, protocol)
        matched = subject.match(request)
        if name in ALIASES:
            assert matched.operation.name == ALIASES[name]
            continue
        assert matched.operation.name == name
        parsed = subject.parse(matched, request)
        if "ContentLength" not in params:  # Which the HTTP client itself adds.
            parsed.pop("ContentLength", None)
        assert pruned(parsed) == pruned(inside(params)), name


@pytest.mark.parametrize(("service", "protocol"), SPEAKS + BEYOND)
@EXAMPLES
@given(seed=SEEDS)
def test_answers_are_read_by_the_client_as_they_were_meant(service: str, protocol: str, seed: int) -> None:
    """Because every SDK must read back what the service said, whatever its location or type."""
    subject = codec(service)
    for name in operations(service, protocol):
        model = client_model(service, protocol).operation_model(name)
        if name == "GetBucketLocation" or model.has_event_stream_output or name == "ListDirectoryBuckets":
            continue  # These have tests of their own.
        params = Values(seed, protocol, output=False).structure(model.input_shape) if model.input_shape is not None else {}
        request = client_request(service, name, params, protocol)
        matched = subject.match(request)
        if name in ALIASES:
            continue
        output = Values(seed, protocol, output=True).structure(model.output_shape) if model.output_shape is not None else {}
        response = subject.serialize(matched, inside(output), "the-request-id", request)
        parsed = client_response(service, name, response, protocol)
        metadata = parsed.pop("ResponseMetadata")
        assert metadata.get("RequestId", "the-request-id") == "the-request-id"
        payload = model.output_shape.serialization.get("payload") if model.output_shape is not None else None
        if payload and isinstance(parsed.get(payload), str) and isinstance(output.get(payload, b""), bytes):
            parsed[payload] = parsed[payload].encode()
        if payload and parsed.get(payload) in (b"", "") and payload not in output:
            del parsed[payload]
        for member, shape in model.output_shape.members.items() if model.output_shape is not None else ():
            if shape.serialization.get("location") == "statusCode" and member not in output:
                assert parsed.pop(member) == response.status
        assert pruned(parsed) == pruned(output), name
