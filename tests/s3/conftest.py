"""A cloud with S3 and what its tests need beside it: identities and queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from hashlib import blake2b
from json import dumps
from typing import Any

import pytest

from haneul.services.iam.service import Iam
from haneul.services.s3.service import S3
from haneul.services.sqs.service import Sqs
from haneul.services.sts.service import Sts
from tests.support.running import Running

SERVICES = [S3, Iam, Sts, Sqs]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with Running(services=SERVICES) as running:
        yield running


@pytest.fixture
def fresh_cloud() -> Iterator[Running]:
    with Running(services=SERVICES) as running:
        yield running


@pytest.fixture
def s3(cloud: Running) -> Any:
    return cloud.client("s3")


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    """A bucket of the test's own."""
    name = "bucket-" + blake2b(request.node.name.encode(), digest_size=8).hexdigest()
    s3.create_bucket(Bucket=name)
    return name


@pytest.fixture
def user(cloud: Running, request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Makes an S3 client for a new IAM user that may do the given actions on the given resource."""
    iam = cloud.client("iam")
    test = blake2b(request.node.name.encode(), digest_size=8).hexdigest()
    made = 0

    def make(*actions: str, resource: str = "*", condition: dict[str, Any] | None = None) -> Any:
        nonlocal made
        made += 1
        name = f"user-{test}-{made}"
        iam.create_user(UserName=name)
        if actions:
            statement: dict[str, Any] = {"Effect": "Allow", "Action": list(actions), "Resource": resource}
            if condition:
                statement["Condition"] = condition
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=dumps({"Version": "2012-10-17", "Statement": [statement]}))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        return cloud.client("s3", key=key["AccessKeyId"], secret=key["SecretAccessKey"])

    return make
