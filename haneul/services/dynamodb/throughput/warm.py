"""Warm throughput: what a table or index takes at once. It follows the highest throughput ever provisioned and the traffic on demand, and never falls.

(Developer Guide: "Understanding DynamoDB warm throughput".)
"""

from __future__ import annotations

from haneul.services.dynamodb.tables import IndexRecord, TableRecord

# What a table on demand takes at once without having been asked to.
WARM_READ_UNITS = 12_000
WARM_WRITE_UNITS = 4_000


def warm_units(record: TableRecord, holder: TableRecord | IndexRecord) -> tuple[int, int]:
    """Reads and writes a second that a table or index is ready for."""
    if record.on_demand and not record.switching:
        least_read, least_write = WARM_READ_UNITS, WARM_WRITE_UNITS
    else:
        least_read, least_write = holder.throughput.read_units, holder.throughput.write_units
    return max(holder.warm_read or 0, least_read), max(holder.warm_write or 0, least_write)


def keep_warm(record: TableRecord, holder: TableRecord | IndexRecord) -> None:
    """Note what a table or index is ready for, before its throughput or mode changes."""
    holder.warm_read, holder.warm_write = warm_units(record, holder)
