"""What every API request goes through, whatever it asks for."""

from __future__ import annotations

import http.client
import json
import logging
import re
import socket
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from haneul.core.call import Call
from haneul.core.errors import AccessDenied, SerializationError, ServiceError
from haneul.core.http import HttpRequest
from haneul.core.ports import Shape
from haneul.services.iam.service import Iam
from haneul.services.registry import service_classes
from haneul.wire import ServiceCodec, load_service
from tests.core.fakes.base import Fake
from tests.support.running import Running

# One operation of each protocol.
LISTS = {"kinesis": "list_streams", "sns": "list_topics", "scheduler": "list_schedule_groups", "route53": "list_hosted_zones"}


def fake(cloud: Running, name: str) -> Any:
    service = cloud.app.cloud.services[name]
    assert isinstance(service, Fake)
    return service


def raising(error: Exception) -> Any:
    async def behave(call: Call, request: Shape) -> Shape:
        raise error

    return behave


def refused(operation: Any, **params: Any) -> tuple[str, int, str]:
    with pytest.raises(ClientError) as caught:
        operation(**params)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"], answer["Error"].get("Message", "")


def send(cloud: Running, method: str, path: str, body: bytes = b"", headers: dict[str, str] | None = None, *, sign: str = "", chunked: bool = False) -> tuple[int, dict[str, str], bytes]:
    """A request as it stands; signed for a service when `sign` names one."""
    request = AWSRequest(method, f"{cloud.endpoint}{path}", dict(headers or {}), body)
    if sign:
        SigV4Auth(Credentials("test", "test"), sign, "us-east-1").add_auth(request)
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=20)
    try:
        connection.request(method, path, iter([body]) if chunked else body, dict(request.headers), encode_chunked=chunked)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize("service", LISTS)
def test_an_operation_is_performed(fakes: Running, service: str) -> None:
    """Because this is what it is all for; each answer carries a request id."""
    answer = getattr(fakes.client(service), LISTS[service])()
    assert answer["ResponseMetadata"]["HTTPStatusCode"] == 200 and answer["ResponseMetadata"]["RequestId"]


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("kinesis", "delete_stream", {"StreamName": "a"}),
        ("sns", "create_topic", {"Name": "a"}),
        ("scheduler", "delete_schedule_group", {"Name": "a"}),
        ("route53", "delete_hosted_zone", {"Id": "a"}),
    ],
)
def test_what_is_not_built_says_so_and_names_itself(fakes: Running, service: str, operation: str, params: dict[str, str]) -> None:
    """Because nothing reports success for work that was not done, and people must know what is missing."""
    code, status, message = refused(getattr(fakes.client(service), operation), **params)
    name = "".join(part.capitalize() for part in operation.split("_"))
    assert (code, status) == ("NotImplemented", 501) and f"{service}:{name}" in message


@pytest.mark.parametrize(
    ("service", "operation", "params"),
    [
        ("firehose", "list_delivery_streams", {}),
        ("ec2", "describe_instances", {}),
        ("cloudformation", "list_stacks", {}),
        ("batch", "list_jobs", {}),
        ("cloudfront", "list_distributions", {}),
        ("cloudwatch", "list_metrics", {}),
    ],
)
def test_a_service_that_is_not_there_answers_in_its_own_protocol(fakes: Running, service: str, operation: str, params: dict[str, Any]) -> None:
    """Because an SDK reads the refusal with the parser of that service."""
    code, status, message = refused(getattr(fakes.client(service), operation), **params)
    assert (code, status) == ("NotImplemented", 501) and "docs/COVERAGE.md" in message


@pytest.mark.parametrize(
    ("headers", "path", "body", "sign", "expected"),
    [
        ({"X-Amz-Target": "Kinesis_20131202.Nonsense", "Content-Type": "application/x-amz-json-1.1"}, "/", b"{}", "kinesis", (400, b"UnknownOperationException")),
        ({"Content-Type": "application/x-www-form-urlencoded"}, "/", b"Action=Nonsense&Version=2010-03-31", "sns", (400, b"InvalidAction")),
        ({}, "/nonsense/at/all", b"", "scheduler", (404, b"UnknownOperationException")),
        ({}, "/2013-04-01/nonsense", b"", "route53", (404, b"UnknownOperationException")),
    ],
)
def test_unknown_operations_in_each_protocol(fakes: Running, headers: dict[str, str], path: str, body: bytes, sign: str, expected: tuple[int, bytes]) -> None:
    """Because a newer client may know operations that never existed here; each protocol has its own word for it."""
    status, answer_headers, answer = send(fakes, "POST", path, body, headers, sign=sign)
    assert status == expected[0] and expected[1] in answer + answer_headers.get("x-amzn-errortype", "").encode()


@pytest.mark.parametrize("service", LISTS)
def test_unsigned_requests_are_refused_in_each_protocol(fakes: Running, service: str) -> None:
    """Because no one is let in without credentials, and the client is told which kind is missing."""
    from_families = {"kinesis": ("MissingAuthenticationTokenException", 400), "sns": ("MissingAuthenticationToken", 403), "scheduler": ("MissingAuthenticationTokenException", 403)}
    requests: dict[str, tuple[str, str, bytes, dict[str, str]]] = {
        "kinesis": ("POST", "/", b"{}", {"X-Amz-Target": "Kinesis_20131202.ListStreams", "Content-Type": "application/x-amz-json-1.1"}),
        "sns": ("POST", "/", b"Action=ListTopics&Version=2010-03-31", {"Content-Type": "application/x-www-form-urlencoded"}),
        "scheduler": ("GET", "/schedule-groups", b"", {"Host": "scheduler.us-east-1.amazonaws.com"}),
        "route53": ("GET", "/2013-04-01/hostedzone", b"", {"Host": "route53.amazonaws.com"}),
    }
    method, path, body, headers = requests[service]
    status, answer_headers, answer = send(fakes, method, path, body, headers)
    code, expected = from_families.get(service, ("AccessDenied", 403))
    assert status == expected and code in answer.decode() + answer_headers.get("x-amzn-errortype", "")


# ---- failures


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("kinesis", ("AccessDeniedException", 400)),
        ("sns", ("AuthorizationError", 403)),
        ("scheduler", ("AccessDeniedException", 403)),
        ("route53", ("AccessDenied", 403)),
    ],
)
def test_a_refused_permission_has_the_services_own_code(fakes: Running, service: str, expected: tuple[str, int]) -> None:
    """Because services differ in how they say no (quirks.access_denied)."""
    fake(fakes, service).behave = raising(AccessDenied("User: x is not authorized"))
    assert refused(getattr(fakes.client(service), LISTS[service])) == (*expected, "User: x is not authorized")


@pytest.mark.parametrize("service", LISTS)
def test_an_error_inside_tells_nothing(fakes: Running, service: str, caplog: pytest.LogCaptureFixture) -> None:
    """Because a stack trace is for the log: a client learns that it was not its fault, and the request id to ask about."""
    fake(fakes, service).behave = raising(RuntimeError("the secret inside"))
    with caplog.at_level(logging.ERROR, "haneul"):
        code, status, message = refused(getattr(fakes.client(service), LISTS[service]))
    assert (code, status) == ("InternalFailure", 500)
    assert "secret" not in message and "Traceback" not in message
    assert "the secret inside" in caplog.text


def test_an_error_inside_has_the_services_own_code() -> None:
    """Because SDKs repeat what a service declares as its internal failure, and programs catch it by that name (`client.exceptions.InternalServerError`)."""
    common = "The request processing has failed because of an unknown error, exception or failure."
    codes = {
        "dynamodb": ("InternalServerError", "Internal server error"),
        "dynamodbstreams": ("InternalServerError", "Internal server error"),
        "lambda": ("ServiceException", "An error occurred and the request cannot be processed."),
        "s3": ("InternalError", "We encountered an internal error. Please try again."),
        "ecr": ("ServerException", common),
        "iam": ("ServiceFailure", common),
        "sns": ("InternalError", common),
        "cloudwatch": ("InternalServiceFault", common),
        "application-autoscaling": ("InternalServiceException", "The service encountered an internal error."),
    }
    for kind in service_classes():
        code, message = codes.get(kind.name, ("InternalFailure", common))
        error = ServiceError(kind.quirks.internal_error, kind.quirks.internal_message, 500)
        answer = ServiceCodec(load_service(kind.name), kind.quirks).error(None, error, "id", HttpRequest("POST", "/", ""))
        text = f"{answer.headers} {answer.body!r}"
        assert answer.status == 500 and re.search(rf"\b{code}\b", text) and message in text, (kind.name, text)


@pytest.mark.parametrize("service", LISTS)
def test_an_answer_that_does_not_fit_the_model_is_an_error_inside(fakes: Running, service: str, caplog: pytest.LogCaptureFixture) -> None:
    """Because a half-written answer is worse than none."""

    async def behave(call: Call, request: Shape) -> Shape:
        return {"NoSuchMember": object()}

    fake(fakes, service).behave = behave
    code, status, _ = refused(getattr(fakes.client(service), LISTS[service]))
    assert (code, status) == ("InternalFailure", 500)


@pytest.mark.parametrize("service", LISTS)
def test_a_services_own_error_comes_through(fakes: Running, service: str) -> None:
    """Because code, message and status are the real service's."""
    fake(fakes, service).behave = raising(ServiceError("ThrottlingException", "Rate exceeded é <&>", 429))
    assert refused(getattr(fakes.client(service), LISTS[service])) == ("ThrottlingException", 429, "Rate exceeded é <&>")


def test_bytes_that_cannot_be_read_have_the_services_code(fakes: Running) -> None:
    """Because the JSON services call it SerializationException."""
    fake(fakes, "kinesis").behave = raising(SerializationError("what is this"))
    assert refused(fakes.client("kinesis").list_streams)[:2] == ("SerializationException", 400)


def test_the_models_constraints_are_kept(fakes: Running) -> None:
    """Because the real service answers all of them at once, in these words."""
    client = fakes.client("kinesis", parameter_validation=False)
    code, status, message = refused(client.put_record, StreamName="", Data=b"x", PartitionKey="k")
    assert (code, status) == ("ValidationException", 400)
    assert message == (
        "2 validation errors detected: Value '' at 'streamName' failed to satisfy constraint: Member must have length greater than or equal to 1; "
        "Value '' at 'streamName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    )


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("size", [(2 << 20) + 1, 3 << 20])
def test_bodies_are_limited(fakes: Running, size: int, chunked: bool) -> None:
    """Because a body that is read into memory must not be able to fill it (quirks.body_bytes_max)."""
    headers = {"X-Amz-Target": "Kinesis_20131202.PutRecord", "Content-Type": "application/x-amz-json-1.1"}
    status, _, answer = send(fakes, "POST", "/", b" " * size, headers, sign="kinesis", chunked=chunked)
    assert status == 413 and b"RequestEntityTooLargeException" in answer


def test_a_body_of_the_size_allowed_is_read(fakes: Running) -> None:
    """Because the limit itself is allowed."""
    body = json.dumps({"StreamName": "a", "Data": "", "PartitionKey": "k"}).encode()
    headers = {"X-Amz-Target": "Kinesis_20131202.PutRecord", "Content-Type": "application/x-amz-json-1.1"}
    for chunked in (False, True):
        assert send(fakes, "POST", "/", body.ljust(2 << 20), headers, sign="kinesis", chunked=chunked)[0] == 200


def test_a_client_that_breaks_off_is_no_error_inside(fakes: Running, caplog: pytest.LogCaptureFixture) -> None:
    """Because everybody may begin to send, and nobody should fill the log with it; who has closed the sending half only is told."""
    head = b"POST / HTTP/1.1\r\nHost: localhost\r\nX-Amz-Target: Kinesis_20131202.PutRecord\r\nContent-Type: application/x-amz-json-1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    with socket.create_connection(("127.0.0.1", fakes.port), timeout=20) as connection, caplog.at_level(logging.WARNING, logger="haneul"):
        connection.sendall(head + b"2\r\n{}\r\n")
        connection.shutdown(socket.SHUT_WR)
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 400 ") and b"SerializationException" in answer
    assert not caplog.records


def test_an_operation_sets_status_and_headers(fakes: Running) -> None:
    """Because some answers are more than their shape; headers go out with an error too."""

    async def behave(call: Call, request: Shape) -> Shape | None:
        call.status = 202
        call.headers["x-note"] = "seen"
        if "ExclusiveStartStreamName" in request:
            raise ServiceError("LimitExceededException", "no", 400)
        return None

    fake(fakes, "kinesis").behave = behave
    answer = fakes.client("kinesis").list_streams()["ResponseMetadata"]
    assert (answer["HTTPStatusCode"], answer["HTTPHeaders"]["x-note"]) == (202, "seen")
    with pytest.raises(ClientError) as caught:
        fakes.client("kinesis").list_streams(ExclusiveStartStreamName="x")
    assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["x-note"] == "seen"


def test_the_call_knows_who_and_where(fakes: Running) -> None:
    """Because accounts and regions are strictly separate: everything an operation does hangs on these."""
    seen: list[tuple[str, str, str, str]] = []

    async def behave(call: Call, request: Shape) -> None:
        seen.append((call.account, call.region, call.caller.kind, call.arn("stream/a")))

    fake(fakes, "kinesis").behave = behave
    fakes.client("kinesis", region="eu-west-1", key="123456789012").list_streams()
    assert seen == [("123456789012", "eu-west-1", "root", "arn:aws:kinesis:eu-west-1:123456789012:stream/a")]


def test_iam_is_on_for_every_operation(fakes: Running) -> None:
    """Because a cloud that only checks sometimes teaches its users nothing about their policies."""
    assert isinstance(fakes.app.cloud.services["iam"], Iam)
    iam = fakes.client("iam")
    iam.create_user(UserName="nobody")
    key = iam.create_access_key(UserName="nobody")["AccessKey"]
    for service, operation in LISTS.items():
        client = fakes.client(service, key=key["AccessKeyId"], secret=key["SecretAccessKey"])
        message = refused(getattr(client, operation))[2]
        assert message.startswith("User: arn:aws:iam::000000000000:user/nobody is not authorized to perform:")
        assert message.endswith("because no identity-based policy allows the " + f"{service}:{''.join(part.capitalize() for part in operation.split('_'))} action")
