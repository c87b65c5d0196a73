"""What tables are paid for, by AWS's names (Developer Guide: "Understanding your AWS billing and usage reports for Amazon DynamoDB").

Names of usage of the class STANDARD_INFREQUENT_ACCESS begin with `IA-`. Reads on demand are counted in halves of a unit.
"""

from __future__ import annotations

from typing import Final

INFREQUENT: Final = "IA-"

READS: Final = "ReadRequestHalfUnits"
WRITES: Final = "WriteRequestUnits"
REPLICATED_WRITES: Final = "ReplWriteRequestUnits"
READ_HOURS: Final = "ReadCapacityUnit-Hrs"
WRITE_HOURS: Final = "WriteCapacityUnit-Hrs"
REPLICATED_WRITE_HOURS: Final = "ReplWriteCapacityUnit-Hrs"
STORAGE: Final = "TimedStorage-ByteHrs"
RECOVERY: Final = "TimedPITRStorage-ByteHrs"
BACKUPS: Final = "TimedBackupStorage-ByteHrs"
RESTORED: Final = "RestoreDataSize-Bytes"
EXPORTED: Final = "ExportDataSize-Bytes"
EXPORTED_CHANGES: Final = "IncrementalExportDataSize-Bytes"
IMPORTED: Final = "ImportDataSize-Bytes"
STREAM_READS: Final = "Streams-RequestsCount"

# What is consumed of provisioned capacity, which is paid for by the hour whether it is used or not.
PROVISIONED_READS: Final = "ConsumedReadHalfUnits"
PROVISIONED_WRITES: Final = "ConsumedWriteUnits"


def by_class(metric: str, table_class: str) -> str:
    """The name of a metric for a table of a class."""
    return INFREQUENT + metric if table_class == "STANDARD_INFREQUENT_ACCESS" else metric


def consumption_metrics(table_class: str, *, on_demand: bool, replica: bool) -> tuple[str, str, str]:
    """What reads, writes of items, and writes of global indexes of a table are counted as.

    Whoever writes to a replica, here or in another region, its writes are replicated ones; those of its global indexes are not.
    """
    if not on_demand:
        return PROVISIONED_READS, PROVISIONED_WRITES, PROVISIONED_WRITES
    writes = by_class(WRITES, table_class)
    return by_class(READS, table_class), by_class(REPLICATED_WRITES, table_class) if replica else writes, writes
