"""Requests through Lambda proxy integrations."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import threading

import pytest

from tests.apigateway.fakes import ALLOW_API_GATEWAY, FunctionError
from tests.apigateway.support import deploy, fake_lambda, make_api, send


@pytest.fixture(scope="module")
def api(cloud, gateway):
    """An API whose methods are answered by the function `f`, which says what it was given."""
    fake_lambda(cloud).functions["f"] = lambda event: {"statusCode": 200, "body": json.dumps(event)}
    paths = {
        "/": {"GET": {"function": "f"}},
        "/pets": {"ANY": {"function": "f"}},
        "/pets/mine": {"GET": {"function": "f"}},
        "/pets/{id}": {"GET": {"function": "f"}, "DELETE": {"function": "f"}},
        "/pets/{id}/toys": {"GET": {"function": "f"}},
        "/files/{name+}": {"ANY": {"function": "f"}},
    }
    made = make_api(gateway, paths, binaryMediaTypes=["image/*"])
    deploy(gateway, made, variables={"color": "blue"})
    return made


def answer_with(cloud, value):
    def function(event):
        if isinstance(value, Exception):
            raise value
        return value

    fake_lambda(cloud).functions["custom"] = function


@pytest.fixture(scope="module")
def custom(cloud, gateway):
    """An API answered by whatever function a test sets up."""
    made = make_api(gateway, {"/": {"ANY": {"function": "custom"}}}, binaryMediaTypes=["image/*"])
    deploy(gateway, made)
    return made


def test_the_event_is_the_documented_one(cloud, api):
    """Functions are written against this format, member by member."""
    headers = {"X-My-HEADER": "v", "user-agent": "me", "Content-Type": "text/plain"}
    event = send(cloud, api, "/prod/pets/a%20b?x=1&x=2&y=&z=p%2Bq+r", "GET", headers, b"hello").json
    now = cloud.clock.now()
    context, identity = event["requestContext"], event["requestContext"]["identity"]
    assert (event["resource"], event["path"], event["httpMethod"]) == ("/pets/{id}", "/pets/a%20b", "GET")
    assert event["pathParameters"] == {"id": "a b"}
    assert event["queryStringParameters"] == {"x": "2", "y": "", "z": "p+q r"}
    assert event["multiValueQueryStringParameters"] == {"x": ["1", "2"], "y": [""], "z": ["p+q r"]}
    assert (event["body"], event["isBase64Encoded"]) == ("hello", False)
    assert event["stageVariables"] == {"color": "blue"}
    assert event["headers"]["X-My-HEADER"] == "v" and event["multiValueHeaders"]["X-My-HEADER"] == ["v"]
    assert event["headers"]["User-Agent"] == "me"
    assert event["headers"]["Host"] == f"{api}.execute-api.us-east-1.amazonaws.com"
    assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert re.fullmatch(r"Root=1-[0-9a-f]{8}-[0-9a-f]{24}", event["headers"]["X-Amzn-Trace-Id"])
    assert not {"content-length", "connection"} & {name.lower() for name in event["headers"]}
    assert context["resourcePath"] == "/pets/{id}" and context["path"] == "/prod/pets/a%20b" and context["stage"] == "prod"
    assert context["accountId"] == "000000000000" and context["apiId"] == api and context["domainPrefix"] == api
    assert context["domainName"] == f"{api}.execute-api.us-east-1.amazonaws.com" and context["protocol"] == "HTTP/1.1"
    assert context["requestTimeEpoch"] == now // 1_000_000
    assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", context["requestTime"])
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", context["requestId"])
    assert identity["sourceIp"] == "127.0.0.1" and identity["userAgent"] == "me" and identity["userArn"] is None
    assert set(event) == {
        "resource", "path", "httpMethod", "headers", "multiValueHeaders", "queryStringParameters", "multiValueQueryStringParameters",
        "pathParameters", "stageVariables", "requestContext", "body", "isBase64Encoded",
    }  # fmt: skip


def test_absent_parts_are_null(cloud, api):
    """Not empty objects: functions test for null."""
    event = send(cloud, api, "/prod/").json
    for name in ("body", "queryStringParameters", "multiValueQueryStringParameters", "pathParameters"):
        assert event[name] is None
    assert event["resource"] == "/" and event["path"] == "/"


@pytest.mark.parametrize(
    ("path", "method", "resource", "parameters"),
    [
        ("/prod", "GET", "/", None),
        ("/prod/pets", "POST", "/pets", None),
        ("/prod/pets/", "GET", "/pets", None),
        ("/prod/pets/mine", "GET", "/pets/mine", None),
        ("/prod/pets/7", "DELETE", "/pets/{id}", {"id": "7"}),
        ("/prod/pets/mine/toys", "GET", "/pets/{id}/toys", {"id": "mine"}),
        ("/prod/files/a/b%2Fc", "PUT", "/files/{name+}", {"name": "a/b/c"}),
    ],
)
def test_routing(cloud, api, path, method, resource, parameters):
    """Literal steps come before variables, those before greedy ones; a slash at the end means nothing."""
    event = send(cloud, api, path, method).json
    assert (event["resource"], event["pathParameters"]) == (resource, parameters)


@pytest.mark.parametrize(("path", "method"), [("/prod/none", "GET"), ("/prod/pets/mine", "POST"), ("/prod/files", "GET"), ("/prod/pets/1/2/3", "GET")])
def test_unknown_routes(cloud, api, path, method):
    """The gateway cannot tell an unknown path from a request that should have been signed."""
    answer = send(cloud, api, path, method)
    assert (answer.status, answer.json) == (403, {"message": "Missing Authentication Token"})
    assert answer.header("x-amzn-ErrorType") == "MissingAuthenticationTokenException"
    assert answer.header("x-amzn-RequestId") and answer.header("x-amz-apigw-id")


@pytest.mark.parametrize(("host", "path"), [(None, "/test/pets"), ("nothing0000.execute-api.us-east-1.amazonaws.com", "/prod/pets")])
def test_unknown_stages_and_apis(cloud, api, host, path):
    """What is not there is forbidden."""
    answer = send(cloud, api, path, headers={"Host": host} if host else None)
    assert (answer.status, answer.json, answer.header("x-amzn-ErrorType")) == (403, {"message": "Forbidden"}, "ForbiddenException")


@pytest.mark.parametrize("path", ["/restapis/{api}/prod/_user_request_/pets/7?a=b", "/_aws/execute-api/{api}/prod/pets/7?a=b"])
def test_apis_by_path(cloud, api, path):
    """Where wildcard host names do not resolve, the API's id stands in the path."""
    event = send(cloud, api, path.format(api=api), headers={"Host": "localhost:4566"}).json
    assert (event["path"], event["pathParameters"], event["requestContext"]["path"]) == ("/pets/7", {"id": "7"}, "/prod/pets/7")
    assert event["queryStringParameters"] == {"a": "b"}
    assert event["requestContext"]["domainName"] == "localhost"


def test_repeated_headers_come_all(cloud, api):
    """The single-valued form has the last, the other one all."""
    event = send(cloud, api, "/prod/pets", headers=[("X-A", "1"), ("X-A", "2")]).json
    assert event["headers"]["X-A"] == "2" and event["multiValueHeaders"]["X-A"] == ["1", "2"]


def test_binary_bodies(cloud, api):
    """Media types that the API declares as binary arrive in base64."""
    event = send(cloud, api, "/prod/pets", "POST", {"Content-Type": "image/png"}, b"\x89PNG\xff").json
    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == b"\x89PNG\xff"


def test_the_response_is_what_the_function_says(cloud, custom):
    """Status, headers of both kinds and body; several cookies stay several headers."""
    answer_with(
        cloud,
        {
            "statusCode": "201",
            "headers": {"X-One": "1", "Content-Type": "text/html", "X-Flag": True, "Date": "never"},
            "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2", "c=3"], "X-One": ["2"]},
            "body": "<p>☃</p>",
        },
    )
    answer = send(cloud, custom, "/prod")
    assert (answer.status, answer.body.decode()) == (201, "<p>☃</p>")
    assert answer.all("set-cookie") == ["a=1", "b=2", "c=3"]
    assert sorted(answer.all("x-one")) == ["1", "2"]
    assert answer.header("content-type") == "text/html" and answer.header("x-flag") == "true"
    assert answer.header("x-amzn-Remapped-Date") == "never" and answer.header("date") != "never"


def test_the_least_answer(cloud, custom):
    """Everything in the answer is optional."""
    answer_with(cloud, {})
    answer = send(cloud, custom, "/prod")
    assert (answer.status, answer.body, answer.header("content-type")) == (200, b"", "application/json")


def test_binary_answers(cloud, custom):
    """Bytes go to those who accept a media type that is binary; others get the base64 text."""
    answer_with(cloud, {"statusCode": 200, "headers": {"Content-Type": "image/png"}, "body": base64.b64encode(b"\x00\xff").decode(), "isBase64Encoded": True})
    assert send(cloud, custom, "/prod", headers={"Accept": "image/png,*/*"}).body == b"\x00\xff"
    assert send(cloud, custom, "/prod", headers={"Accept": "text/html"}).body == b"AP8="


@pytest.mark.parametrize(
    "answer",
    [
        FunctionError("boom"),
        b"not json",
        "a string",
        None,
        [],
        {"statusCode": "x"},
        {"statusCode": 42},
        {"statusCode": 200, "body": {"an": "object"}},
        {"statusCode": 200, "unknown": 1},
        {"statusCode": 200, "headers": []},
        {"statusCode": 200, "headers": {"a": {}}},
        {"statusCode": 200, "headers": {"a": "b\r\nc: d"}},
        {"statusCode": 200, "headers": {"a b": "c"}},
        {"statusCode": 200, "multiValueHeaders": {"a": "b"}},
    ],
)
def test_malformed_answers(cloud, custom, answer):
    """A function that fails or answers in another form is a bad gateway; nothing of it reaches the client."""
    answer_with(cloud, answer)
    got = send(cloud, custom, "/prod")
    assert (got.status, got.json, got.header("x-amzn-ErrorType")) == (502, {"message": "Internal server error"}, "InternalServerErrorException")


def test_a_function_must_let_the_gateway_in(cloud, gateway, custom):
    """Its resource policy is asked with the ARN of stage, method and path."""
    fake = fake_lambda(cloud)
    answer_with(cloud, {"statusCode": 200, "body": "in"})
    statement = json.loads(ALLOW_API_GATEWAY)["Statement"][0]

    def allowed(pattern):
        condition = {"ArnLike": {"aws:SourceArn": f"arn:aws:execute-api:us-east-1:000000000000:{pattern}"}}
        fake.policy = json.dumps({"Version": "2012-10-17", "Statement": [{**statement, "Condition": condition}]})
        return send(cloud, custom, "/prod").status

    try:
        assert allowed(f"{custom}/*/GET/") == 200
        assert allowed(f"{custom}/prod/*/*") == 200
        assert allowed(f"{custom}/test/*/*") == 500
        assert allowed("another/*/*/*") == 500
        fake.policy = None
        answer = send(cloud, custom, "/prod")
        assert (answer.status, answer.json) == (500, {"message": "Internal server error"})
    finally:
        fake.policy = ALLOW_API_GATEWAY


def test_a_missing_function(cloud, gateway):
    """An integration with nothing behind it is the API's own fault."""
    made = make_api(gateway, {"/": {"GET": {"function": "nobody"}}})
    deploy(gateway, made)
    answer = send(cloud, made, "/prod")
    assert (answer.status, answer.json) == (500, {"message": "Internal server error"})


def test_bodies_have_a_limit(cloud, api):
    """10 MB. What announces more is refused before it is sent."""
    answer = send(cloud, api, "/prod/pets", "POST", {"Content-Length": "10485761"})
    assert answer.status == 413
    assert answer.json == {"message": "HTTP content length exceeded 10485760 bytes."}


def test_stage_variables_in_the_uri(cloud, gateway):
    """One API serves different functions on different stages."""
    fake = fake_lambda(cloud)
    for name in ("red", "green"):
        fake.functions[name] = lambda event, name=name: {"statusCode": 200, "body": name}
    made = make_api(gateway, {"/": {"GET": {"function": "${stageVariables.fn}"}}})
    deploy(gateway, made, "one", variables={"fn": "red"})
    deploy(gateway, made, "two", variables={"fn": "green"})
    assert (send(cloud, made, "/one").body, send(cloud, made, "/two").body) == (b"red", b"green")


def test_slow_functions_time_out(fresh_cloud):
    """After 29 seconds, or what the integration says, the client gets 504 while the function runs on."""
    client, fake = fresh_cloud.client("apigateway"), fake_lambda(fresh_cloud)
    fake.functions["f"] = lambda event: {"statusCode": 200}
    fake.hang = asyncio.Event()
    made = make_api(client, {"/": {"GET": {"function": "f"}}, "/quick": {"GET": {"function": "f", "integration": {"timeoutInMillis": 50}}}})
    deploy(client, made)
    answers = {}

    def ask(path):
        answers[path] = send(fresh_cloud, made, path)

    threads = [threading.Thread(target=ask, args=(path,)) for path in ("/prod", "/prod/quick")]
    for thread in threads:
        thread.start()

    fresh_cloud.run(fake.invoked(2))
    fresh_cloud.advance("200ms")
    threads[1].join(10)
    assert threads[0].is_alive()
    fresh_cloud.advance("30s")
    threads[0].join(10)
    for answer in answers.values():
        assert (answer.status, answer.json) == (504, {"message": "Endpoint request timed out"})
        assert answer.header("x-amzn-ErrorType") == "InternalServerErrorException"

    async def release():
        fake.hang.set()

    fresh_cloud.run(release())
