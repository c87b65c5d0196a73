"""A cloud with nothing but SQS and IAM: these tests depend on no other service."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from haneul.services.iam.service import Iam
from haneul.services.sqs.service import Sqs
from tests.support.running import Running


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with Running(services=[Sqs, Iam]) as running:
        yield running


@pytest.fixture
def fresh_cloud() -> Iterator[Running]:
    with Running(services=[Sqs, Iam]) as running:
        yield running


@pytest.fixture
def sqs(cloud: Running) -> Any:
    return cloud.client("sqs")
