"""Short ways to make identities in tests."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.running import Running

Statement = dict[str, Any]


def allow(*actions: str, on: str | list[str] = "*", when: dict[str, Any] | None = None, effect: str = "Allow") -> Statement:
    """A statement of an identity policy."""
    statement: Statement = {"Effect": effect, "Action": list(actions), "Resource": on}
    return statement | ({"Condition": when} if when else {})


def policy(*statements: Statement) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def trust(principal: dict[str, Any], *actions: str, when: dict[str, Any] | None = None) -> str:
    """A trust policy that lets a principal do `actions` (sts:AssumeRole)."""
    statement: Statement = {"Effect": "Allow", "Principal": principal, "Action": list(actions) or ["sts:AssumeRole"]}
    return policy(statement | ({"Condition": when} if when else {}))


class User:
    """An IAM user with a key, and clients that sign with it."""

    def __init__(self, cloud: Running, name: str, *statements: Statement) -> None:
        self.cloud = cloud
        self.name = name
        self.iam = cloud.client("iam")
        self.arn: str = self.iam.create_user(UserName=name)["User"]["Arn"]
        key = self.iam.create_access_key(UserName=name)["AccessKey"]
        self.key, self.secret = key["AccessKeyId"], key["SecretAccessKey"]
        if statements:
            self.may(*statements)

    def may(self, *statements: Statement) -> None:
        """Set the user's inline policy."""
        self.iam.put_user_policy(UserName=self.name, PolicyName="inline", PolicyDocument=policy(*statements))

    def client(self, service: str) -> Any:
        return self.cloud.client(service, key=self.key, secret=self.secret)


def session_client(cloud: Running, service: str, credentials: dict[str, Any]) -> Any:
    """A client with temporary credentials as STS answers them."""
    return cloud.client(service, key=credentials["AccessKeyId"], secret=credentials["SecretAccessKey"], token=credentials["SessionToken"])


def refused(code: str, operation: Any, **params: Any) -> str:
    """The message of the error that an operation must answer with."""
    with pytest.raises(ClientError) as caught:
        operation(**params)
    error = caught.value.response["Error"]
    assert error["Code"] == code, error
    return str(error["Message"])
