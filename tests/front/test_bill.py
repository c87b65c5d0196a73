"""The bill over HTTP and on the command line."""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from haneul.cli.main import main
from haneul.clock import SECOND, Clock
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.sqs.service import Sqs
from tests.dynamodb.support import make_table
from tests.support.running import ACCOUNT, Running

NOVEMBER = 1_793_491_200 * SECOND


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    """Two hours of a small table on the 1st of November 2026, and a queue."""
    running = Running(services=[DynamoDb, Sqs])
    running.clock = Clock(frozen_at=NOVEMBER)
    with running:
        table = make_table(running, BillingMode="PROVISIONED", ProvisionedThroughput={"ReadCapacityUnits": 10, "WriteCapacityUnits": 5})
        running.client("dynamodb").put_item(TableName=table, Item={"pk": {"S": "k"}})
        running.client("sqs").create_queue(QueueName="q")
        running.advance("2h")
        yield running


def test_the_two_outputs(cloud: Running, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON for programs, a table for people; both say the same, and what has no price."""
    at = ["--endpoint", cloud.endpoint]
    assert main(["bill", *at]) == 0
    found = json.loads(capsys.readouterr().out)
    # 103 bytes of item and overhead for two of the month's 720 hours are too little to be seen in dollars with twelve digits, but not to be counted.
    assert [(line["what"], line["quantity"], line["price"], line["cost"]) for line in found["lines"]] == [
        ("ReadCapacityUnit-Hrs", "20", "0.00013", "0.0026"),
        ("WriteCapacityUnit-Hrs", "10", "0.00065", "0.0065"),
        ("TimedStorage-ByteHrs", "0.000000000266", "0.25", "0.000000000067"),
    ]
    assert found["total"] == "0.009100000067" and found["account"] == ACCOUNT and found["from"] == "2026-11-01T00:00:00Z"
    assert [(one["choice"], one["other_choice"], one["other_cost"]) for one in found["alternatives"]] == [("STANDARD", "STANDARD_INFREQUENT_ACCESS", "0.011300000027")]
    assert {(one["service"], one["what"]) for one in found["not_priced"]} == {("sqs", "Requests")}
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert main(["bill", *at]) == 0
    shown = capsys.readouterr().out
    for piece in ("ReadCapacityUnit-Hrs", "0.009100000067 USD", "STANDARD_INFREQUENT_ACCESS", "0.011300000027", "Used, but not priced here", "sqs", "aws.amazon.com/dynamodb/pricing"):
        assert piece in shown
    assert main(["bill", "--account", "111111111111", *at]) == 0
    assert "Nothing that has a price" in capsys.readouterr().out


def test_the_time_and_the_account(cloud: Running, capsys: pytest.CaptureFixture[str]) -> None:
    """Two bills that meet add up; whatever cannot be understood is refused with what would be."""
    at = ["--endpoint", cloud.endpoint]
    costs = []
    for times in (["--from", "2026-11", "--to", "2026-11-01T01:00:00Z"], ["--from", "2026-11-01T01:00:00+00:00", "--to", "2026-12"], ["--to", "2026-11-30"]):
        assert main(["bill", *times, *at]) == 0
        costs.append({line["what"]: line["cost"] for line in json.loads(capsys.readouterr().out)["lines"]})
    assert [one["ReadCapacityUnit-Hrs"] for one in costs] == ["0.0013", "0.0013", "0.0026"]
    assert main(["bill", "--from", "yesterday", *at]) == 1
    assert "2026-11-30T12:00:00Z" in capsys.readouterr().err
    for query in ("account=me", "to=2026-10", "from=9999999", "since=2026-11", "from=2026-11&from=2026-10", "from=1969-12-31", "from=" + quote("0001-01-01T00:00:00+23:59")):
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{cloud.endpoint}/_haneul/bill?{query}")
        assert caught.value.code == 400, query
