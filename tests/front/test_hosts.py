"""Host names and paths lead where the real endpoints do."""

from __future__ import annotations

import pytest

from haneul.core.http import HttpRequest
from haneul.front.hosts import read_host
from haneul.front.incoming import HeaderNames, Refused, headers_of, path_of_absolute
from haneul.front.router import Endpoint, Router

ROUTER = Router(
    [
        Endpoint("dynamodb", "dynamodb", "dynamodb", "DynamoDB_20120810"),
        Endpoint("dynamodbstreams", "dynamodb", "streams.dynamodb", "DynamoDBStreams_20120810"),
        Endpoint("s3", "s3", "s3", ""),
        Endpoint("sqs", "sqs", "sqs", "AmazonSQS"),
        Endpoint("sts", "sts", "sts", ""),
        Endpoint("iam", "iam", "iam", ""),
        Endpoint("lambda", "lambda", "lambda", ""),
        Endpoint("apigateway", "apigateway", "apigateway", ""),
    ]
)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost:4566", ("", "", "")),
        ("127.0.0.1:4566", ("", "", "")),
        ("[::1]:4566", ("", "", "")),
        ("localhost.localstack.cloud:4566", ("", "", "")),
        ("pics.s3.amazonaws.com", ("bucket", "pics", "")),
        ("a.b.c.s3.eu-west-1.amazonaws.com", ("bucket", "a.b.c", "eu-west-1")),
        ("pics.s3.localhost.localstack.cloud:4566", ("bucket", "pics", "")),
        ("pics.s3.us-east-1.localhost.localstack.cloud:4566", ("bucket", "pics", "us-east-1")),
        ("pics.localhost:4566", ("bucket", "pics", "")),
        ("pics.s3-website-us-east-1.amazonaws.com", ("website", "pics", "us-east-1")),
        ("pics.s3-website.localhost:4566", ("website", "pics", "")),
        ("abc123.execute-api.us-east-1.amazonaws.com", ("api", "abc123", "us-east-1")),
        ("abc123.execute-api.localhost.localstack.cloud:4566", ("api", "abc123", "")),
        ("xyz.lambda-url.us-east-1.on.aws", ("function", "xyz", "us-east-1")),
        ("dynamodb.us-west-2.amazonaws.com", ("service", "dynamodb", "us-west-2")),
        ("123456789012.ddb.us-east-1.amazonaws.com", ("service", "dynamodb", "us-east-1")),
        ("sts.amazonaws.com", ("service", "sts", "")),
        ("s3.us-east-1.amazonaws.com", ("service", "s3", "us-east-1")),
        ("evil.example.com", ("", "", "")),
    ],
)
def test_hosts(host: str, expected: tuple[str, str, str]) -> None:
    """The names of the real endpoints, of `*.localhost` and of `*.localhost.localstack.cloud`."""
    assert tuple(read_host(host)) == expected


def scope(service: str) -> dict[str, str]:
    return {
        "host": "localhost:4566",
        "authorization": f"AWS4-HMAC-SHA256 Credential=test/20240101/us-east-1/{service}/aws4_request, SignedHeaders=host, Signature=x",
    }


@pytest.mark.parametrize(
    ("request_", "kind", "name"),
    [
        (HttpRequest("POST", "/", headers={"x-amz-target": "DynamoDBStreams_20120810.GetRecords", **scope("dynamodb")}), "aws", "dynamodbstreams"),
        (HttpRequest("POST", "/", headers={"x-amz-target": "DynamoDB_20120810.GetItem", **scope("dynamodb")}), "aws", "dynamodb"),
        (HttpRequest("POST", "/", headers=scope("dynamodb")), "aws", "dynamodb"),
        (HttpRequest("POST", "/", headers=scope("kinesis")), "unknown", "kinesis"),
        (HttpRequest("GET", "/key", headers={"host": "pics.s3.localhost:4566"}), "aws", "s3"),
        (HttpRequest("GET", "/_haneul/health", headers={"host": "x"}), "admin", "health"),
        (HttpRequest("GET", "/restapis/abc/prod/_user_request_/a/b", headers={"host": "x"}), "api", "abc"),
        (HttpRequest("GET", "/_aws/execute-api/abc/prod/a", headers={"host": "x"}), "api", "abc"),
        (HttpRequest("POST", "/2015-03-31/functions/f/invocations", headers={"host": "x"}), "aws", "lambda"),
        (HttpRequest("GET", "/bucket/key", "X-Amz-Credential=test%2F20240101%2Fus-east-1%2Fs3%2Faws4_request", {"host": "x"}), "aws", "s3"),
        (
            HttpRequest(
                "POST",
                "/",
                headers={"host": "x", "content-type": "application/x-www-form-urlencoded"},
                body=b"Action=AssumeRoleWithWebIdentity&Version=2011-06-15",
            ),
            "aws",
            "sts",
        ),
        (
            HttpRequest(
                "POST",
                "/",
                headers={"host": "x", "content-type": "application/x-www-form-urlencoded"},
                body=b"SAMLAssertion=" + b"A" * 20_000 + b"&Action=AssumeRoleWithSAML&Version=2011-06-15",
            ),
            "aws",
            "sts",
        ),
        (
            HttpRequest("POST", "/", headers={"host": "x", "x-amz-target": "AWSCognitoIdentityProviderService.InitiateAuth"}),
            "unknown",
            "AWSCognitoIdentityProviderService",
        ),
    ],
)
def test_routes(request_: HttpRequest, kind: str, name: str) -> None:
    """Target, signature scope, host, path and form version each lead to the service they name."""
    route = ROUTER.route(request_)
    assert (route.kind, route.name) == (kind, name)


def test_a_virtual_hosted_bucket_moves_into_the_path_but_not_into_what_is_signed() -> None:
    """The signature covers the path that was sent; operations see one form of path only."""
    request = HttpRequest("GET", "/a/b", headers={"host": "pics.s3.localhost:4566"})
    ROUTER.route(request)
    assert (request.path, request.raw_path) == ("/pics/a/b", "/a/b")


def test_an_api_s_path_style_address_loses_its_prefix() -> None:
    """Both forms reach the same stage and resource."""
    request = HttpRequest("GET", "/restapis/abc/prod/_user_request_/a/b", headers={"host": "x"})
    ROUTER.route(request)
    assert request.path == "/prod/a/b"


def test_targets_that_name_the_host_themselves() -> None:
    """Proxies send them; the scheme is the same in any case (RFC 9110, 4.2.3), and the host that they name counts."""
    headers = {"host": "other"}
    assert path_of_absolute("HTTP://a.example:1/b/c", headers) == "/b/c" and headers == {"host": "a.example:1"}
    assert path_of_absolute("https://a", headers) == "/" and headers == {"host": "a"}
    for target in ("ftp://a/b", "a/b", "://a"):
        with pytest.raises(Refused, match="Bad Request"):
            path_of_absolute(target, {})


def test_headers_that_come_twice_are_one() -> None:
    """Lists go on behind a comma, cookies behind a semicolon (RFC 6265, 5.4; RFC 9113, 8.2.3)."""
    raw = [b"Cookie", b"a=1", b"Accept", b"x", b"cookie", b"b=2; c=3", b"accept", b"y"]
    assert headers_of(raw, HeaderNames()) == {"cookie": "a=1; b=2; c=3", "accept": "x,y"}
