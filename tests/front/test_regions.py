"""Cuts between regions, through the admin's HTTP and in the store."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest

from haneul.cli.main import main
from haneul.services.sts.service import Sts
from tests.support.running import Running


def admin(cloud: Running, method: str, body: Any = None) -> dict[str, Any]:
    data = json.dumps(body).encode() if body is not None else None
    with urllib.request.urlopen(urllib.request.Request(f"{cloud.endpoint}/_haneul/regions", data=data, method=method)) as answer:
        return dict(json.load(answer))


def test_cut_and_heal() -> None:
    """A region alone, then a pair; what is healed is as if it had never been cut; a cut outlives a restart."""
    with Running(services=[Sts]) as cloud:
        links = cloud.app.cloud.links
        assert admin(cloud, "POST", {"cut": "eu-west-1"}) == {"cuts": [{"region": "eu-west-1"}]}
        assert not links.reach("eu-west-1", "us-east-1") and links.reach("us-east-1", "us-east-2") and links.reach("eu-west-1", "eu-west-1")
        cloud.stop()
        cloud.start()
        links = cloud.app.cloud.links
        assert not links.reach("us-east-1", "eu-west-1")
        admin(cloud, "POST", {"cut": "us-east-2", "from": "us-east-1"})
        admin(cloud, "POST", {"heal": "eu-west-1"})
        assert admin(cloud, "GET") == {"cuts": [{"region": "us-east-1", "from": "us-east-2"}]}
        assert not links.reach("us-east-1", "us-east-2") and links.reach("us-east-2", "eu-west-1")
        assert admin(cloud, "POST", {"heal": "all"}) == {"cuts": []}
        assert links.reach("us-east-1", "us-east-2")


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    """A cloud of next to nothing: the services do not matter here."""
    with Running(services=[Sts]) as running:
        yield running


@pytest.mark.parametrize("body", [{}, [], {"cut": ""}, {"cut": "all"}, {"cut": "Mars"}, {"cut": "eu-west-1", "heal": "eu-west-1"}, {"cut": "us-east-1", "from": "us-east-1"}])
def test_what_names_no_cut_is_refused(cloud: Running, body: Any) -> None:
    """A typing error must not look like a cut that never happens."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        admin(cloud, "POST", body)
    assert caught.value.code == 400


def test_the_command(cloud: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """`haneul regions` cuts, shows and heals; without a region it says what is missing."""
    at = ["--endpoint", cloud.endpoint]
    assert main(["regions", "cut", "eu-west-1", "--from", "us-east-1", *at]) == 0
    assert not cloud.app.cloud.links.reach("eu-west-1", "us-east-1")
    assert main(["regions", *at]) == 0
    assert "eu-west-1" in capsys.readouterr().out
    assert main(["regions", "cut", *at]) == 1
    assert main(["regions", "heal", "all", *at]) == 0
    assert cloud.app.cloud.links.cuts == []
