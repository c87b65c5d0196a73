"""Clouds with CloudWatch and little else, so that these tests are fast."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from haneul.services.cloudwatch.service import CloudWatch
from haneul.services.iam.service import Iam
from haneul.services.sts.service import Sts
from tests.support.running import Running

SERVICES: list[type] = [CloudWatch, Iam, Sts]


@pytest.fixture(scope="module")
def watch() -> Iterator[Running]:
    """Shared by the tests of one file: use namespaces of your own."""
    with Running(services=SERVICES) as running:
        yield running


@pytest.fixture
def fresh_watch() -> Iterator[Running]:
    """For one test alone."""
    with Running(services=SERVICES) as running:
        yield running
