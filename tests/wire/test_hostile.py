"""Bytes that no honest client sends: each is refused with the service's error, none breaks the codec."""

from __future__ import annotations

import gzip

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haneul.core.errors import SerializationError, ServiceError
from haneul.core.http import HttpRequest
from haneul.wire.protocols.base import DECOMPRESSED_BYTES_MAX
from tests.wire.oracle import Values, client_model, client_request, codec
from tests.wire.test_round_trip import SPEAKS, operations

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), 1 << 63) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["TableName", "Key", "S", "a", "Tags", "Name"]), inner, max_size=4),
    max_leaves=8,
)


def take(service: str, request: HttpRequest) -> None:
    """The whole way in; only the errors that a client may see are allowed out."""
    subject = codec(service)
    try:
        matched = subject.match(request)
        subject.validate(matched.operation.name, subject.parse(matched, request))
    except (ServiceError, SerializationError) as error:
        assert isinstance(subject.error(None, error, "id", request).body, bytes)


@pytest.mark.parametrize(("service", "protocol"), SPEAKS)
@settings(max_examples=6, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32), junk=st.binary(max_size=12), at=st.floats(0, 1))
def test_damaged_requests_are_refused(service: str, protocol: str, seed: int, junk: bytes, at: float) -> None:
    """Because a damaged body, path or query must never become an internal error."""
    for name in operations(service, protocol)[seed % 7 :: 7]:
        shape = client_model(service, protocol).operation_model(name).input_shape
        request = client_request(service, name, Values(seed, protocol, output=False).structure(shape) if shape is not None else {}, protocol)
        cut = int(len(request.body) * at)
        request.body = request.body[:cut] + junk + request.body[cut + len(junk) // 2 :]
        take(service, request)
        request.query = request.query[: int(len(request.query) * at)] + junk.decode("latin-1").replace(" ", "")
        request.path = request.path[: int(len(request.path) * at)] + "%ff%2F%"
        take(service, request)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(document=ANY_JSON)
@pytest.mark.parametrize(
    ("service", "operation"), [("dynamodb", "PutItem"), ("dynamodb", "BatchWriteItem"), ("sqs", "SendMessageBatch"), ("logs", "PutMetricFilter")]
)
def test_any_json_is_read_or_refused(service: str, operation: str, document: object) -> None:
    """Because the types of a JSON body are the client's to choose."""
    request = client_request(service, "ListTables" if service == "dynamodb" else "ListQueues" if service == "sqs" else "DescribeLogGroups", {}, "json")
    request.headers["x-amz-target"] = request.headers["x-amz-target"].rpartition(".")[0] + "." + operation
    request.body = orjson.dumps(document)
    take(service, request)


def parse_json(service: str, operation: str, body: bytes, **headers: str) -> dict[str, object]:
    subject = codec(service)
    model = subject.model
    content = {"x-amz-target": f"{model.target_prefix}.{operation}", "content-type": f"application/x-amz-json-{model.json_version}"}
    request = HttpRequest("POST", "/", "", {**content, **{name.replace("_", "-"): value for name, value in headers.items()}}, body)
    return subject.parse(subject.match(request), request)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", ""),
        (b"{", ""),
        (b'{"TableName": "a",}', ""),
        (b"\xff\xfe", ""),
        (b'{"TableName": "\xff"}', ""),
        (b'{"TableName": "\\ud800"}', ""),
        (b"[" * 100_000, ""),
        (b"[]", "Unrecognized collection type class com.amazonaws.dynamodb.UpdateTableInput"),
        (b'"x"', "Unexpected field type"),
        (b'{"TableName": 23}', "NUMBER_VALUE cannot be converted to String"),
        (b'{"TableName": 2.5}', "DECIMAL_VALUE cannot be converted to String"),
        (b'{"TableName": true}', "TRUE_VALUE cannot be converted to String"),
        (b'{"TableName": false}', "FALSE_VALUE cannot be converted to String"),
        (b'{"TableName": []}', "Unrecognized collection type class java.lang.String"),
        (b'{"TableName": {}}', "Start of structure or map found where not expected"),
        (b'{"ProvisionedThroughput": "23"}', "Unexpected field type"),
        (b'{"ProvisionedThroughput": {"ReadCapacityUnits": "23"}}', "STRING_VALUE cannot be converted to Long"),
        (b'{"ProvisionedThroughput": {"ReadCapacityUnits": true}}', "TRUE_VALUE cannot be converted to Long"),
        (b'{"ProvisionedThroughput": {"ReadCapacityUnits": []}}', "Unrecognized collection type class java.lang.Long"),
        (b'{"ProvisionedThroughput": {"ReadCapacityUnits": 99999999999999999999}}', "DECIMAL_VALUE cannot be converted to Long"),
        (b'{"GlobalSecondaryIndexUpdates": {}}', "Start of structure or map found where not expected"),
        (b'{"GlobalSecondaryIndexUpdates": 1}', "Unexpected field type"),
        (b'{"DeletionProtectionEnabled": "23"}', "Unexpected token received from parser"),
        (b'{"DeletionProtectionEnabled": 23}', "NUMBER_VALUE cannot be converted to Boolean"),
        (b'{"DeletionProtectionEnabled": []}', "Unrecognized collection type class java.lang.Boolean"),
    ],
)
def test_wrong_json_is_refused_in_the_real_words(body: bytes, message: str) -> None:
    """Because these are the messages that DynamoDB answers with (recorded by the dynalite project against AWS)."""
    with pytest.raises(SerializationError) as refused:
        parse_json("dynamodb", "UpdateTable", body)
    assert refused.value.message == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"true", "only base-64-encoded strings are convertible to bytes"),
        (b"23", "only base-64-encoded strings are convertible to bytes"),
        (b"[]", "Unrecognized collection type class java.nio.ByteBuffer"),
        (b"{}", "Start of structure or map found where not expected"),
        (b'"23456"', "Base64 encoded length is expected a multiple of 4 bytes but found: 5"),
        (b'"=+/="', "Invalid last non-pad Base64 character dectected"),
        (b'"+/+="', "Invalid last non-pad Base64 character dectected"),
        (b'"ab!d"', "Invalid Base64 character: '!'"),
    ],
)
def test_wrong_base64_is_refused_in_the_real_words(text: bytes, message: str) -> None:
    """Because blobs in JSON are strict base64 at AWS, and Python's usual decoder is not strict."""
    with pytest.raises(SerializationError) as refused:
        parse_json("dynamodb", "PutItem", b'{"Item": {"a": {"B": ' + text + b"}}}")
    assert refused.value.message == message


def test_deep_json_that_fits_a_recursive_shape_is_refused() -> None:
    """Because a value nested a thousand times must not exhaust the interpreter's stack."""
    body = b'{"Item": {"a": ' + b'{"L": [' * 450 + b'{"S": "x"}' + b"]}" * 450 + b"}}"
    with pytest.raises(SerializationError):
        parse_json("dynamodb", "PutItem", body)


def test_null_members_are_absent_and_unknown_ones_ignored() -> None:
    """Because SDKs send null for what is not set, and newer SDKs send members that this model does not know."""
    assert parse_json("dynamodb", "ListTables", b'{"Limit": null, "Fancy": {"x": [1]}, "ExclusiveStartTableName": "abc"}') == {"ExclusiveStartTableName": "abc"}


def test_integers_with_a_fraction_are_cut() -> None:
    """Because the framework truncates (a JavaScript client may send 1.0)."""
    assert parse_json("dynamodb", "ListTables", b'{"Limit": 5.9}') == {"Limit": 5}


@pytest.mark.parametrize(
    "body",
    [
        b"<a",
        b"<a></b>",
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x "y">]><CreateBucketConfiguration>&x;</CreateBucketConfiguration>',
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a []><CreateBucketConfiguration/>'.encode("utf-16"),
        b"<CreateBucketConfiguration><LocationConstraint><x/></LocationConstraint></CreateBucketConfiguration>",
        b"<CreateBucketConfiguration>\xff</CreateBucketConfiguration>",
        b'<?xml version="1.0" encoding="no-such-thing"?>\xff<CreateBucketConfiguration/>',
        b"\x00",
    ],
)
def test_wrong_xml_is_refused(body: bytes) -> None:
    """Because XML can hide entities and broken encodings; S3 answers MalformedXML to all of it."""
    subject = codec("s3")
    request = HttpRequest("PUT", "/bucket", "", {}, body)
    with pytest.raises(SerializationError, match="not well-formed"):
        subject.parse(subject.match(request), request)


def test_deeply_nested_xml_is_no_burden() -> None:
    """Because elements that no shape knows are skipped, however deep they go."""
    subject = codec("s3")
    request = HttpRequest("PUT", "/bucket", "", {}, b"<CreateBucketConfiguration>" + b"<a>" * 20_000 + b"</a>" * 20_000 + b"</CreateBucketConfiguration>")
    assert subject.parse(subject.match(request), request) == {"Bucket": "bucket", "CreateBucketConfiguration": {}}


@pytest.mark.parametrize(
    "form",
    [
        b"Action=ListUsers&MaxItems=x",
        b"Action=ListUsers&MaxItems=99999999999999999999",
        b"Action=ListUsers&MaxItems=%D9%A3%ff",
        b"Action=ListUsers&MaxItems.member.1=3",
        b"Action=TagUser&Tags.member.x.Key=3",
        b"Action=TagUser&" + b".".join([b"Tags"] * 100) + b"=1",
        b"Action=ListUsers&\xff\xfe=1",
    ],
)
def test_wrong_forms_are_refused(form: bytes) -> None:
    """Because numbers, list indexes and text of a form are the client's to choose."""
    subject = codec("iam")
    request = HttpRequest("POST", "/", "", {"content-type": "application/x-www-form-urlencoded"}, form)
    with pytest.raises((SerializationError, ServiceError)):
        subject.parse(subject.match(request), request)


def test_of_a_parameter_sent_twice_the_first_counts() -> None:
    """Because a second copy must not override what was checked, in a form or in a URL."""
    subject = codec("iam")
    request = HttpRequest("POST", "/", "", {"content-type": "application/x-www-form-urlencoded"}, b"Action=GetUser&UserName=a&UserName=b")
    assert subject.parse(subject.match(request), request) == {"UserName": "a"}
    request = HttpRequest("GET", "/b", "prefix=a&prefix=b&list-type=2", {}, b"")
    assert codec("s3").parse(codec("s3").match(request), request)["Prefix"] == "a"


@pytest.mark.parametrize(
    "body", [b"\xff", b"\xa1", b"\x9f" * 1000, b"\xa1\x01\x02", b"\xc1\x61a", b"\x01", b"\xbf", b"\xa1aN\x1b" + b"\xff" * 8, b"\xd8\x1c\x80"]
)
def test_wrong_cbor_is_refused(body: bytes) -> None:
    """Because CBOR can be cut off, nested for ever, or of any type at all."""
    subject = codec("cloudwatch")
    request = HttpRequest("POST", "/service/GraniteServiceVersion20100801/operation/PutMetricData", "", {"smithy-protocol": "rpc-v2-cbor"}, body)
    try:
        parsed = subject.parse(subject.match(request), request)
    except SerializationError:
        return
    assert parsed == {}  # Well-formed maps without any member that is known.


def test_gzip_bodies_are_read_and_bombs_refused() -> None:
    """Because SDKs compress PutMetricData, and a few kilobytes can unfold into gigabytes."""
    assert parse_json("dynamodb", "ListTables", gzip.compress(b'{"Limit": 3}'), content_encoding="gzip") == {"Limit": 3}
    for body in (gzip.compress(b" " * (DECOMPRESSED_BYTES_MAX + 1), 9), b"not gzip", gzip.compress(b'{"Limit": 3}')[:-4]):
        with pytest.raises(SerializationError):
            parse_json("dynamodb", "ListTables", body, content_encoding="gzip")
