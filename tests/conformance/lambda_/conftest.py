"""What the conformance suite of Lambda speaks to: a running Haneul, or AWS itself with `pytest tests/conformance/lambda_ --aws`.

Against AWS the usual credentials and region of boto3 are used; a role and functions with names of their own are made and deleted at the end.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from tests.conformance.lambda_.world import AwsWorld, HaneulWorld, World


def pytest_addoption(parser: pytest.Parser) -> None:
    with contextlib.suppress(ValueError):  # Another suite has it already.
        parser.addoption("--aws", action="store_true", default=False, help="run the conformance suite against AWS (this costs money)")


@pytest.fixture(scope="module")
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    """Where the cases run."""
    with AwsWorld() if request.config.getoption("--aws", default=False) else HaneulWorld() as found:
        yield found
