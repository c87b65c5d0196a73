"""A cloud with the services that functions live among."""

from __future__ import annotations

import importlib
from collections.abc import Iterator

import pytest

from haneul.services.registry import _SERVICES
from tests.support.running import Running


def there() -> list[type]:
    return [getattr(importlib.import_module(f"haneul.services.{package}.service"), name) for package, name in _SERVICES.items() if importlib.util.find_spec(f"haneul.services.{package}.service")]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with Running(services=there()) as running:
        yield running


@pytest.fixture
def fresh_cloud() -> Iterator[Running]:
    with Running(services=there()) as running:
        yield running
