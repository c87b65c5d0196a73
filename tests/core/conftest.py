"""A cloud of fakes, with the real identities."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from haneul.services.iam.service import Iam
from haneul.services.sts.service import Sts
from tests.core.fakes.kinesis.service import Kinesis
from tests.core.fakes.route53.service import Route53
from tests.core.fakes.scheduler.service import Scheduler
from tests.core.fakes.sns.service import Sns
from tests.support.running import Running

SERVICES: list[type] = [Kinesis, Sns, Scheduler, Route53, Iam, Sts]


@pytest.fixture(scope="module")
def shared() -> Iterator[Running]:
    with Running(services=SERVICES) as running:
        yield running


@pytest.fixture
def fakes(shared: Running) -> Running:
    """The cloud, its fakes fresh."""
    for service in shared.app.cloud.services.values():
        if hasattr(service, "behave"):
            service.__init__(shared.app.cloud)  # type: ignore[misc]
    return shared


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Running]:
    with Running(services=SERVICES, data_dir=tmp_path) as running:
        yield running
