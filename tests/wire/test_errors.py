"""Errors, in the form of each protocol, as botocore reads them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from botocore.awsrequest import HeadersDict
from botocore.parsers import create_parser
from hypothesis import given, settings
from hypothesis import strategies as st

from haneul.core.errors import NotBuilt, SerializationError, ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.quirks import Quirks
from haneul.wire import ServiceCodec, load_service
from tests.wire.oracle import Values, client_model, client_request, codec, inside, pruned
from tests.wire.test_round_trip import BEYOND, SPEAKS

MINIMAL: dict[str, tuple[str, dict[str, Any]]] = {
    "s3": ("ListBuckets", {}),
    "lambda": ("ListFunctions", {}),
    "apigateway": ("GetRestApis", {}),
}


def some_request(service: str, protocol: str) -> HttpRequest:
    name, params = MINIMAL.get(service, (client_model(service, protocol).operation_names[0], {}))
    shape = client_model(service, protocol).operation_model(name).input_shape
    return client_request(service, name, params or (Values(1, protocol, output=False).structure(shape) if shape else {}), protocol)


def read(response: HttpResponse, protocol: str, shape: Any = None) -> dict[str, Any]:
    headers = HeadersDict()
    for name, value in response.headers.items():
        headers[name] = value
    parsed: dict[str, Any] = create_parser(protocol).parse({"headers": headers, "body": response.body, "status_code": response.status, "context": {}}, shape)
    return parsed


@pytest.mark.parametrize(("service", "protocol"), SPEAKS + BEYOND)
@settings(max_examples=3, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**32))
def test_every_modelled_error_reaches_the_client_with_code_message_and_fields(service: str, protocol: str, seed: int) -> None:
    """Because applications catch errors by code and read their fields."""
    subject = codec(service)
    model = client_model(service, protocol)
    request = some_request(service, protocol)
    matched = subject.match(request)
    for shape in model.error_shapes:
        values = Values(seed, protocol, output=True).structure(shape)
        fields = {name: value for name, value in values.items() if name.lower() != "message"}
        response = subject.error(matched, ServiceError(shape.name, "What & why <é>", fields=inside(fields)), "the-request-id", request)
        generic = read(response, protocol)
        wire_code = shape.metadata.get("error", {}).get("code", shape.name)
        names = {shape.name} if protocol in ("json", "rest-json", "smithy-rpc-v2-cbor") else {wire_code}
        if model.metadata.get("awsQueryCompatible") is not None:
            names.add(subject.model.shape(shape.name).traits.get("queryError", {}).get("code", wire_code))
        assert generic["Error"]["Code"] in names
        assert generic["Error"]["Message"] == "What & why <é>"
        assert response.status == shape.metadata.get("error", {}).get("httpStatusCode", 500 if shape._shape_model.get("fault") else 400)
        parsed = read(response, protocol, shape)
        parsed.pop("ResponseMetadata", None)
        message = next((parsed.pop(name) for name in list(parsed) if name.lower() == "message"), "What & why <é>")
        assert message == "What & why <é>"
        if "Type" not in fields and protocol == "rest-json":
            parsed.pop("Type", None)
        assert pruned(parsed) == pruned(fields), shape.name


def test_json_error_carries_the_full_type_of_the_service() -> None:
    """Because old SDKs of DynamoDB compare the whole `__type`."""
    quirks = Quirks(
        error_namespace="com.amazonaws.dynamodb.v20120810",
        error_types={
            "ValidationException": "com.amazon.coral.validate#ValidationException",
            "SerializationException": "com.amazon.coral.service#SerializationException",
        },
        crc32=True,
    )
    subject = ServiceCodec(load_service("dynamodb"), quirks)
    request = client_request("dynamodb", "ListTables", {}, "json")
    matched = subject.match(request)
    response = subject.error(matched, ServiceError("ConditionalCheckFailedException", "The conditional request failed"), "id", request)
    assert orjson.loads(response.body) == {
        "__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException",
        "message": "The conditional request failed",
    }
    assert response.status == 400 and response.headers["content-type"] == "application/x-amz-json-1.0" and "x-amz-crc32" in response.headers
    response = subject.error(matched, ServiceError("TransactionCanceledException", "why", fields={"CancellationReasons": [{"Code": "None"}]}), "id", request)
    assert orjson.loads(response.body)["Message"] == "why" and orjson.loads(response.body)["CancellationReasons"] == [{"Code": "None"}]
    response = subject.error(matched, SerializationError("NUMBER_VALUE cannot be converted to String"), "id", request)
    assert orjson.loads(response.body) == {
        "__type": "com.amazon.coral.service#SerializationException",
        "Message": "NUMBER_VALUE cannot be converted to String",
    }


def test_sqs_tells_json_clients_the_code_of_the_query_protocol() -> None:
    """Because boto3 raises the class that it had before SQS moved to JSON."""
    subject = codec("sqs")
    request = client_request("sqs", "SendMessage", {"QueueUrl": "q", "MessageBody": "b"}, "json")
    response = subject.error(subject.match(request), ServiceError("QueueDoesNotExist", "gone"), "id", request)
    assert response.headers["x-amzn-query-error"] == "AWS.SimpleQueueService.NonExistentQueue;Sender"
    assert read(response, "json")["Error"]["Code"] == "AWS.SimpleQueueService.NonExistentQueue"


def test_query_error_has_type_code_and_message() -> None:
    """Because that is the documented form of IAM's errors."""
    subject = codec("iam")
    request = client_request("iam", "GetUser", {"UserName": "x"}, "query")
    response = subject.error(subject.match(request), ServiceError("NoSuchEntityException", "no <x>"), "the-id", request)
    assert response.status == 404
    assert response.body == (
        b'<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>NoSuchEntity</Code>'
        b"<Message>no &lt;x&gt;</Message></Error><RequestId>the-id</RequestId></ErrorResponse>"
    )
    assert subject.error(None, ServiceError("NoSuchEntity", ""), "the-id", request).status == 404  # The wire's own code is understood too.


@pytest.mark.parametrize(("service", "operation", "protocol"), [("iam", "GetUser", "query"), ("ec2", "DescribeVpcs", "ec2")])
def test_errors_that_quote_what_xml_cannot_hold_can_be_read(service: str, operation: str, protocol: str) -> None:
    """Because a client that cannot read a refusal takes it for a broken answer and tries again."""
    subject = codec(service)
    request = client_request(service, operation, {}, protocol)
    response = subject.error(None, ServiceError("ValidationError", "Value 'a\0\x1f\uffff\tb' at 'userName'"), "the-id", request)
    assert read(response, protocol)["Error"]["Message"] == "Value 'a\ufffd\ufffd\ufffd\tb' at 'userName'"


def test_ec2_error_has_the_plural_form() -> None:
    """Because EC2's errors differ from all others: a list in a Response, and RequestID with a capital D."""
    subject = codec("ec2")
    request = client_request("ec2", "DescribeVpcs", {}, "ec2")
    response = subject.error(subject.match(request), ServiceError("InvalidVpcID.NotFound", "no vpc"), "the-id", request)
    assert (
        b"<Response><Errors><Error><Code>InvalidVpcID.NotFound</Code><Message>no vpc</Message></Error></Errors><RequestID>the-id</RequestID>" in response.body
    )
    assert read(response, "ec2")["Error"]["Code"] == "InvalidVpcID.NotFound"


def test_s3_error_is_bare_and_names_the_resource() -> None:
    """Because S3's errors have no ErrorResponse around them, and repeat both request ids."""
    subject = codec("s3")
    request = client_request("s3", "GetObject", {"Bucket": "b", "Key": "a/b"}, "rest-xml")
    response = subject.error(subject.match(request), ServiceError("NoSuchKey", "The specified key does not exist."), "RID", request)
    assert response.status == 404 and response.headers["x-amz-request-id"] == "RID" and response.headers["x-amz-id-2"]
    assert response.body.startswith(
        b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>'
    )
    assert b"<Resource>/b/a/b</Resource><RequestId>RID</RequestId><HostId>" in response.body
    response = subject.error(subject.match(request), ServiceError("NoSuchKey", "gone", fields={"Key": "a/b"}), "RID", request)
    assert b"<Key>a/b</Key>" in response.body and b"<Resource>" not in response.body


def test_errors_of_head_requests_have_no_body() -> None:
    """Because an answer to HEAD never has one; clients go by the status."""
    subject = codec("s3")
    request = client_request("s3", "HeadObject", {"Bucket": "b", "Key": "k"}, "rest-xml")
    response = subject.error(subject.match(request), ServiceError("NoSuchKey", "", 404), "RID", request)
    assert response.body == b"" and response.status == 404


def test_lambda_error_has_its_header_type_and_located_members() -> None:
    """Because Lambda's error shapes bind `Retry-After` to a header and carry a Type."""
    subject = codec("lambda")
    request = client_request("lambda", "GetFunction", {"FunctionName": "f"}, "rest-json")
    error = ServiceError("TooManyRequestsException", "Rate Exceeded.", fields={"retryAfterSeconds": "3", "Reason": "CallerRateLimitExceeded"})
    response = subject.error(subject.match(request), error, "id", request)
    assert response.status == 429 and response.headers["Retry-After"] == "3" and response.headers["x-amzn-errortype"] == "TooManyRequestsException"
    assert orjson.loads(response.body) == {"Reason": "CallerRateLimitExceeded", "message": "Rate Exceeded.", "Type": "User"}


def test_errors_beyond_the_model_keep_status_headers_and_code() -> None:
    """Because what is not built, and access that is denied, are in no service's model."""
    for service, protocol in SPEAKS:
        request = some_request(service, protocol)
        response = codec(service).error(codec(service).match(request), NotBuilt("the operation x"), "id", request)
        assert response.status == 501 and read(response, protocol)["Error"]["Code"] == "NotImplemented"
        error = ServiceError("Odd", "m", 418, headers={"x-extra": "1"})
        response = codec(service).error(None, error, "id", request)
        assert response.status == 418 and response.headers["x-extra"] == "1"


def test_quirks_give_statuses_where_the_model_is_silent() -> None:
    """Because some services answer 403 where their model says nothing."""
    subject = ServiceCodec(load_service("kms"), Quirks(status={"DisabledException": 409}))
    request = client_request("kms", "ListKeys", {}, "json")
    assert subject.error(None, ServiceError("DisabledException", ""), "id", request).status == 409
    assert subject.error(None, ServiceError("KMSInternalException", ""), "id", request).status == 500


def test_cbor_errors_name_their_type_and_old_code() -> None:
    """Because botocore speaks CBOR to CloudWatch and still raises the query protocol's codes."""
    subject = codec("cloudwatch")
    request = client_request("cloudwatch", "GetDashboard", {"DashboardName": "d"}, "smithy-rpc-v2-cbor")
    response = subject.error(subject.match(request), ServiceError("DashboardNotFoundError", "no"), "id", request)
    assert response.status == 404 and response.headers["smithy-protocol"] == "rpc-v2-cbor"
    assert response.headers["x-amzn-query-error"] == "ResourceNotFound;Sender"
    assert read(response, "smithy-rpc-v2-cbor")["Error"]["Code"] == "ResourceNotFound"
