"""The wire: what is no request, in the words of the protocol. (Developer Guide: "DynamoDB low-level API", "Error handling")"""

from __future__ import annotations

import http.client
import json
import zlib
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from tests.conformance.dynamodb.world import World

TARGET = "DynamoDB_20120810."


def send(world: World, body: bytes, target: str | None = TARGET + "ListTables", *, signed: bool = True, **headers: str) -> tuple[int, Any, bytes, Any]:
    """One raw request: status, JSON, bytes and headers of the answer."""
    client = world.client("dynamodb")
    request = AWSRequest("POST", client.meta.endpoint_url + "/", data=body, headers={"Content-Type": "application/x-amz-json-1.0", **headers})
    if target is not None:
        request.headers["X-Amz-Target"] = target
    if signed:
        credentials = client._request_signer._credentials
        SigV4Auth(credentials, "dynamodb", client.meta.region_name).add_auth(request)
    prepared = request.prepare()
    host = prepared.url.split("/")[2]
    kind = http.client.HTTPSConnection if prepared.url.startswith("https") else http.client.HTTPConnection
    connection = kind(host, timeout=60)
    try:
        connection.request("POST", "/", body=body, headers={key: value if isinstance(value, str) else value.decode() for key, value in prepared.headers.items()})
        response = connection.getresponse()
        raw = response.read()
        return response.status, json.loads(raw) if raw else None, raw, response.headers
    finally:
        connection.close()


def test_an_answer(world: World) -> None:
    """JSON 1.0, a request id, and a checksum of the body."""
    status, found, raw, headers = send(world, b"{}")
    assert status == 200 and "TableNames" in found
    assert headers["Content-Type"] == "application/x-amz-json-1.0"
    assert headers["x-amzn-RequestId"] and int(headers["x-amz-crc32"]) == zlib.crc32(raw)


MALFORMED = [
    (b"", "no body"),
    (b"{", "half an object"),
    (b"not json", "no JSON"),
    (b"[]", "a list"),
    (b'"text"', "a text"),
    (b'{"Limit": "x"}', "a text for a number"),
    (b'{"Limit": {}}', "an object for a number"),
    (b'{"ExclusiveStartTableName": 5}', "a number for a text"),
    (b'{"ExclusiveStartTableName": ["x"]}', "a list for a text"),
    (b"\xff\xfe", "no UTF-8"),
]


@pytest.mark.parametrize(("body", "why"), MALFORMED[1:], ids=[one[1] for one in MALFORMED[1:]])
def test_malformed_bodies(world: World, body: bytes, why: str) -> None:
    """What cannot be read is a SerializationException."""
    status, found, _, _ = send(world, body)
    assert (status, found["__type"]) == (400, "com.amazon.coral.service#SerializationException"), why


@pytest.mark.parametrize("target", [TARGET + "NoSuchOperation", "NoSuchService.ListTables", None])
def test_unknown_operations(world: World, target: str | None) -> None:
    """An operation that there is not."""
    status, found, _, _ = send(world, b"{}", target)
    assert (status, found["__type"]) == (400, "com.amazon.coral.service#UnknownOperationException")


def test_unsigned_requests(world: World) -> None:
    """Who asks must say who he is."""
    status, found, _, _ = send(world, b"{}", signed=False)
    assert (status, found["__type"]) == (400, "com.amazon.coral.service#MissingAuthenticationTokenException")


ERRORS = [
    (b'{"Limit": 0}', "ListTables", "com.amazon.coral.validate#ValidationException"),
    (b'{"TableName": "haneul-no-such-table"}', "DescribeTable", "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"),
    (b'{"TableName": "haneul-no-such-table"}', "Scan", "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"),
    (b'{"Statement": "x"}', "ExecuteStatement", "com.amazon.coral.validate#ValidationException"),
]


@pytest.mark.parametrize(("body", "operation", "kind"), ERRORS)
def test_errors_name_their_type(world: World, body: bytes, operation: str, kind: str) -> None:
    """`__type` has the package of the error before its name."""
    status, found, _, _ = send(world, body, TARGET + operation)
    assert (status, found["__type"]) == (400, kind)


VALUES = [
    ('{"B": "not base64!"}', "no base64"),
    ('{"B": "YQ"}', "base64 without padding"),
    ('{"S": 5}', "a number for a text"),
    ('{"N": 5}', "a number that is no text"),
    ('{"BOOL": "true"}', "a text for a truth value"),
    ('{"SS": "a"}', "a text for a set"),
    ('{"L": {}}', "an object for a list"),
    ('{"M": []}', "a list for a map"),
    ('"text"', "no object"),
]


@pytest.mark.parametrize(("value", "why"), VALUES, ids=[one[1] for one in VALUES])
def test_values_of_the_wrong_json_type(world: World, simple: str, value: str, why: str) -> None:
    """Attribute values have the JSON types of the protocol."""
    body = f'{{"TableName": "{simple}", "Item": {{"pk": {{"S": "a"}}, "v": {value}}}}}'.encode()
    status, found, _, _ = send(world, body, TARGET + "PutItem")
    assert (status, found["__type"]) == (400, "com.amazon.coral.service#SerializationException"), why


def test_unknown_members_are_nothing(world: World, simple: str) -> None:
    """What the model does not know is not looked at."""
    status, _, _, _ = send(world, f'{{"TableName": "{simple}", "Key": {{"pk": {{"S": "a"}}}}, "Whatever": [1]}}'.encode(), TARGET + "GetItem")
    assert status == 200


def test_bodies_beyond_16_mb(world: World) -> None:
    """413, whatever is in them."""
    status, found, _, _ = send(world, b'{"x": "' + b"x" * (16 * 1024 * 1024) + b'"}')
    assert status == 413 and "RequestEntityTooLarge" in found["__type"]


CONSUMED = "Value 'BOGUS' at 'returnConsumedCapacity' failed to satisfy constraint: Member must satisfy enum value set: [INDEXES, TOTAL, NONE]"
METRICS = "Value 'BOGUS2' at 'returnItemCollectionMetrics' failed to satisfy constraint: Member must satisfy enum value set: [SIZE, NONE]"
PUT = {"Item": {"pk": {"S": "wire"}}}
ENUMS: list[tuple[str, dict[str, Any], str, str]] = [
    ("PutItem", {**PUT, "ReturnConsumedCapacity": "BOGUS"}, f"1 validation error detected: {CONSUMED}", "an unknown word"),
    ("PutItem", {**PUT, "ReturnItemCollectionMetrics": "BOGUS2"}, f"1 validation error detected: {METRICS}", "of another parameter"),
    (
        "PutItem",
        {**PUT, "ReturnItemCollectionMetrics": "BOGUS2", "ReturnConsumedCapacity": "BOGUS"},
        f"2 validation errors detected: {CONSUMED}; {METRICS}",
        "both, in the order of the model",
    ),
    ("PutItem", {**PUT, "TableName": "haneul-no-such-table", "ReturnConsumedCapacity": "BOGUS"}, f"1 validation error detected: {CONSUMED}", "before the table"),
]


@pytest.mark.parametrize(("operation", "more", "message", "why"), ENUMS, ids=[one[3] for one in ENUMS])
def test_unknown_words(world: World, simple: str, operation: str, more: dict[str, Any], message: str, why: str) -> None:
    """What the model's constraints forbid is said all at once, before anything else is looked at."""
    status, found, _, _ = send(world, json.dumps({"TableName": simple, **more}).encode(), TARGET + operation)
    assert (status, found["message"]) == (400, message), why
