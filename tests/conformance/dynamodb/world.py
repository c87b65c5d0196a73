"""Where conformance cases run, and what they need of it."""

from __future__ import annotations

import itertools
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from haneul.clock import Ids
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodbstreams.service import DynamoDbStreams
from haneul.services.iam.service import Iam
from tests.support.running import Running

Item = dict[str, Any]


class World:
    """A place with DynamoDB. Tables are kept until the end; cases use keys of their own."""

    def __init__(self) -> None:
        self._run = Ids().uuid()[:8]
        self._numbers = itertools.count(1)
        self.made: list[str] = []

    def client(self, service: str) -> Any:
        raise NotImplementedError

    def settle_tables(self, *names: str) -> None:
        """Wait until tables that were just made are there."""
        raise NotImplementedError

    def pass_time(self, duration: str) -> None:
        """Let time pass; skips the case where it cannot."""
        raise NotImplementedError

    def close(self) -> None:
        raise NotImplementedError

    def __enter__(self) -> World:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- names

    def new_name(self) -> str:
        """A table name that nobody has."""
        return f"haneul-conformance-{self._run}-{next(self._numbers)}"

    def new_key(self) -> Item:
        """A partition key value that nobody has."""
        return {"S": f"case-{next(self._numbers)}"}

    # ---- tables

    def make_table(self, key: dict[str, str], *, more: dict[str, str] | None = None, **parameters: Any) -> str:
        """An on-demand table with these key attributes (the first is hashed), ready; `more` are attributes of indexes. Returns its name."""
        name = self.new_name()
        self.made.append(name)
        parameters.setdefault("BillingMode", "PAY_PER_REQUEST")
        self.client("dynamodb").create_table(
            TableName=name,
            KeySchema=key_schema(*key),
            AttributeDefinitions=[{"AttributeName": attribute, "AttributeType": kind} for attribute, kind in {**key, **(more or {})}.items()],
            **parameters,
        )
        self.settle_tables(name)
        return name

    def make_indexed_table(self) -> str:
        return self.make_table(
            {"pk": "S", "sk": "S"},
            more={"g": "S", "h": "N", "l": "S"},
            GlobalSecondaryIndexes=[index("g-all", "g", "h"), index("g-keys", "g", "h", projection="KEYS_ONLY"), index("g-some", "g", included=["a"])],
            LocalSecondaryIndexes=[index("l-all", "pk", "l"), index("l-keys", "pk", "l", projection="KEYS_ONLY"), index("l-some", "pk", "l", included=["a"])],
        )


class HaneulWorld(World):
    """A Haneul of this test run's own, whose clock is moved."""

    def __init__(self) -> None:
        super().__init__()
        self.cloud = Running(services=[DynamoDb, DynamoDbStreams, Iam], capacity_unlimited=True).start()

    def client(self, service: str) -> Any:
        return self.cloud.client(service)

    def settle_tables(self, *names: str) -> None:
        self.cloud.advance("30s")

    def pass_time(self, duration: str) -> None:
        self.cloud.advance(duration)

    def close(self) -> None:
        self.cloud.stop()


class AwsWorld(World):
    """AWS, with the credentials and region that boto3 finds."""

    def __init__(self) -> None:
        super().__init__()
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(service)
        return self._clients[service]

    def settle_tables(self, *names: str) -> None:
        for name in names:
            self.client("dynamodb").get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 600})

    def pass_time(self, duration: str) -> None:
        pytest.skip(f"AWS's clock cannot be moved by {duration}")

    def close(self) -> None:
        for name in self.made:
            try:
                self.client("dynamodb").delete_table(TableName=name)
            except ClientError as error:
                if error.response["Error"]["Code"] != "ResourceNotFoundException":
                    raise


def key_schema(hash_name: str, range_name: str | None = None) -> list[dict[str, str]]:
    """A KeySchema of one or two attributes."""
    schema = [{"AttributeName": hash_name, "KeyType": "HASH"}]
    return [*schema, {"AttributeName": range_name, "KeyType": "RANGE"}] if range_name else schema


def index(name: str, hash_name: str, range_name: str | None = None, *, projection: str = "ALL", included: list[str] | None = None) -> dict[str, Any]:
    """A secondary index for CreateTable."""
    shown: dict[str, Any] = {"ProjectionType": "INCLUDE" if included else projection}
    if included:
        shown["NonKeyAttributes"] = included
    return {"IndexName": name, "KeySchema": key_schema(hash_name, range_name), "Projection": shown}


def failure(call: Any, **parameters: Any) -> tuple[str, str]:
    """Code and message of the error that a call must end in."""
    with pytest.raises(ClientError) as caught:
        call(**parameters)
    error = caught.value.response["Error"]
    return error["Code"], error["Message"]


_ENVELOPE = "1 validation error detected: "


def bare(message: str) -> str:
    """A message without the introduction that some regions put before it and others do not."""
    rest = message.removeprefix(_ENVELOPE)
    return message if rest.startswith("Value") and not rest.startswith("Value provided") else rest


def invalid(call: Any, **parameters: Any) -> str:
    """The message of the ValidationException that a call must end in."""
    code, message = failure(call, **parameters)
    assert code == "ValidationException", (code, message)
    return bare(message)


def s(text: str) -> Item:
    return {"S": text}


def n(number: float | str) -> Item:
    return {"N": str(number)}
