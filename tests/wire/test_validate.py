"""The words in which broken constraints are reported."""

from __future__ import annotations

from typing import Any

import pytest

from haneul.core.errors import ServiceError
from haneul.core.quirks import Quirks
from haneul.wire import ServiceCodec, load_service
from haneul.wire.patterns import JavaPattern
from haneul.wire.validate import rendered, validate
from tests.wire.oracle import codec


def words(service: str, operation: str, params: dict[str, Any]) -> str:
    with pytest.raises(ServiceError) as refused:
        codec(service).validate(operation, params)
    assert refused.value.code == "ValidationException" and refused.value.status == 400
    return refused.value.message


def test_missing_members() -> None:
    """Because the framework counts the errors and writes paths with a small first letter."""
    assert words("kms", "DescribeKey", {}) == "1 validation error detected: Value null at 'keyId' failed to satisfy constraint: Member must not be null"
    assert words("kms", "CreateAlias", {}) == (
        "2 validation errors detected: Value null at 'aliasName' failed to satisfy constraint: Member must not be null; "
        "Value null at 'targetKeyId' failed to satisfy constraint: Member must not be null"
    )


def test_lengths_ranges_patterns_and_enums() -> None:
    """Because these are the four constraints that models carry, each with its own sentence."""
    assert words("logs", "DescribeLogGroups", {"limit": 51}) == (
        "1 validation error detected: Value '51' at 'limit' failed to satisfy constraint: Member must have value less than or equal to 50"
    )
    assert words("logs", "DescribeLogGroups", {"limit": 0}).endswith("Member must have value greater than or equal to 1")
    assert words("logs", "CreateLogGroup", {"logGroupName": "bad name!"}) == (
        "1 validation error detected: Value 'bad name!' at 'logGroupName' failed to satisfy constraint: "
        "Member must satisfy regular expression pattern: [\\.\\-_/#A-Za-z0-9]+"
    )
    assert "Member must have length less than or equal to 512" in words("logs", "CreateLogGroup", {"logGroupName": "x" * 513})
    assert words("dynamodb", "ListTables", {"ExclusiveStartTableName": "a!"}) == (
        "2 validation errors detected: "
        "Value 'a!' at 'exclusiveStartTableName' failed to satisfy constraint: Member must have length greater than or equal to 3; "
        "Value 'a!' at 'exclusiveStartTableName' failed to satisfy constraint: Member must satisfy regular expression pattern: [a-zA-Z0-9_.-]+"
    )
    assert words("logs", "DescribeLogStreams", {"orderBy": "Size"}).endswith("Member must satisfy enum value set: [LogStreamName, LastEventTime]")


def test_paths_into_lists_structures_and_maps() -> None:
    """Because a client must find the wrong element: lists count from one, elements are called member."""
    assert words("dynamodb", "UpdateTimeToLive", {"TableName": "abc", "TimeToLiveSpecification": {"Enabled": True}}) == (
        "1 validation error detected: Value null at 'timeToLiveSpecification.attributeName' failed to satisfy constraint: Member must not be null"
    )
    message = words("logs", "PutLogEvents", {"logGroupName": "g", "logStreamName": "s", "logEvents": [{"timestamp": 1, "message": "m"}, {"timestamp": 1}]})
    assert "Value null at 'logEvents.2.member.message' failed" in message
    message = words("kms", "TagResource", {"KeyId": "k", "Tags": [None]})
    assert message == "1 validation error detected: Value null at 'tags.1.member' failed to satisfy constraint: Member must not be null"
    message = words("lambda", "CreateEventSourceMapping", {"FunctionName": "f", "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": []}}})
    assert "Value '{KAFKA_BOOTSTRAP_SERVERS=[]}' at 'selfManagedEventSource.endpoints' failed to satisfy constraint: Map value must satisfy constraint: [" in message


def test_constraints_of_elements_keys_and_values_are_reported_for_the_whole() -> None:
    """Because the framework shows the whole list or map in Java's form when an element breaks a constraint."""
    assert words("kms", "UntagResource", {"KeyId": "k", "TagKeys": ["ok", ""]}) == (
        "1 validation error detected: Value '[ok, ]' at 'tagKeys' failed to satisfy constraint: Member must satisfy constraint: "
        "[Member must have length less than or equal to 128, Member must have length greater than or equal to 1]"
    )
    message = words("logs", "TagLogGroup", {"logGroupName": "g", "tags": {"": "v"}})
    assert "Value '{=v}' at 'tags' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length" in message
    message = words("logs", "TagLogGroup", {"logGroupName": "g", "tags": {"k": "x" * 257}})
    assert "Map value must satisfy constraint: [Member must have length less than or equal to 256" in message
    assert words("dynamodb", "BatchWriteItem", {"RequestItems": {"abc": []}}) == (  # Lists as values, too.
        "1 validation error detected: Value '{abc=[]}' at 'requestItems' failed to satisfy constraint: Map value must satisfy constraint: "
        "[Member must have length less than or equal to 25, Member must have length greater than or equal to 1]"
    )


def test_secrets_are_not_shown() -> None:
    """Because a password that is too short must not end up in a log by way of its error message."""
    message = words("secretsmanager", "CreateSecret", {"Name": "n", "SecretString": "x" * 65_537})
    assert message.startswith("1 validation error detected: Value at 'secretString' failed to satisfy constraint: Member must have length")


def test_at_most_ten_errors_are_written_out() -> None:
    """Because a request of a thousand wrong elements must not be answered with a thousand sentences."""
    message = words("kms", "TagResource", {"KeyId": "k", "Tags": [{}] * 20})
    assert message.startswith("40 validation errors detected: ") and message.count("Member must not be null") == 10


def test_switched_off_and_opaque() -> None:
    """Because DynamoDB checks by itself, in an order of its own."""
    ServiceCodec(load_service("dynamodb"), Quirks(validation=False)).validate("GetItem", {})
    opaque = ServiceCodec(load_service("dynamodb"), Quirks(opaque_shapes=frozenset({"AttributeValue"}), validation_code="Odd"))
    opaque.validate("GetItem", {"TableName": "abc", "Key": {"a": "anything"}})
    with pytest.raises(ServiceError) as refused:
        opaque.validate("GetItem", {"TableName": "abc"})
    assert refused.value.code == "Odd"
    loose = Quirks(unchecked_shapes=frozenset({"TagKeyString", "ListTablesInput$Limit"}), enum_order={"ScalarAttributeType": ("N", "B")})
    unchecked = ServiceCodec(load_service("dynamodb"), loose)
    unchecked.validate("ListTables", {"Limit": 0})
    unchecked.validate("UntagResource", {"ResourceArn": "a", "TagKeys": [""]})
    with pytest.raises(ServiceError, match=r"enum value set: \[N, B\]"):
        unchecked.validate("UpdateTable", {"TableName": "abc", "AttributeDefinitions": [{"AttributeName": "a", "AttributeType": "X"}]})


def test_members_are_told_of_in_the_services_order() -> None:
    """Because some services go through them in another order than their model has them."""
    service = ServiceCodec(load_service("dynamodb"), Quirks(member_order={"ProvisionedThroughput": ("WriteCapacityUnits", "ReadCapacityUnits")}))
    with pytest.raises(ServiceError) as refused:
        service.validate("UpdateTable", {"TableName": "abc", "ProvisionedThroughput": {"ReadCapacityUnits": 0}})
    assert refused.value.message == (
        "2 validation errors detected: Value null at 'provisionedThroughput.writeCapacityUnits' failed to satisfy constraint: Member must not be null; "
        "Value '0' at 'provisionedThroughput.readCapacityUnits' failed to satisfy constraint: Member must have value greater than or equal to 1"
    )


def test_recursive_shapes_are_checked_all_the_way() -> None:
    """Because a constraint may lie behind a shape that contains itself."""
    shape = load_service("dynamodb").operations["PutItem"].input
    assert shape is not None
    validate(shape, {"TableName": "abc", "Item": {"a": {"M": {"b": {"L": [{"S": "x"}]}}}}})
    with pytest.raises(ServiceError, match=r"item\.a\.member\.m\.b\.member\.l\.1\.member"):
        validate(shape, {"TableName": "abc", "Item": {"a": {"M": {"b": {"L": [None]}}}}})


@pytest.mark.parametrize(
    ("pattern", "good", "bad"),
    [
        (r"^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$", "Tag Ünï 하늘 1²", "tag!"),
        (r"[\p{L}\p{M}\p{S}\p{N}\p{P}]+", "a€é!", "a b"),
        (r"[\p{Print}]*", "abc ~", "a\tb"),
        (r"[\u0020-\uD7FF\uE000-\uFFFD\uD800\uDC00-\uDBFF\uDFFF\r\n\t]*", "é 😀\n", "\x01"),
        (r"[\w-_]*", "a-b_c", "a b"),
        (r"\P{L}+", "123", "a1"),
        (r"[a-z]+\z", "abc", "abc\n"),
    ],
)
def test_java_patterns(pattern: str, good: str, bad: str) -> None:
    """Because the models' patterns are Java's, and must match the whole value."""
    assert JavaPattern(pattern).matches(good)
    assert not JavaPattern(pattern).matches(bad)


def test_every_pattern_of_the_services_can_be_read() -> None:
    """Because a pattern that cannot be read checks nothing."""
    for service in (
        "dynamodb",
        "lambda",
        "s3",
        "sns",
        "iam",
        "sts",
        "logs",
        "apigateway",
        "cloudwatch",
        "kms",
        "secretsmanager",
        "events",
        "cognito-idp",
        "cloudformation",
    ):
        model = load_service(service)
        for name in model.shape_names():
            pattern = model.shape(name).traits.get("pattern")
            if pattern is not None:
                assert JavaPattern(pattern).readable, (service, name, pattern)


def test_values_are_rendered_as_java_does() -> None:
    """Because messages show values in the form of Java's own printing."""
    assert rendered([1, True, None, "x"]) == "[1, true, null, x]"
    assert rendered({"a": {"b": [2]}}) == "{a={b=[2]}}"
    assert rendered(b"abc") == "java.nio.HeapByteBuffer[pos=0 lim=3 cap=3]"
