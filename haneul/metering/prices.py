"""Prices: what a service is paid for, in dollars per unit. Each service has a table of its own (`Service.prices`)."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

GIGABYTE = 2**30


class Price(NamedTuple):
    """What one kind of usage costs.

    `what` is AWS's name of it (the usage type of its bills), `unit` what `dollars` (a decimal number as text, empty where the price is not known) buys,
    and `parts` how much of what is counted makes one unit. `by_month`: what is counted lasts an hour, the unit a month, which has as many hours as the
    calendar says. `choice` is what its owner chose between (a table class), and `otherwise` the metric of the same usage had the choice been the other.
    """

    what: str
    unit: str
    dollars: str
    parts: int = 1
    by_month: bool = False
    choice: str = ""
    otherwise: str = ""

    def units(self, counted: Mapping[int, int]) -> Fraction:
        """Units of what was counted, which is given by the hours of the month that it was counted in (0 where that does not matter)."""
        return sum((Fraction(value, self.parts * (hours or 1)) for hours, value in counted.items()), Fraction(0))


class PriceList(NamedTuple):
    """The prices of one service by metric. `included` are metrics that cost nothing by themselves; `source` says whose prices they are, and of when."""

    prices: Mapping[str, Price]
    included: frozenset[str]
    source: str
