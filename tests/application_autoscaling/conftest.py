"""A cloud with tables that can be scaled, and little else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from haneul.services.application_autoscaling.service import ApplicationAutoScaling
from haneul.services.cloudwatch.service import CloudWatch
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.iam.service import Iam
from haneul.services.sts.service import Sts
from tests.application_autoscaling.support import make_table
from tests.support.running import Running

SERVICES: list[type] = [ApplicationAutoScaling, CloudWatch, DynamoDb, Iam, Sts]


@pytest.fixture
def scaled() -> Iterator[Running]:
    """A cloud for one test, with the table `tab` of 5 read and 5 write units."""
    with Running(services=SERVICES) as running:
        make_table(running)
        yield running
