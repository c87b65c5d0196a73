"""Bytes that no SDK sends, and what stands around the answers."""

from __future__ import annotations

import json
import zlib
from http.client import HTTPConnection
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from haneul.core.caller import Caller
from tests.dynamodb.support import make_table
from tests.support.running import Running


def post(cloud: Running, operation: str, body: bytes, *, key: tuple[str, ...] = ("test", "test"), **headers: str) -> tuple[int, dict[str, str], bytes]:
    """A signed request with exactly these bytes."""
    request = AWSRequest(
        "POST",
        cloud.endpoint + "/",
        headers={"Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": f"DynamoDB_20120810.{operation}", **headers},
        data=body,
    )
    SigV4Auth(Credentials(*key), "dynamodb", "us-east-1").add_auth(request)
    connection = HTTPConnection("127.0.0.1", cloud.port, timeout=10)
    connection.request("POST", "/", body, dict(request.headers))
    response = connection.getresponse()
    answer = response.read()
    connection.close()
    return response.status, {name.lower(): value for name, value in response.getheaders()}, answer


@pytest.fixture(scope="module")
def table(cloud: Running) -> str:
    return make_table(cloud)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ('{"S": 5}', "NUMBER_VALUE cannot be converted to String"),
        ('{"S": 5.5}', "DECIMAL_VALUE cannot be converted to String"),
        ('{"S": true}', "TRUE_VALUE cannot be converted to String"),
        ('{"S": {}}', "Start of structure or map found where not expected"),
        ('{"S": []}', "Unrecognized collection type class java.lang.String"),
        ('{"N": 5}', "NUMBER_VALUE cannot be converted to String"),
        ('{"B": 5}', "only base-64-encoded strings are convertible to bytes"),
        ('{"B": "abc"}', "Base64 encoded length is expected a multiple of 4 bytes but found: 3"),
        ('{"B": "abc!"}', "Invalid Base64 character: '!'"),
        ('{"B": "ab=="}', "Invalid last non-pad Base64 character dectected"),
        ('{"BOOL": "maybe"}', "Unexpected token received from parser"),
        ('{"L": "x"}', "Unexpected field type"),
        ('{"L": ["x"]}', "Unexpected value type in payload"),
        ('{"M": []}', "Unrecognized collection type java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>"),
        ('"x"', "Unexpected value type in payload"),
        ("[]", "Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue"),
    ],
)
def test_values_of_wrong_types_are_serialization_errors(cloud: Running, table: str, value: str, message: str) -> None:
    """They never get as far as being validated."""
    body = f'{{"TableName": "{table}", "Item": {{"pk": {{"S": "x"}}, "v": {value}}}}}'
    status, _, answer = post(cloud, "PutItem", body.encode())
    assert (status, json.loads(answer)) == (400, {"__type": "com.amazon.coral.service#SerializationException", "Message": message})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{}", "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        ('{"X": "y"}', "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        ('{"S": null}', "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        ('{"M": null}', "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        ('{"L": [{"L": null}]}', "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"),
        ('{"SS": ["a", null]}', "One or more parameter values were invalid: An string set may not have a null string as a member"),
        ('{"NS": ["1", null]}', "One or more parameter values were invalid: An number set may not have a null string as a member"),
        ('{"L": [{"BS": ["QQ==", null]}]}', "One or more parameter values were invalid: Binary sets may not contain null values"),
        ('{"S": "a", "N": "1"}', "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"),
        ('{"N": ""}', "The parameter cannot be converted to a numeric value"),
    ],
)
def test_values_that_say_too_little_or_too_much(cloud: Running, table: str, value: str, message: str) -> None:
    """A value has exactly one type."""
    body = f'{{"TableName": "{table}", "Item": {{"pk": {{"S": "x"}}, "v": {value}}}}}'
    status, _, answer = post(cloud, "PutItem", body.encode())
    assert (status, json.loads(answer)) == (400, {"__type": "com.amazon.coral.validate#ValidationException", "message": message})


@pytest.mark.parametrize("operation", ["GetItem", "PutItem", "Query", "Scan", "UpdateItem", "BatchWriteItem", "BatchGetItem", "TransactWriteItems"])
@pytest.mark.parametrize("value", ["5", '"x"', "[]", '["x"]', "true", '{"pk": 5}', '{"pk": null}', '{"pk": {"S": null}}', '{"pk": [{}]}'])
def test_maps_of_wrong_types(cloud: Running, table: str, operation: str, value: str) -> None:
    """Whatever stands in the place of a key, an item or values is the client's mistake, for root and for a user with conditions on what he may do."""
    bodies = {
        "GetItem": f'"Key": {value}',
        "PutItem": f'"Item": {value}',
        "Query": f'"KeyConditionExpression": "pk = :p", "ExpressionAttributeValues": {value}, "ExclusiveStartKey": {value}',
        "Scan": f'"ExclusiveStartKey": {value}',
        "UpdateItem": f'"Key": {value}, "UpdateExpression": "SET a = :a", "ExpressionAttributeValues": {value}',
        "BatchWriteItem": f'"RequestItems": {{"{table}": [{{"PutRequest": {{"Item": {value}}}}}]}}',
        "BatchGetItem": f'"RequestItems": {{"{table}": {{"Keys": [{value}]}}}}',
        "TransactWriteItems": f'"TransactItems": [{{"Put": {{"TableName": "{table}", "Item": {value}}}}}]',
    }
    body = f'{{"TableName": "{table}", {bodies[operation]}}}'.encode()
    for key in (("test", "test"), limited_user(cloud)):
        status, _, answer = post(cloud, operation, body, key=key)
        kind = json.loads(answer)["__type"].partition("#")[2]
        assert status == 400 and kind in ("SerializationException", "ValidationException", "AccessDeniedException"), answer


def limited_user(cloud: Running) -> tuple[str, str]:
    """The key of a user whose permissions depend on keys and attributes."""
    iam = cloud.client("iam")
    try:
        iam.create_user(UserName="limited")
    except iam.exceptions.EntityAlreadyExistsException:
        iam.delete_access_key(UserName="limited", AccessKeyId=iam.list_access_keys(UserName="limited")["AccessKeyMetadata"][0]["AccessKeyId"])
    condition = {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["x"], "dynamodb:Attributes": ["pk"]}}
    document = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "dynamodb:*", "Resource": "*", "Condition": condition}]}
    iam.put_user_policy(UserName="limited", PolicyName="p", PolicyDocument=json.dumps(document))
    made = iam.create_access_key(UserName="limited")["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


def test_unknown_members_are_not_stored(cloud: Running, table: str) -> None:
    """The real service drops what it does not know."""
    body = f'{{"TableName": "{table}", "Item": {{"pk": {{"S": "odd", "Foo": 1, "N": null}}}}, "Unknown": 1}}'
    assert post(cloud, "PutItem", body.encode())[0] == 200
    answer = post(cloud, "GetItem", f'{{"TableName": "{table}", "Key": {{"pk": {{"S": "odd"}}}}}}'.encode())
    assert json.loads(answer[2]) == {"Item": {"pk": {"S": "odd"}}}


@pytest.mark.parametrize(
    ("operation", "asked"),
    [
        ("GetItem", '"Key": {"pk": %s}'),
        ("PutItem", '"Item": {"pk": %s}'),
        ("DeleteItem", '"Key": {"pk": %s}'),
        ("Query", '"KeyConditionExpression": "pk = :k", "ExpressionAttributeValues": {":k": %s}'),
        ("Query", '"KeyConditions": {"pk": {"ComparisonOperator": "EQ", "AttributeValueList": [%s]}}'),
    ],
)
def test_permissions_look_at_the_key_that_is_used(cloud: Running, table: str, operation: str, asked: str) -> None:
    """What the real service drops of a key's value does not stand in for the key when a policy looks at it."""
    key = limited_user(cloud)
    for value, status in (('{"Foo": "y", "N": null, "S": "x"}', 200), ('{"S": "y"}', 400), ('{"Foo": "x", "S": "y"}', 400)):
        found, _, answer = post(cloud, operation, f'{{"TableName": "{table}", {asked % value}}}'.encode(), key=key)
        assert found == status and (status == 200 or b"AccessDeniedException" in answer), (value, answer)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"TableName": "\\ud800"}', b'{"TableName": 5}', b'{"TableName": ' + b"[" * 5000])
def test_bodies_that_are_no_request(cloud: Running, body: bytes) -> None:
    """Broken JSON and wrong shapes are the client's mistake."""
    status, _, answer = post(cloud, "GetItem", body)
    assert status == 400 and json.loads(answer)["__type"] in (
        "com.amazon.coral.service#SerializationException",
        "com.amazon.coral.validate#ValidationException",
    )


def test_deep_values_are_refused(cloud: Running, table: str) -> None:
    """Nesting beyond the limit is refused, however deep it goes; in transactions, too, whose tokens tell requests apart by all that is in them."""
    for depth in (33, 200, 900):
        value = '{"L": [' * depth + ']}' * depth
        body = f'{{"TableName": "{table}", "Item": {{"pk": {{"S": "x"}}, "v": {value}}}}}'
        status, _, answer = post(cloud, "PutItem", body.encode())
        assert status == 400, answer
        status, _, answer = post(cloud, "TransactWriteItems", f'{{"ClientRequestToken": "{depth}", "TransactItems": [{{"Put": {body}}}]}}'.encode())
        assert status == 400, answer


def test_answers_carry_checksum_and_request_id(cloud: Running, table: str) -> None:
    """SDKs compare the CRC32 with the body, errors included."""
    for body in (f'{{"TableName": "{table}", "Key": {{"pk": {{"S": "x"}}}}}}', '{"TableName": "none", "Key": {"pk": {"S": "x"}}}'):
        status, headers, answer = post(cloud, "GetItem", body.encode())
        assert headers["x-amz-crc32"] == str(zlib.crc32(answer)) and headers["x-amzn-requestid"]
        assert headers["content-type"] == "application/x-amz-json-1.0"
    assert status == 400 and json.loads(answer)["__type"] == "com.amazonaws.dynamodb.v20120810#ResourceNotFoundException"


def test_what_is_wrong_with_who_asks(cloud: Running, table: str) -> None:
    """The types of these errors have the framework's package; clients renew their credentials when they see that of a session that has ended."""
    caller = Caller("role", "000000000000", "arn:aws:sts::000000000000:assumed-role/worker/job", "AROAEXAMPLE:job", role_arn="arn:aws:iam::000000000000:role/worker")
    ended = cloud.app.cloud.authority.mint_session(caller, 900, expires_at=cloud.clock.now())
    wrong = {
        ("nobody", "test"): "UnrecognizedClientException",
        ("test", "wrong"): "InvalidSignatureException",
        (ended.access_key_id, ended.secret_access_key, ended.session_token): "ExpiredTokenException",
    }
    for target in ("DynamoDB_20120810.ListTables", "DynamoDBStreams_20120810.ListStreams"):
        for key, code in wrong.items():
            status, _, answer = post(cloud, "", b"{}", key=key, **{"X-Amz-Target": target})
            assert (status, json.loads(answer)["__type"]) == (400, f"com.amazon.coral.service#{code}")


def test_clients_may_ask_for_compression(cloud: Running, table: str) -> None:
    """Large answers are compressed for those who take it."""
    db: Any = cloud.client("dynamodb")
    db.put_item(TableName=table, Item={"pk": {"S": "large"}, "d": {"S": "x" * 10_000}})
    body = f'{{"TableName": "{table}", "Key": {{"pk": {{"S": "large"}}}}}}'.encode()
    _, headers, answer = post(cloud, "GetItem", body, **{"Accept-Encoding": "gzip"})
    assert headers["content-encoding"] == "gzip" and len(answer) < 1000
    assert headers["x-amz-crc32"] == str(zlib.crc32(answer))  # Of the bytes that travel, as SDKs that ask for compression check it.


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-amz-json-1.1", "application/xml", ""])
def test_bodies_of_other_types(cloud: Running, table: str, content_type: str) -> None:
    """Only JSON is read, whatever else the request says and whoever signed it; parameters of the type do not count."""
    status, headers, answer = post(cloud, "DescribeTable", f'{{"TableName": "{table}"}}'.encode(), **{"Content-Type": content_type})
    assert (status, answer) == (404, b"<UnknownOperationException/>\n")
    assert headers["x-amz-crc32"] == "3552371480" and headers["content-length"] == "29" and headers["x-amzn-requestid"]
    for json_type in ("application/json", "application/x-amz-json-1.0; charset=utf-8"):
        assert post(cloud, "DescribeTable", f'{{"TableName": "{table}"}}'.encode(), **{"Content-Type": json_type})[0] == 200


@pytest.mark.parametrize(("method", "status", "text"), [("GET", 200, b"healthy: dynamodb.eu-west-1.amazonaws.com "), ("PUT", 404, b"<UnknownOperationException/>\n")])
@pytest.mark.parametrize("path", ["/", "/ping"])
def test_the_endpoint_is_asked_after_its_health(cloud: Running, method: str, status: int, text: bytes, path: str) -> None:
    """A GET, on whatever path and signed by nobody, is how load balancers and network tests see that it is there."""
    connection = HTTPConnection("127.0.0.1", cloud.port, timeout=10)
    connection.request(method, path, headers={"Host": "dynamodb.eu-west-1.amazonaws.com"})
    response = connection.getresponse()
    assert (response.status, response.read()) == (status, text)
    assert response.headers["x-amz-crc32"] == str(zlib.crc32(text)) and response.headers["x-amzn-RequestId"]
    connection.close()


def test_unknown_operations(cloud: Running) -> None:
    """What the API does not have is not the same as what is not built."""
    status, _, answer = post(cloud, "Nonsense", b"{}")
    assert status == 400 and json.loads(answer)["__type"] == "com.amazon.coral.service#UnknownOperationException"
    status, _, answer = post(cloud, "SearchVectors", b"{}")
    assert status == 501 and "SearchVectors" in answer.decode()
