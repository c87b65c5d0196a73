"""The bill: usage records times prices.

Money is counted in whole millionths of a millionth of a dollar. Each line is rounded once, to the nearest, and the total is the sum of the lines as they
are shown, so that whoever adds them up gets the same.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from haneul.clock import DAY, SECOND
from haneul.metering.hours import unhurried
from haneul.metering.prices import Price, PriceList
from haneul.metering.usage import StoredUsage

_DIGITS = 12
_AT_ONCE = 500

Place = tuple[str, str, str]
"""Service, region and resource."""

Counted = dict[int, int]
"""What was counted, by the hours of its month; under 0 where the month does not matter."""


class _Resource:
    """The usage of one resource: what was counted by metric, and the choice that it was last used with."""

    def __init__(self) -> None:
        self.counted: dict[str, Counted] = {}
        self.choice = ""


def decimal_text(number: Fraction) -> str:
    """A number as a decimal one, rounded to twelve digits behind the point, without zeros at the end."""
    return _text(_rounded(number))


def _rounded(number: Fraction) -> int:
    amount: int = round(number * 10**_DIGITS)
    return amount


def _text(amount: int) -> str:
    whole, rest = divmod(abs(amount), 10**_DIGITS)
    text = f"{whole}.{rest:0{_DIGITS}}".rstrip("0").rstrip(".")
    return f"-{text}" if amount < 0 else text


def hours_of_month(time: int) -> int:
    """How many hours the (UTC) month of a time in nanoseconds has."""
    at = datetime.fromtimestamp(time // SECOND, UTC)
    return 24 * monthrange(at.year, at.month)[1]


async def make_bill(usage: StoredUsage, lists: Mapping[str, PriceList], account: str, start: int, end: int) -> dict[str, Any]:
    """What an account has used in all regions with start <= time < end (nanoseconds), line by line, and what it costs.

    Numbers are decimal numbers as text. `alternatives` has what everything that belongs to a resource costs, and would have cost with the other choice
    (DynamoDB's table class). `not_priced` is what was used of which no price is known here.
    """
    resources, unknown = await _gather(usage, lists, account, start, end)
    lines: list[dict[str, str]] = []
    alternatives: list[dict[str, str]] = []
    total = 0
    for place in sorted(resources):
        found, prices = resources[place], lists[place[0]].prices
        cost = 0
        for metric in (name for name in prices if name in found.counted):  # In the order of the price list.
            price, counted = prices[metric], found.counted[metric]
            if not price.dollars:
                unknown[place[0], place[1], price.what] = unknown.get((place[0], place[1], price.what), Fraction(0)) + price.units(counted)
                continue
            amount = _amount(price, counted)
            cost += amount
            lines.append({**_named(place), **_priced(price, counted), "cost": _text(amount)})
        total += cost
        other = _otherwise(prices, found)
        if other is not None:
            alternatives.append({**_named(place), "choice": found.choice, "cost": _text(cost), "other_choice": other[0], "other_cost": _text(other[1])})
    return {
        "account": account,
        "from": _moment(start),
        "to": _moment(end),
        "currency": "USD",
        "total": _text(total),
        "lines": lines,
        "alternatives": alternatives,
        "not_priced": [{"service": service, "region": region, "what": what, "quantity": decimal_text(units)} for (service, region, what), units in sorted(unknown.items())],
        "sources": {service: lists[service].source for service in sorted({service for service, _, _ in resources})},
    }


async def _gather(
    usage: StoredUsage, lists: Mapping[str, PriceList], account: str, start: int, end: int
) -> tuple[dict[Place, _Resource], dict[tuple[str, str, str], Fraction]]:
    """The sums of the records of all regions, and of those that have no price. Lets others run in between: a month may have many."""
    resources: dict[Place, _Resource] = {}
    unknown: dict[tuple[str, str, str], Fraction] = {}
    months: dict[int, int] = {}
    for region in usage.regions(account):
        async for time, service, metric, resource, value in unhurried(usage.read(account, region, start, end), _AT_ONCE):
            known = lists.get(service)
            price = known.prices.get(metric) if known is not None else None
            if price is None:
                if known is None or metric not in known.included:
                    unknown[service, region, metric] = unknown.get((service, region, metric), Fraction(0)) + value
                continue
            found = resources.setdefault((service, region, resource), _Resource())
            hours = 0
            if price.by_month:
                day = time // DAY
                hours = months[day] = months.get(day) or hours_of_month(time)
            counted = found.counted.setdefault(metric, {})
            counted[hours] = counted.get(hours, 0) + value
            found.choice = price.choice or found.choice
    return resources, unknown


def _amount(price: Price, counted: Counted) -> int:
    return _rounded(price.units(counted) * Fraction(price.dollars))


def _otherwise(prices: Mapping[str, Price], found: _Resource) -> tuple[str, int] | None:
    """The choice that a resource was not last used with, and what all of its usage would have cost with that one; None where there is none to compare with."""
    other = ""
    cost = 0
    merged: dict[str, Counted] = {}
    for metric, counted in found.counted.items():
        name = metric
        if prices[metric].choice == found.choice and prices[metric].otherwise:
            name = prices[metric].otherwise
            other = prices[name].choice
        sums = merged.setdefault(name, {})
        for hours, value in counted.items():
            sums[hours] = sums.get(hours, 0) + value
    for name, counted in merged.items():
        if not prices[name].dollars:
            return None
        cost += _amount(prices[name], counted)
    return (other, cost) if other else None


def _named(place: Place) -> dict[str, str]:
    return {"service": place[0], "region": place[1], "resource": place[2]}


def _priced(price: Price, counted: Counted) -> dict[str, str]:
    return {"what": price.what, "quantity": decimal_text(price.units(counted)), "unit": price.unit, "price": price.dollars}


def _moment(time: int) -> str:
    return f"{datetime.fromtimestamp(time // SECOND, UTC):%Y-%m-%dT%H:%M:%SZ}"
