"""A cloud with SNS, what it delivers to but functions, and IAM."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from haneul.services.iam.service import Iam
from haneul.services.sns.service import Sns
from haneul.services.sqs.service import Sqs
from tests.support.running import Running


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with Running(services=[Sns, Sqs, Iam]) as running:
        yield running


@pytest.fixture
def fresh_cloud() -> Iterator[Running]:
    with Running(services=[Sns, Sqs, Iam]) as running:
        yield running


@pytest.fixture
def sns(cloud: Running) -> Any:
    return cloud.client("sns")
