"""The two protocols of SQS on the wire: what clients see that boto3 hides, and input that no SDK would send."""

from __future__ import annotations

import json
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.sqs.support import bodies, make, receive
from tests.support.running import ACCOUNT, REGION, Running

Answer = tuple[int, dict[str, str], bytes]


def call(cloud: Running, body: bytes, headers: dict[str, str], path: str = "/", method: str = "POST") -> Answer:
    """A signed request as it stands; status, headers and body of the answer."""
    request = AWSRequest(method, f"{cloud.endpoint}{path}", headers=headers, data=body)
    SigV4Auth(Credentials("test", "test"), "sqs", REGION).add_auth(request)
    prepared = request.prepare()
    sent = urllib.request.Request(prepared.url, data=body or None, headers=dict(prepared.headers), method=method)
    try:
        with urllib.request.urlopen(sent, timeout=10) as answer:
            return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, {name.lower(): value for name, value in error.headers.items()}, error.read()


def json_call(cloud: Running, operation: str, body: Any) -> tuple[int, dict[str, str], Any]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, headers, answer = call(cloud, raw, {"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"AmazonSQS.{operation}"})
    return status, headers, json.loads(answer) if answer else None


def query_call(cloud: Running, path: str = "/", **params: Any) -> tuple[int, str]:
    form = urllib.parse.urlencode({"Version": "2012-11-05", **{name.replace("__", "."): value for name, value in params.items()}}).encode()
    status, _, answer = call(cloud, form, {"Content-Type": "application/x-www-form-urlencoded"}, path)
    return status, answer.decode()


def test_errors_of_the_json_protocol(cloud: Running) -> None:
    """Because SDKs find an error's class by `__type` and its old code by a header."""
    url = f"{cloud.endpoint}/{ACCOUNT}/none"
    status, headers, body = json_call(cloud, "SendMessage", {"QueueUrl": url, "MessageBody": "x"})
    assert (status, body) == (400, {"__type": "com.amazonaws.sqs#QueueDoesNotExist", "message": "The specified queue does not exist."})
    assert headers["x-amzn-query-error"] == "AWS.SimpleQueueService.NonExistentQueue;Sender"


@pytest.mark.parametrize(
    ("operation", "body", "kind", "old"),
    [
        ("SendMessage", {}, "MissingRequiredParameterException", "MissingParameter"),
        ("SendMessage", {"QueueUrl": "URL"}, "MissingRequiredParameterException", "MissingParameter"),
        ("SendMessage", {"QueueUrl": "URL", "MessageBody": "x", "DelaySeconds": 1000}, "InvalidParameterValueException", "InvalidParameterValue"),
        ("CreateQueue", {"QueueName": "a b"}, "InvalidParameterValueException", "InvalidParameterValue"),
        ("CreateQueue", {}, "MissingRequiredParameterException", "MissingParameter"),
        ("GetQueueAttributes", {"QueueUrl": "nowhere"}, "InvalidAddress", "InvalidAddress"),
    ],
)
def test_errors_that_the_model_lacks(cloud: Running, sqs: Any, operation: str, body: dict[str, Any], kind: str, old: str) -> None:
    """Because the two commonest errors have one name in each protocol."""
    body = {name: make(sqs) if value == "URL" else value for name, value in body.items()}
    status, headers, answer = json_call(cloud, operation, body)
    assert (status, answer["__type"], headers["x-amzn-query-error"]) == (400, f"com.amazonaws.sqs#{kind}", f"{old};Sender")


def test_the_query_protocol(cloud: Running, sqs: Any) -> None:
    """Because older SDKs speak it still, to the queue's URL itself."""
    status, answer = query_call(cloud, Action="CreateQueue", QueueName="older", Attribute__1__Name="DelaySeconds", Attribute__1__Value="0")
    url = f"{cloud.endpoint}/{ACCOUNT}/older"
    assert status == 200
    assert f"<CreateQueueResult><QueueUrl>{url}</QueueUrl></CreateQueueResult>" in answer
    attribute = {"MessageAttribute__1__Name": "a", "MessageAttribute__1__Value__DataType": "String", "MessageAttribute__1__Value__StringValue": "b"}
    status, answer = query_call(cloud, f"/{ACCOUNT}/older", Action="SendMessage", MessageBody="<&>", **attribute)
    assert status == 200
    assert "<MD5OfMessageAttributes>" in answer
    status, answer = query_call(cloud, Action="ReceiveMessage", QueueUrl=url, AttributeName__1="All", MessageAttributeName__1="All", VisibilityTimeout="0")
    assert "<Body>&lt;&amp;&gt;</Body>" in answer
    assert "<Attribute><Name>SenderId</Name>" in answer
    assert "<MessageAttribute><Name>a</Name><Value>" in answer
    assert bodies(receive(sqs, url)) == ["<&>"]
    status, answer = query_call(cloud, Action="DeleteQueue", QueueUrl=url)
    assert (status, "<DeleteQueueResponse" in answer) == (200, True)


def test_errors_of_the_query_protocol(cloud: Running, sqs: Any) -> None:
    """Because this protocol has its own codes, statuses and, for a missing queue, words."""
    url = f"{cloud.endpoint}/{ACCOUNT}/none"
    status, answer = query_call(cloud, Action="PurgeQueue", QueueUrl=url)
    assert status == 400
    assert "<Code>AWS.SimpleQueueService.NonExistentQueue</Code><Message>The specified queue does not exist for this wsdl version.</Message>" in answer
    real = make(sqs)
    query_call(cloud, Action="PurgeQueue", QueueUrl=real)
    status, answer = query_call(cloud, Action="PurgeQueue", QueueUrl=real)
    assert (status, "<Code>AWS.SimpleQueueService.PurgeQueueInProgress</Code>" in answer) == (403, True)
    status, answer = query_call(cloud, Action="Fly")
    assert (status, "<Code>InvalidAction</Code>" in answer) == (400, True)


@pytest.mark.parametrize(
    ("operation", "change"),
    [
        ("SendMessage", {"MessageBody": None}),
        ("SendMessage", {"MessageBody": 7}),
        ("SendMessage", {"MessageBody": {"a": 1}}),
        ("SendMessage", {"DelaySeconds": "soon"}),
        ("SendMessage", {"DelaySeconds": 10**30}),
        ("SendMessage", {"MessageAttributes": []}),
        ("SendMessage", {"MessageAttributes": {"a": None}}),
        ("SendMessage", {"MessageAttributes": {"a": {"DataType": None}}}),
        ("SendMessage", {"MessageAttributes": {"a": {"DataType": "Binary", "BinaryValue": "!!"}}}),
        ("SendMessage", {"MessageAttributes": {"a": {"DataType": "String", "StringListValues": ["x"]}}}),
        ("SendMessage", {"MessageSystemAttributes": {"Colour": {"DataType": "String", "StringValue": "x"}}}),
        ("SendMessage", {"MessageGroupId": "a b"}),
        ("SendMessageBatch", {"Entries": [None]}),
        ("SendMessageBatch", {"Entries": [{}]}),
        ("SendMessageBatch", {"Entries": {"a": 1}}),
        ("DeleteMessage", {"ReceiptHandle": ""}),
        ("DeleteMessage", {"ReceiptHandle": "\ud800"}),
        ("DeleteMessageBatch", {"Entries": [{"Id": None, "ReceiptHandle": "x"}]}),
        ("ChangeMessageVisibility", {"ReceiptHandle": "x"}),
        ("ReceiveMessage", {"MaxNumberOfMessages": -(2**31)}),
        ("ReceiveMessage", {"AttributeNames": [None]}),
        ("ReceiveMessage", {"AttributeNames": ["Colour"]}),
        ("SetQueueAttributes", {"Attributes": {"DelaySeconds": None}}),
        ("SetQueueAttributes", {"Attributes": {"RedrivePolicy": "[" * 10_000}}),
        ("SetQueueAttributes", {"Attributes": {}}),
        ("TagQueue", {"Tags": {"": "x"}}),
        ("TagQueue", {}),
        ("UntagQueue", {"TagKeys": []}),
        ("AddPermission", {"Label": "a b", "AWSAccountIds": ["1"], "Actions": ["*"]}),
        ("AddPermission", {"Label": "a", "AWSAccountIds": [None], "Actions": ["*"]}),
        ("AddPermission", {"Label": "a", "AWSAccountIds": ["111122223333"], "Actions": ["Fly"]}),
        ("ListQueues", {"MaxResults": 0}),
        ("CreateQueue", {"QueueName": "x\x00y"}),
        ("CreateQueue", {"QueueName": "ok", "Attributes": {"": ""}}),
        ("SendMessage", {"QueueUrl": "http://[bad"}),
        ("SendMessage", {"QueueUrl": "x" * 100_000}),
        ("SendMessage", {"QueueUrl": "http://h/000000000000/%00"}),
        ("SendMessage", {"QueueUrl": "http://h/٠٠٠٠٠٠٠٠٠٠٠٠/a"}),
        ("StartMessageMoveTask", {"SourceArn": "arn:aws:sqs:::"}),
        ("StartMessageMoveTask", {"SourceArn": ""}),
        ("CancelMessageMoveTask", {"TaskHandle": "\x00"}),
    ],
)
def test_hostile_requests_get_an_error_of_theirs(cloud: Running, sqs: Any, operation: str, change: dict[str, Any]) -> None:
    """Because what no SDK would send must end in a refusal that blames the sender, never in a fault of ours."""
    request: dict[str, Any] = {"QueueUrl": make(sqs)}
    if operation == "SendMessage":
        request["MessageBody"] = "x"
    if operation in ("CreateQueue", "ListQueues", "StartMessageMoveTask", "CancelMessageMoveTask"):
        request = {}
    status, _, answer = json_call(cloud, operation, {**request, **change})
    assert 400 <= status < 500, answer


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"QueueUrl": {"$": 1}}', b"[" * 100_000])
def test_bytes_that_are_no_request(cloud: Running, body: bytes) -> None:
    """Because a body can be anything."""
    assert 400 <= json_call(cloud, "SendMessage", body)[0] < 500


def test_too_large_a_body(cloud: Running, sqs: Any) -> None:
    """Because a body is read into memory, so its size is bounded; whoever goes on sending may find the connection closed."""
    try:
        assert json_call(cloud, "SendMessage", b'"' + b"x" * (9 * 1024 * 1024))[0] == 413
    except urllib.error.URLError as error:
        assert isinstance(error.reason, ConnectionError)
    assert make(sqs)


def test_a_null_is_an_absent_member(cloud: Running, sqs: Any) -> None:
    """Because some SDKs write null for what was not given."""
    status, _, _ = json_call(cloud, "SendMessage", {"QueueUrl": make(sqs), "MessageBody": "x", "DelaySeconds": None, "MessageAttributes": None})
    assert status == 200
