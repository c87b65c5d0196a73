"""What DynamoDB costs: list prices of US East (N. Virginia), in dollars, without the free tier and without reserved capacity.

Source: AWS's pricing pages, https://aws.amazon.com/dynamodb/pricing/on-demand/ and …/provisioned/. Those show their figures by script; what was read is what
others publish of them and of AWS's price list of May 2026 (of Ohio, which costs what N. Virginia costs). Requests on demand cost this since November 2024, when
replicated writes came to cost what other writes cost. Other regions cost the same here.
"""

from __future__ import annotations

from typing import Final

from haneul.metering.prices import GIGABYTE, Price, PriceList
from haneul.services.dynamodb.billing import metrics

_SOURCE: Final = "https://aws.amazon.com/dynamodb/pricing/, US East (N. Virginia), May 2026"
_STANDARD: Final = "STANDARD"
_INFREQUENT: Final = "STANDARD_INFREQUENT_ACCESS"
_MILLION: Final = 1_000_000

# By the table's class: metric, AWS's name, unit, dollars in either class, how much of the metric is a unit, whether a unit is a month's.
_BY_CLASS: Final = (
    (metrics.READS, "ReadRequestUnits", "million read request units", "0.125", "0.155", 2 * _MILLION, False),
    (metrics.WRITES, metrics.WRITES, "million write request units", "0.625", "0.78", _MILLION, False),
    (metrics.REPLICATED_WRITES, metrics.REPLICATED_WRITES, "million replicated write request units", "0.625", "0.78", _MILLION, False),
    (metrics.READ_HOURS, metrics.READ_HOURS, "RCU-hour", "0.00013", "0.00016", 1, False),
    (metrics.WRITE_HOURS, metrics.WRITE_HOURS, "WCU-hour", "0.00065", "0.00081", 1, False),
    (metrics.REPLICATED_WRITE_HOURS, metrics.REPLICATED_WRITE_HOURS, "rWCU-hour", "0.00065", "0.00081", 1, False),
    (metrics.STORAGE, metrics.STORAGE, "GB-month", "0.25", "0.10", GIGABYTE, True),
)

_ANY_CLASS: Final = {
    metrics.RECOVERY: Price(metrics.RECOVERY, "GB-month", "0.20", GIGABYTE, by_month=True),
    metrics.BACKUPS: Price(metrics.BACKUPS, "GB-month", "0.10", GIGABYTE, by_month=True),
    metrics.RESTORED: Price(metrics.RESTORED, "GB", "0.15", GIGABYTE),
    metrics.EXPORTED: Price(metrics.EXPORTED, "GB", "0.10", GIGABYTE),
    metrics.EXPORTED_CHANGES: Price(metrics.EXPORTED_CHANGES, "GB", "0.10", GIGABYTE),
    metrics.IMPORTED: Price(metrics.IMPORTED, "GB", "0.15", GIGABYTE),
    metrics.STREAM_READS: Price(metrics.STREAM_READS, "100,000 read requests", "0.02", 100_000),
}


def _by_class() -> dict[str, Price]:
    found: dict[str, Price] = {}
    for metric, what, unit, standard, infrequent, parts, by_month in _BY_CLASS:
        other = metrics.INFREQUENT + metric
        found[metric] = Price(what, unit, standard, parts, by_month, _STANDARD, other)
        found[other] = Price(metrics.INFREQUENT + what, unit, infrequent, parts, by_month, _INFREQUENT, metric)
    return found


PRICES: Final = PriceList(
    prices={**_by_class(), **_ANY_CLASS},
    # Requests are paid for by what they consume, and what they consume of provisioned capacity with that.
    included=frozenset(("Requests", "Errors", metrics.PROVISIONED_READS, metrics.PROVISIONED_WRITES)),
    source=_SOURCE,
)
