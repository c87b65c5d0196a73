"""A cloud with what these tests need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.backup.support import SERVICES
from tests.support.running import Running


@pytest.fixture
def cloud() -> Iterator[Running]:
    """A running cloud for one test alone: its clock is moved by days."""
    with Running(services=SERVICES) as running:
        running.client("backup").create_backup_vault(BackupVaultName="vault")
        yield running
