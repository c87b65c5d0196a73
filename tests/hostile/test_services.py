"""Well-formed HTTP with contents that no honest client sends: every service answers with an error of its own, never with one inside."""

from __future__ import annotations

import gzip

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.hostile.attack import Target, target_headers

pytestmark = pytest.mark.process

FORM = {"Content-Type": "application/x-www-form-urlencoded"}

# Signing name → (method, path, headers): requests whose bodies are damaged below.
WAYS: dict[str, list[tuple[str, str, dict[str, str]]]] = {
    "dynamodb": [("POST", "/", target_headers(f"DynamoDB_20120810.{name}")) for name in ("PutItem", "Query", "CreateTable", "BatchWriteItem", "TransactWriteItems", "UpdateItem")],
    "sqs": [("POST", "/", target_headers(f"AmazonSQS.{name}")) for name in ("SendMessage", "ReceiveMessage", "CreateQueue", "SendMessageBatch", "SetQueueAttributes")],
    "logs": [("POST", "/", target_headers(f"Logs_20140328.{name}", "1.1")) for name in ("PutLogEvents", "FilterLogEvents", "CreateLogGroup", "PutMetricFilter")],
    "iam": [("POST", "/", FORM)],
    "sts": [("POST", "/", FORM)],
    "lambda": [("POST", "/2015-03-31/functions", {}), ("POST", "/2015-03-31/event-source-mappings/", {}), ("PUT", "/2015-03-31/functions/x/code", {}), ("POST", "/2018-10-31/layers/x/versions", {})],
    "apigateway": [("POST", "/restapis", {}), ("PUT", "/restapis?mode=import", {}), ("POST", "/restapis?mode=import", {})],
    "s3": [("PUT", "/hostile?policy", {}), ("PUT", "/hostile?lifecycle", {}), ("POST", "/hostile?delete", {}), ("PUT", "/hostile?notification", {}), ("PUT", "/hostile?cors", {}), ("POST", "/hostile/k?uploadId=x", {}), ("PUT", "/hostile?tagging", {})],
}

DEEP = b'{"a":' * 5000 + b"1" + b"}" * 5000
BODIES = {
    "empty": b"",
    "null": b"null",
    "a list": b"[]",
    "a number": b"1e999",
    "a text": b'"x"',
    "cut off": b'{"TableName": "x',
    "no UTF-8": b'{"TableName": "\xff\xfe"}',
    "half a surrogate": b'{"TableName": "\\ud800", "QueueName": "\\ud800", "FunctionName": "\\ud800", "name": "\\ud800"}',
    "deep": DEEP,
    "deep lists": b"[" * 50_000,
    "the same name twice": b'{"TableName": "abc", "TableName": 1}',
    "zeros": b'{"QueueName": "\\u0000", "TableName": "\\u0000", "name": "\\u0000"}',
    "wrong types": b'{"TableName": {}, "QueueName": [], "FunctionName": 1, "name": true, "Item": "x", "Entries": 3, "Code": []}',
    "a huge number": b'{"Limit": ' + b"9" * 5000 + b', "DelaySeconds": ' + b"9" * 400 + b', "Timeout": 1e308}',
    "XML": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
    "laughter": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;&b;&b;&b;&b;">]><a>&c;</a>',
    "XML that goes deep": b"<a>" * 20_000,
    "a form": b"Action=CreateUser&Version=2010-05-08&UserName=%00&Tags.member.1.Key=%ff&Tags.member.999999999.Key=a",
    "a form of another kind": b"Action=AssumeRole&Version=2011-06-15&DurationSeconds=" + b"9" * 5000,
    "a form with everything twice": b"Action=ListUsers&Action=DeleteUser&Version=2010-05-08&UserName=a&UserName=b",
    "a form of many fields": b"Action=ListUsers&Version=2010-05-08&" + b"a=b&" * 50_000,
    "CBOR": cbor2.dumps({"a": [1, b"x", {"b": None}]}),
    "gzip": gzip.compress(b"{}"),
    "noise": bytes(range(256)),
}


@pytest.fixture(scope="module", autouse=True)
def bucket(target: Target) -> None:
    assert target.request("PUT", "/hostile", sign="s3")[0] == 200


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("service", WAYS)
def test_bodies_that_cannot_be_read(target: Target, service: str, body: str) -> None:
    """Because what a client sends is the client's fault: 4xx, in the service's words, and no word of how it is made inside."""
    for method, path, headers in WAYS[service]:
        status, _, answer = target.request(method, path, BODIES[body], headers, sign=service)
        assert status < 500 or status == 501, (method, path, status, answer)
        assert b"Traceback" not in answer and b"haneul/" not in answer and b"root:" not in answer
    target.said_nothing()


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd", "aws-chunked", "x" * 1000])
def test_encodings_that_do_not_fit(target: Target, encoding: str) -> None:
    """Because a body that is not what its header says must not be taken for something else."""
    for service in ("dynamodb", "logs", "sqs"):
        method, path, headers = WAYS[service][0]
        status, _, _ = target.request(method, path, b"{}", {**headers, "Content-Encoding": encoding}, sign=service)
        assert status < 500 or status == 501
    target.said_nothing()


def test_a_bomb_is_not_unpacked(target: Target) -> None:
    """Because a megabyte can unpack to a gigabyte."""
    before = target.memory_mb
    bomb = gzip.compress(bytes(300 << 20), 9)
    for service in ("dynamodb", "logs"):
        method, path, headers = WAYS[service][0]
        status, _, _ = target.request(method, path, bomb, {**headers, "Content-Encoding": "gzip"}, sign=service)
        assert 400 <= status < 500
    assert target.memory_mb < before + 150
    target.is_well()


@pytest.mark.parametrize("name", ["", ".", "DynamoDB_20120810", "DynamoDB_20120810.", "DynamoDB_20120810.Nope", "Nope_1.ListTables", "DynamoDB_20120810.__class__", "x" * 5000, "DynamoDB_20120810.ListTables.x", "ä.ö"])
def test_targets_that_are_none(target: Target, name: str) -> None:
    """Because the target names the operation, and only operations of the model can be named."""
    status, _, answer = target.request("POST", "/", b"{}", {**target_headers(name), "X-Amz-Target": name.encode().decode("latin-1")}, sign="dynamodb")
    assert 400 <= status < 500 and b"Exception" in answer
    target.said_nothing()


@pytest.mark.parametrize("content_type", ["", "text/html", "application/json", "application/x-amz-json-1.1", "application/xml", "multipart/form-data", "multipart/form-data; boundary=", "a/b; c=" + "d" * 5000, "\xff"])
def test_content_types_of_all_kinds(target: Target, content_type: str) -> None:
    """Because the type of a body is what the client says it is: DynamoDB takes no other than JSON, the others read what comes as what their operations want."""
    seen = {}
    for service, body in (("dynamodb", b"{}"), ("sqs", b"{}"), ("logs", b"{}"), ("iam", b"Action=ListUsers&Version=2010-05-08"), ("lambda", b"{}"), ("s3", b"x")):
        method, path, headers = WAYS[service][0]
        seen[service] = target.request(method, path, body, {**headers, "Content-Type": content_type}, sign=service)[0]
    assert seen == {"dynamodb": 400 if content_type == "application/json" else 404, "sqs": 400, "logs": 400, "iam": 200, "lambda": 400, "s3": 400}
    target.said_nothing()


_CBOR = st.recursive(st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=8) | st.text(max_size=8), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3), max_leaves=6)


@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(value=_CBOR, junk=st.binary(max_size=30), service=st.sampled_from(["dynamodb", "sqs", "logs", "cloudwatch"]))
def test_any_cbor_is_read_or_refused(target: Target, value: object, junk: bytes, service: str) -> None:
    """Because newer SDKs speak CBOR, and its values can be of any type."""
    headers = {"Content-Type": "application/cbor", "Smithy-Protocol": "rpc-v2-cbor"}
    for body in (cbor2.dumps(value), junk):
        status, _, _ = target.request("POST", "/service/AmazonSQS/operation/SendMessage", body, headers, sign=service)
        assert status < 500 or status == 501


@settings(max_examples=60, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    path=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=40),
    method=st.sampled_from(["GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"]),
    service=st.sampled_from(["s3", "lambda", "apigateway", "sqs", ""]),
)
def test_any_path_is_answered(target: Target, path: str, method: str, service: str) -> None:
    """Because every path belongs to some service, or to none, and each way has its answer."""
    status, _, _ = target.request(method, "/" + path, b"", {}, sign=service)
    assert status < 500 or status == 501, (method, path, service)


def test_keys_that_look_like_paths_stay_keys(target: Target) -> None:
    """Because an object's key is a text, and no file is named by it."""
    for number, key in enumerate(["..%2F..%2Fetc%2Fpasswd", "%2E%2E/%2E%2E/x", "a%00b", "%F0%9F%8C%A4", "a//b", "/", "%20"]):
        body = b"%d" % number
        status, _, answer = target.request("PUT", f"/hostile/{key}", body, sign="s3")
        assert status in (200, 400, 403), answer
        if status == 200:
            assert target.request("GET", f"/hostile/{key}", sign="s3")[2] == body
    outside = [one for one in target.data_dir.parent.iterdir() if one != target.data_dir]
    assert [one.name for one in outside if one.name in ("etc", "x", "passwd")] == []


def test_other_peoples_credentials_are_no_way_in(target: Target) -> None:
    """Because an unsigned or badly signed request does nothing at all, whatever it asks."""
    for method, path, headers in (("POST", "/", target_headers("DynamoDB_20120810.ListTables")), ("GET", "/hostile", {}), ("DELETE", "/hostile", {}), ("GET", "/2015-03-31/functions/", {})):
        status, _, _ = target.request(method, path, b"{}" if method == "POST" else b"", headers)
        assert status in (400, 403)
        bad = {**headers, "Authorization": "AWS4-HMAC-SHA256 Credential=test/20300101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0", "X-Amz-Date": "20300101T000000Z"}
        status, _, _ = target.request(method, path, b"{}" if method == "POST" else b"", bad)
        assert status in (400, 403)
    assert target.request("HEAD", "/hostile", sign="s3")[0] == 200
