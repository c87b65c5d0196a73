"""A cloud with SNS, what it delivers to (functions are a stand-in), what publishes to it, and IAM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from haneul.services.cloudwatch.service import CloudWatch
from haneul.services.iam.service import Iam
from haneul.services.s3.service import S3
from haneul.services.sns.service import Sns
from haneul.services.sqs.service import Sqs
from tests.sns.support import Functions
from tests.support.running import Running

SERVICES: list[type] = [Sns, Sqs, Iam, CloudWatch, S3, Functions]


@pytest.fixture(scope="package")
def cloud() -> Iterator[Running]:
    """Shared by all these tests: use topics and queues of your own."""
    with Running(services=SERVICES) as running:
        yield running


@pytest.fixture
def fresh_cloud() -> Iterator[Running]:
    """For one test alone."""
    with Running(services=SERVICES) as running:
        yield running


@pytest.fixture
def sns(cloud: Running) -> Any:
    return cloud.client("sns")
