"""The bill, from records and price lists of its own: sums are exact, months have the hours that they have, and what has no price is said."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haneul.clock import HOUR, SECOND, Clock
from haneul.metering.bill import decimal_text, hours_of_month, make_bill
from haneul.metering.prices import GIGABYTE, Price, PriceList
from haneul.metering.usage import StoredUsage, put_usage
from haneul.store.embedded import EmbeddedStore

OCTOBER, NOVEMBER, DECEMBER = 1_790_812_800 * SECOND, 1_793_491_200 * SECOND, 1_796_083_200 * SECOND
ACCOUNT = "000000000000"
LISTS = {
    "shop": PriceList(
        {
            "Reads": Price("Reads", "million reads", "0.125", 1_000_000, choice="near", otherwise="FarReads"),
            "FarReads": Price("FarReads", "million reads", "0.155", 1_000_000, choice="far", otherwise="Reads"),
            "Bytes": Price("Bytes", "GB-month", "0.25", GIGABYTE, True, "near", "FarBytes"),
            "FarBytes": Price("FarBytes", "GB-month", "0.10", GIGABYTE, True, "far", "Bytes"),
            "Copies": Price("Copies", "GB", "0.15", GIGABYTE),
            "Frozen": Price("Frozen", "GB", "", GIGABYTE),
        },
        frozenset(("Requests",)),
        "a list",
    )
}
RECORDS = (
    (OCTOBER, "us-east-1", "shop", "Bytes", "a", 744 * GIGABYTE),  # The whole of a month of 31 days.
    (NOVEMBER, "us-east-1", "shop", "Bytes", "a", 720 * GIGABYTE),  # And one of 30.
    (NOVEMBER, "us-east-1", "shop", "Reads", "a", 1),
    (NOVEMBER + HOUR, "us-east-1", "shop", "Reads", "a", 2_000_000),
    (NOVEMBER + HOUR, "eu-west-1", "shop", "Reads", "a", 1_000_000),
    (NOVEMBER + 2 * HOUR, "eu-west-1", "shop", "FarReads", "a", 1_000_000),
    (NOVEMBER, "us-east-1", "shop", "Copies", "b", GIGABYTE // 2),
    (NOVEMBER, "us-east-1", "shop", "Requests", "Get", 7),
    (NOVEMBER, "us-east-1", "shop", "Frozen", "b", GIGABYTE),
    (NOVEMBER, "us-east-1", "bakery", "Loaves", "x", 3),
    (NOVEMBER + HOUR, "us-east-1", "bakery", "Loaves", "y", 4),
    (DECEMBER, "us-east-1", "shop", "Copies", "b", GIGABYTE),
)


async def _bill(path: Path, start: int, end: int) -> dict[str, Any]:
    store = EmbeddedStore(path / "haneul.db")
    for time, region, service, metric, resource, value in RECORDS:
        await store.transact(lambda tx, at=time, line=(ACCOUNT, region, service, metric, resource), value=value: put_usage(tx, at, line, value))  # type: ignore[misc]
    made = await make_bill(StoredUsage(store, Clock(frozen_at=DECEMBER)), LISTS, ACCOUNT, start, end)
    await store.close()
    return made


async def test_lines_and_total(tmp_path: Path) -> None:
    """Because somebody will add the lines up, compare a month with AWS's, and ask what is missing."""
    made = await _bill(tmp_path, OCTOBER, DECEMBER)
    found = {(line["region"], line["resource"], line["what"]): (line["quantity"], line["cost"]) for line in made["lines"]}
    assert found == {
        ("us-east-1", "a", "Reads"): ("2.000001", "0.250000125"),
        ("us-east-1", "a", "Bytes"): ("2", "0.5"),
        ("us-east-1", "b", "Copies"): ("0.5", "0.075"),
        ("eu-west-1", "a", "Reads"): ("1", "0.125"),
        ("eu-west-1", "a", "FarReads"): ("1", "0.155"),
    }
    assert made["total"] == "1.105000125" == decimal_text(sum((Fraction(line["cost"]) for line in made["lines"]), Fraction(0)))
    assert made["not_priced"] == [
        {"service": "bakery", "region": "us-east-1", "what": "Loaves", "quantity": "7"},
        {"service": "shop", "region": "us-east-1", "what": "Frozen", "quantity": "1"},
    ]
    alternatives = {(one["region"], one["resource"]): (one["choice"], one["cost"], one["other_choice"], one["other_cost"]) for one in made["alternatives"]}
    # What was changed on the way is compared with having had all of it as it was not at the end.
    assert alternatives == {("us-east-1", "a"): ("near", "0.750000125", "far", "0.510000155"), ("eu-west-1", "a"): ("far", "0.28", "near", "0.25")}
    assert (made["from"], made["to"], made["sources"]) == ("2026-10-01T00:00:00Z", "2026-12-01T00:00:00Z", {"shop": "a list"})


async def test_only_what_was_used_in_the_time(tmp_path: Path) -> None:
    """Because two bills that meet must not share a record, nor lose one."""
    made = await _bill(tmp_path, DECEMBER, DECEMBER + HOUR)
    assert [(line["what"], line["cost"]) for line in made["lines"]] == [("Copies", "0.15")]
    assert made["total"] == "0.15" and made["not_priced"] == [] == made["alternatives"]


@given(st.integers(min_value=-(10**30), max_value=10**30))
def test_numbers_are_exact(amount: int) -> None:
    """Because money in floats loses its small change."""
    assert Fraction(decimal_text(Fraction(amount, 10**12))) == Fraction(amount, 10**12)


@pytest.mark.parametrize(("time", "hours"), [(OCTOBER, 744), (NOVEMBER - 1, 744), (NOVEMBER, 720), (1_835_308_800 * SECOND, 696)])
def test_months(time: int, hours: int) -> None:
    """Because a gigabyte through February costs what one through March costs; the last is a leap year's."""
    assert hours_of_month(time) == hours
