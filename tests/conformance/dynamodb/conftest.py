"""The cloud that the conformance suite speaks to: a running Haneul, or AWS itself with `pytest tests/conformance/dynamodb --aws`.

Against AWS the usual credentials and region of boto3 are used, tables get names of their own and are deleted at the end; cases that need time to pass
are skipped there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.conformance.dynamodb.world import AwsWorld, HaneulWorld, World


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--aws", action="store_true", default=False, help="run the conformance suite against AWS (this costs money)")


@pytest.fixture(scope="session")
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Where the cases run."""
    with AwsWorld() if request.config.getoption("--aws", default=False) else HaneulWorld() as found:
        yield found


@pytest.fixture(scope="session")
def db(world: World) -> Any:
    """A DynamoDB client."""
    return world.client("dynamodb")


@pytest.fixture(scope="session")
def simple(world: World) -> str:
    """A table with partition key `pk` (S)."""
    return world.make_table({"pk": "S"})


@pytest.fixture(scope="session")
def sorted_table(world: World) -> str:
    """A table with partition key `pk` (S) and sort key `sk` (N)."""
    return world.make_table({"pk": "S", "sk": "N"})


@pytest.fixture(scope="session")
def texts(world: World) -> str:
    """A table with partition key `pk` (S) and sort key `sk` (S)."""
    return world.make_table({"pk": "S", "sk": "S"})


@pytest.fixture(scope="session")
def indexed(world: World) -> str:
    """A table with keys `pk` (S) and `sk` (S) and indexes: `g-all` and `g-keys` on `g` (S), `h` (N); `g-some` (with `a`) on `g`; `l-all`, `l-keys` and
    `l-some` (with `a`) on `pk`, `l` (S)."""
    return world.make_indexed_table()
