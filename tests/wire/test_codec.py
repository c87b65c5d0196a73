"""The codec's choices: protocols, opaque shapes, encoded members, payloads, checksums, compression, tokens."""

from __future__ import annotations

import gzip
import json
import zlib
from typing import Any

import orjson
import pytest

from haneul.core.errors import SerializationError, ServiceError
from haneul.core.http import FileBody, HttpRequest
from haneul.core.quirks import Quirks
from haneul.core.raw import Raw
from haneul.wire import ServiceCodec, load_service
from tests.wire.oracle import client_request, client_response, codec

OPAQUE = Quirks(opaque_shapes=frozenset({"AttributeValue"}), crc32=True)


def dynamodb() -> ServiceCodec:
    return ServiceCodec(load_service("dynamodb"), OPAQUE)


def test_the_request_says_which_protocol_it_speaks() -> None:
    """Because SQS speaks two protocols and CloudWatch three, to clients old and new, at one address."""
    for service, operation, params, protocols in (
        ("sqs", "GetQueueUrl", {"QueueName": "q"}, ("json", "query")),
        ("cloudwatch", "GetDashboard", {"DashboardName": "d"}, ("smithy-rpc-v2-cbor", "json", "query")),
    ):
        for protocol in protocols:
            request = client_request(service, operation, params, protocol)
            matched = codec(service).match(request)
            assert matched.operation.name == operation and codec(service).parse(matched, request) == params
            response = codec(service).serialize(matched, {}, "id", request)
            kind = {"json": "application/x-amz-json-1.0", "query": "text/xml", "smithy-rpc-v2-cbor": "application/cbor"}[protocol]
            assert response.headers["content-type"] == kind


def test_query_requests_may_come_in_the_url() -> None:
    """Because query APIs also answer GET, as presigned STS calls do."""
    request = HttpRequest("GET", "/", "Action=GetCallerIdentity&Version=2011-06-15")
    assert codec("sts").match(request).operation.name == "GetCallerIdentity"


def test_sqs_query_requests_go_to_the_queue_s_url() -> None:
    """Because clients of the query protocol need not repeat the URL that they call."""
    form = b"Action=SendMessage&MessageBody=hi&MessageAttribute.1.Name=a&MessageAttribute.1.Value.DataType=String&MessageAttribute.1.Value.StringValue=v"
    request = HttpRequest("POST", "/000000000000/q", "", {"content-type": "application/x-www-form-urlencoded", "host": "localhost:4566"}, form)
    subject = codec("sqs")
    assert subject.parse(subject.match(request), request) == {
        "QueueUrl": "http://localhost:4566/000000000000/q",
        "MessageBody": "hi",
        "MessageAttributes": {"a": {"DataType": "String", "StringValue": "v"}},
    }


def test_opaque_shapes_pass_untouched() -> None:
    """Because DynamoDB reads attribute values itself, faster and with its own errors."""
    item = {"a": {"N": 5, "unknown": [None]}, "b": "not even an object"}
    request = client_request("dynamodb", "ListTables", {}, "json")
    request.headers["x-amz-target"] = "DynamoDB_20120810.PutItem"
    request.body = orjson.dumps({"TableName": "t", "Item": item})
    assert dynamodb().parse(dynamodb().match(request), request) == {"TableName": "t", "Item": item}


def test_encoded_members_are_spliced_in() -> None:
    """Because items come out of the store as JSON and should go out as they are."""
    request = client_request("dynamodb", "Query", {"TableName": "t"}, "json")
    subject = dynamodb()
    output = {"Items": [Raw(b'{"a":{"S":"x"}}'), {"a": {"S": "y"}}], "Count": 2, "LastEvaluatedKey": Raw(b'{"a":{"S":"y"}}'), "ConsumedCapacity": None}
    response = subject.serialize(subject.match(request), output, "id", request)
    assert response.body == b'{"Items":[{"a":{"S":"x"}},{"a":{"S":"y"}}],"Count":2,"LastEvaluatedKey":{"a":{"S":"y"}}}'
    assert response.headers["x-amz-crc32"] == str(zlib.crc32(response.body))


def test_large_answers_are_compressed_for_those_who_ask() -> None:
    """Because DynamoDB compresses, and its CRC32 is of the bytes that are sent."""
    request = client_request("dynamodb", "ListTables", {}, "json")
    request.headers["accept-encoding"] = "gzip, deflate"
    subject = dynamodb()
    names = [f"table-{n}" for n in range(200)]
    response = subject.serialize(subject.match(request), {"TableNames": names}, "id", request)
    assert isinstance(response.body, bytes)
    assert response.headers["content-encoding"] == "gzip" and json.loads(gzip.decompress(response.body)) == {"TableNames": names}
    assert response.headers["x-amz-crc32"] == str(zlib.crc32(response.body))
    assert "content-encoding" not in subject.serialize(subject.match(request), {"TableNames": ["a"]}, "id", request).headers
    for accepted, compressed in (("identity", False), ("gzip;q=0, identity", False), ("gzip; q=0.000", False), ("br, GZIP;q=0.5", True)):
        request.headers["accept-encoding"] = accepted
        assert ("content-encoding" in subject.serialize(subject.match(request), {"TableNames": names}, "id", request).headers) is compressed, accepted


def test_idempotency_tokens_are_the_client_s() -> None:
    """Because a token that is made here could never be repeated: SDKs make them, and a request without one is carried out each time."""
    subject = dynamodb()
    request = HttpRequest("POST", "/", "", {"x-amz-target": "DynamoDB_20120810.TransactWriteItems"}, b'{"TransactItems":[]}')
    assert "ClientRequestToken" not in subject.parse(subject.match(request), request)
    request.body = b'{"TransactItems":[],"ClientRequestToken":"mine"}'
    assert subject.parse(subject.match(request), request)["ClientRequestToken"] == "mine"


def test_json_answers_use_the_client_s_version() -> None:
    """Because a client that speaks plain JSON or version 1.1 gets the same back."""
    request = client_request("dynamodb", "ListTables", {}, "json")
    request.headers["content-type"] = "application/json; charset=utf-8"
    subject = dynamodb()
    assert subject.serialize(subject.match(request), {}, "id", request).headers["content-type"] == "application/json"


def test_members_that_the_model_does_not_know_are_a_mistake_of_the_service() -> None:
    """Because what is in no model must not leak to clients."""
    for service, operation, params, protocol in (
        ("dynamodb", "ListTables", {}, "json"),
        ("iam", "ListUsers", {}, "query"),
        ("s3", "ListBuckets", {}, "rest-xml"),
        ("lambda", "ListFunctions", {}, "rest-json"),
        ("cloudwatch", "ListMetrics", {}, "smithy-rpc-v2-cbor"),
    ):
        request = client_request(service, operation, params, protocol)
        with pytest.raises(KeyError):
            codec(service).serialize(codec(service).match(request), {"_secret": 1}, "id", request)


def test_streaming_bodies_are_handed_on_unread() -> None:
    """Because an upload of 5 GB never sits in memory, nor does a download."""

    class File:
        def read(self, offset: int, length: int) -> bytes:
            raise AssertionError("the wire must not read the file")

    class Upload:
        length = 5 * 1024**3

        def __aiter__(self) -> Any:
            raise AssertionError("the wire must not read the body")

    subject = codec("s3")
    upload = Upload()
    request = HttpRequest("PUT", "/b/k", "", {"content-type": "image/jpeg", "x-amz-meta-color": "red"}, stream=upload)
    matched = subject.match(request)
    params = subject.parse(matched, request)
    assert matched.operation.streaming_input and params["Body"] is upload
    assert params["ContentType"] == "image/jpeg" and params["Metadata"] == {"color": "red"}
    request = HttpRequest("GET", "/b/k")
    body = FileBody(File(), 0, 10)
    response = subject.serialize(subject.match(request), {"Body": body, "ContentLength": 10, "Metadata": {"color": "red"}}, "id", request)
    assert response.body is body and response.headers["Content-Length"] == "10" and response.headers["x-amz-meta-color"] == "red"


def test_bucket_location_is_an_element_that_is_only_text() -> None:
    """Because GetBucketLocation answers with an unwrapped element, empty for us-east-1."""
    request = HttpRequest("GET", "/b", "location")
    subject = codec("s3")
    namespace = b'<?xml version="1.0" encoding="UTF-8"?>\n<LocationConstraint xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
    assert subject.serialize(subject.match(request), {"LocationConstraint": "eu-west-1"}, "id", request).body == namespace + b">eu-west-1</LocationConstraint>"
    assert subject.serialize(subject.match(request), {}, "id", request).body == namespace + b"/>"


def test_s3_documents_have_their_real_names_and_times_their_milliseconds() -> None:
    """Because clients that are not SDKs look for `ListBucketResult`, which is in no model."""
    request = HttpRequest("GET", "/b", "list-type=2")
    subject = codec("s3")
    output = {"Name": "b", "KeyCount": 1, "Contents": [{"Key": "a & b\r", "LastModified": 1_700_000_000_000_000_000, "Size": 3}], "IsTruncated": False}
    response = subject.serialize(subject.match(request), output, "id", request)
    assert isinstance(response.body, bytes)
    assert b'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">' in response.body
    assert b"<Key>a &amp; b&#xd;</Key><LastModified>2023-11-14T22:13:20.000Z</LastModified>" in response.body
    assert client_response("s3", "ListObjectsV2", response, "rest-xml")["Contents"][0]["Key"] == "a & b\r"


def test_ec2_answers_have_the_request_id_inside() -> None:
    """Because EC2's documents have neither a result element nor metadata."""
    request = client_request("ec2", "DescribeVpcs", {}, "ec2")
    response = codec("ec2").serialize(codec("ec2").match(request), {"Vpcs": [{"VpcId": "vpc-1", "IsDefault": True}]}, "the-id", request)
    assert response.body == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>the-id</requestId>'
        b"<vpcSet><item><isDefault>true</isDefault><vpcId>vpc-1</vpcId></item></vpcSet></DescribeVpcsResponse>"
    )


def test_header_values_cannot_begin_another_header() -> None:
    """Because metadata is the client's to choose, and a line break in it would forge headers."""
    request = HttpRequest("GET", "/b/k")
    response = codec("s3").serialize(codec("s3").match(request), {"Body": b"", "Metadata": {"a": "x\r\nSet-Cookie: y"}, "ContentType": "a\nb"}, "id", request)
    assert response.headers["x-amz-meta-a"] == "x%0D%0ASet-Cookie%3A%20y"
    assert all("\n" not in value and "\r" not in value for value in response.headers.values())


def test_models_that_do_not_exist() -> None:
    """Because a service name can come from a host name, which is the client's to choose."""
    for name in ("", "nope", "../s3", "s3/2006-03-01"):
        with pytest.raises(LookupError):
            load_service(name)


def test_wrong_forms_fail_in_match_with_the_service_s_error() -> None:
    """Because the form must be read before the operation is known."""
    request = HttpRequest("POST", "/", "", {"content-type": "application/x-www-form-urlencoded"}, b"Action=%ff")
    with pytest.raises(ServiceError) as refused:
        codec("iam").match(request)
    assert refused.value.code == "SerializationException"


def test_presence_is_not_invented() -> None:
    """Because an empty body, header or query is not the same as a member with a value."""
    request = HttpRequest("POST", "/2015-03-31/functions/f/invocations", "", {}, b"")
    assert codec("lambda").parse(codec("lambda").match(request), request) == {"FunctionName": "f"}
    request = HttpRequest("POST", "/", "", {"x-amz-target": "TrentService.ListKeys"}, b"")
    with pytest.raises(SerializationError):
        codec("kms").parse(codec("kms").match(request), request)
