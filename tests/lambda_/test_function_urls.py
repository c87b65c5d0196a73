"""Function URLs, against "Invoking Lambda function URLs"."""

from __future__ import annotations

import http.client
import json
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from haneul.cli.deploy import _make_url
from tests.lambda_.build import function, open_url
from tests.support.running import Running

SHOW = "def handler(event, context):\n    return event\n"


def _url(cloud: Running, name: str, code: str = SHOW, *, public: bool = True, **settings: Any) -> str:
    """The host of a new function's URL."""
    function(cloud, name, code)
    client = cloud.client("lambda")
    made = client.create_function_url_config(**{"FunctionName": name, "AuthType": "NONE", **settings})
    if public:
        open_url(client, name, made["AuthType"])
    host: str = made["FunctionUrl"].split("/")[2]
    return host


def _request(cloud: Running, host: str, method: str = "GET", path: str = "/", body: bytes | None = None, headers: dict[str, str] | None = None) -> http.client.HTTPResponse:
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port)
    connection.request(method, path, body, {"Host": host, **(headers or {})})
    return connection.getresponse()


def test_the_event_has_payload_format_2(cloud: Running) -> None:
    """Because web frameworks' adapters read it. The path comes as it was sent: whoever decodes it knows an escaped slash from one that parts steps."""
    host = _url(cloud, "shows")
    headers = {"Content-Type": "application/json", "Cookie": "a=1; b=2", "X-Own": "y", "User-Agent": "tester"}
    answer = _request(cloud, host, "POST", "/p%20a%2Fth?x=1&x=2&y=", b'{"k": 1}', headers)
    event = json.loads(answer.read())
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    assert (event["version"], event["routeKey"], event["rawPath"], event["rawQueryString"]) == ("2.0", "$default", "/p%20a%2Fth", "x=1&x=2&y=")
    assert event["cookies"] == ["a=1", "b=2"] and "cookie" not in event["headers"] and event["headers"]["x-own"] == "y"
    assert event["queryStringParameters"] == {"x": "1,2", "y": ""}
    assert event["body"] == '{"k": 1}' and event["isBase64Encoded"] is False and event["headers"]["content-length"] == "8"
    context = event["requestContext"]
    assert context["http"] == {"method": "POST", "path": "/p%20a%2Fth", "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "tester"}
    assert context["accountId"] == "anonymous" and context["apiId"] == host.split(".")[0] and "authorizer" not in context


def test_events_and_answers_name_the_trace(cloud: Running) -> None:
    """Because a request is followed by its trace from the client through the function and back."""
    host = _url(cloud, "followed")
    answer = _request(cloud, host)
    root = json.loads(answer.read())["headers"]["x-amzn-trace-id"]
    assert root.startswith("Root=1-") and answer.headers["X-Amzn-Trace-Id"].startswith(f"{root};")
    given = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    answer = _request(cloud, host, headers={"X-Amzn-Trace-Id": given})
    assert json.loads(answer.read())["headers"]["x-amzn-trace-id"] == given and answer.headers["X-Amzn-Trace-Id"] == given
    assert _request(cloud, _url(cloud, "followed-breaks", "def handler(event, context):\n    1 / 0\n")).headers["X-Amzn-Trace-Id"].startswith("Root=1-")


def test_bytes_travel_in_base64_both_ways(cloud: Running) -> None:
    """Because events and answers are JSON."""
    host = _url(cloud, "bytes", "def handler(event, context):\n    assert event['isBase64Encoded']\n    return {'statusCode': 201, 'headers': {'content-type': 'image/png'}, 'body': event['body'], 'isBase64Encoded': True, 'cookies': ['a=1; Path=/', 'b=2']}\n")
    answer = _request(cloud, host, "POST", "/", b"\x00\xff", {"Content-Type": "application/octet-stream"})
    assert (answer.status, answer.read(), answer.headers["Content-Type"]) == (201, b"\x00\xff", "image/png")
    assert sorted(answer.headers.get_all("Set-Cookie") or []) == ["a=1; Path=/", "b=2"]


@pytest.mark.parametrize(
    ("returned", "status", "body"),
    [("'text'", 200, b"text"), ("{'a': 1}", 200, b'{"a": 1}'), ("{'statusCode': 204}", 204, b""), ("{'statusCode': 'x'}", 502, None), ("{'statusCode': 200, 'headers': {'a': 'b\\r\\nc: d'}}", 502, None)],
)
def test_what_a_function_returns_becomes_the_response(cloud: Running, returned: str, status: int, body: bytes | None) -> None:
    """Because a document without a statusCode is the body itself, and a malformed one is the function's fault."""
    name = f"returns-{abs(hash(returned))}"
    answer = _request(cloud, _url(cloud, name, f"def handler(event, context):\n    return {returned}\n"))
    assert answer.status == status
    if body is not None:
        assert answer.read() == body


def test_errors_of_the_function_are_not_shown(cloud: Running) -> None:
    """Because traces must not reach the public."""
    answer = _request(cloud, _url(cloud, "breaks", "def handler(event, context):\n    raise ValueError('secret')\n"))
    assert answer.status == 502 and answer.read() == b'{"Message":"Internal Server Error"}'


def test_without_a_permission_nobody_gets_in(cloud: Running) -> None:
    """Because AuthType NONE only means that no signature is asked for."""
    assert _request(cloud, _url(cloud, "closed", public=False)).status == 403


def test_one_of_the_two_permissions_is_not_enough(cloud: Running) -> None:
    """Because since October 2025 a URL asks for lambda:InvokeFunctionUrl and, under the condition lambda:InvokedViaFunctionUrl, for lambda:InvokeFunction."""
    client = cloud.client("lambda")
    host = _url(cloud, "halves")
    assert _request(cloud, host).status == 200
    for statement, permission in (
        ("url", {"Action": "lambda:InvokeFunctionUrl", "FunctionUrlAuthType": "NONE"}),
        ("url-invoke", {"Action": "lambda:InvokeFunction", "InvokedViaFunctionUrl": True}),
    ):
        client.remove_permission(FunctionName="halves", StatementId=statement)
        refused = _request(cloud, host)
        assert (refused.status, refused.headers["x-amzn-ErrorType"]) == (403, "AccessDeniedException")
        made = json.loads(client.add_permission(FunctionName="halves", StatementId=statement, Principal="*", **permission)["Statement"])
        assert _request(cloud, host).status == 200
    assert made["Condition"] == {"Bool": {"lambda:InvokedViaFunctionUrl": "true"}}
    with pytest.raises(client.exceptions.InvalidParameterValueException, match="only supported for lambda:InvokeFunction action"):
        client.add_permission(FunctionName="halves", StatementId="x", Principal="*", Action="lambda:InvokeFunctionUrl", InvokedViaFunctionUrl=True)


def test_the_permission_by_way_of_the_url_is_none_to_invoke(cloud: Running) -> None:
    """Because the condition is there so that a public URL does not make Invoke public."""
    _url(cloud, "byway")
    iam = cloud.client("iam")
    iam.create_user(UserName="byway")
    key = iam.create_access_key(UserName="byway")["AccessKey"]
    stranger = cloud.client("lambda", key=key["AccessKeyId"], secret=key["SecretAccessKey"])
    with pytest.raises(ClientError, match="not authorized to perform: lambda:InvokeFunction"):
        stranger.invoke(FunctionName="byway")


@pytest.mark.parametrize(("actions", "status"), [(["InvokeFunctionUrl"], 403), (["InvokeFunction"], 403), (["InvokeFunctionUrl", "InvokeFunction"], 200)])
def test_a_signers_own_policy_needs_both_too(cloud: Running, actions: list[str], status: int) -> None:
    """Because AWS_IAM asks the same two questions of whoever signs."""
    name = f"signer-{len(actions)}-{actions[0].lower()}"
    host = _url(cloud, name, AuthType="AWS_IAM", public=False)
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    statement = {"Effect": "Allow", "Action": [f"lambda:{one}" for one in actions], "Resource": "*"}
    iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    request = AWSRequest("GET", f"http://{host}/", headers={"Host": host})
    SigV4Auth(Credentials(key["AccessKeyId"], key["SecretAccessKey"]), "lambda", "us-east-1").add_auth(request)
    assert _request(cloud, host, headers=dict(request.headers.items())).status == status


def test_what_deploy_opens_is_open(cloud: Running) -> None:
    """Because `haneul deploy --url` is to give both permissions, however often it runs, and to functions whose URL had one of them before."""
    host = _url(cloud, "deployed", public=False)
    client = cloud.client("lambda")
    client.add_permission(FunctionName="deployed", StatementId="haneul-url", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType="NONE")
    assert _request(cloud, host).status == 403
    for _ in range(2):
        assert host in _make_url(client, "deployed")
    assert _request(cloud, host).status == 200


def test_iam_urls_want_a_signature_of_somebody_who_may(cloud: Running) -> None:
    """Because that is what AuthType AWS_IAM promises."""
    host = _url(cloud, "signed", AuthType="AWS_IAM", public=False)
    assert _request(cloud, host).status == 403
    request = AWSRequest("GET", f"http://{host}/", headers={"Host": host})
    SigV4Auth(Credentials("test", "test"), "lambda", "us-east-1").add_auth(request)
    answer = _request(cloud, host, headers=dict(request.headers.items()))
    assert answer.status == 200
    assert json.loads(answer.read())["requestContext"]["authorizer"]["iam"]["userArn"] == "arn:aws:iam::000000000000:root"


def test_cors_is_answered_by_the_url(cloud: Running) -> None:
    """Because browsers ask before they call, and functions should not have to answer that."""
    cors = {"AllowOrigins": ["https://app.example"], "AllowMethods": ["GET"], "AllowHeaders": ["x-own"], "MaxAge": 60, "AllowCredentials": True}
    host = _url(cloud, "shared", Cors=cors)
    ask = _request(cloud, host, "OPTIONS", headers={"Origin": "https://app.example", "Access-Control-Request-Method": "GET"})
    assert ask.status == 200 and ask.headers["Access-Control-Allow-Origin"] == "https://app.example" and ask.headers["Access-Control-Max-Age"] == "60"
    assert _request(cloud, host, headers={"Origin": "https://app.example"}).headers["Access-Control-Allow-Credentials"] == "true"
    assert "Access-Control-Allow-Origin" not in _request(cloud, host, headers={"Origin": "https://evil.example"}).headers


def test_a_url_can_be_changed_and_removed(cloud: Running) -> None:
    """Because it is configuration as any other."""
    client = cloud.client("lambda")
    host = _url(cloud, "changes")
    with pytest.raises(client.exceptions.ResourceConflictException):
        client.create_function_url_config(FunctionName="changes", AuthType="NONE")
    assert client.update_function_url_config(FunctionName="changes", AuthType="AWS_IAM")["AuthType"] == "AWS_IAM"
    assert _request(cloud, host).status == 403
    assert len(client.list_function_url_configs(FunctionName="changes")["FunctionUrlConfigs"]) == 1
    client.delete_function_url_config(FunctionName="changes")
    assert _request(cloud, host).status == 404
    assert _request(cloud, "127.0.0.1", path=f"/_aws/lambda-url/{host.split('.')[0]}/").status == 404
