"""DescribeContinuousBackups and UpdateContinuousBackups: point-in-time recovery."""

from __future__ import annotations

from collections.abc import Callable

from haneul.clock import MINUTE, SECOND
from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.history.errors import backups_unavailable, table_not_found
from haneul.services.dynamodb.history.holding import earliest, plan_trim, start_log, stop_log
from haneul.services.dynamodb.replication.admission import is_being_added
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.tables import TableRecord, find_record
from haneul.store.port import Reader, Transaction

RECOVERY_DAYS_MAX = 35
# The newest moment that can be restored lies this far back (Developer Guide: "Point-in-time recovery").
LATEST_BEFORE_NOW = 5 * MINUTE


def find_table(reader: Reader, service: DynamoDb, call: Call, name: str) -> TableRecord:
    """The table that a request names by name or ARN; TableNotFoundException when it is not there."""
    arn = parse_arn(name)
    if arn is not None and arn.service == "dynamodb" and arn.region != call.region:
        raise table_not_found(name)
    account, region, table = service.place(call, name)
    record = find_record(reader, account, region, table)
    if record is None or is_being_added(record):
        raise table_not_found(table)
    return record


def restorable(record: TableRecord, now: int) -> tuple[int, int]:
    """The first and the last moment that a table with recovery can be restored to, in nanoseconds."""
    first = earliest(record, now)
    return first, max(first, now - LATEST_BEFORE_NOW)


def _describe(record: TableRecord, now: int) -> Shape:
    recovery: Shape = {"PointInTimeRecoveryStatus": "DISABLED"}
    if record.history.recovery:
        first, last = restorable(record, now)  # In whole seconds; that of the first moment stands for it.
        recovery = {
            "PointInTimeRecoveryStatus": "ENABLED",
            "RecoveryPeriodInDays": record.history.recovery_days,
            "EarliestRestorableDateTime": first // SECOND * SECOND,
            "LatestRestorableDateTime": last // SECOND * SECOND,
        }
    status = "DISABLED" if record.status == "CREATING" else "ENABLED"
    return {"ContinuousBackupsDescription": {"ContinuousBackupsStatus": status, "PointInTimeRecoveryDescription": recovery}}


@operation("dynamodb:DescribeContinuousBackups", resource=table_arn)
async def describe_continuous_backups(call: Call, request: Shape) -> Shape:
    """Whether a table can be restored to past moments, and to which. (API Reference: "DescribeContinuousBackups".)"""
    record = find_table(call.cloud.store, call.service(DynamoDb), call, request["TableName"])
    return _describe(record, call.now)


@operation("dynamodb:UpdateContinuousBackups", resource=table_arn)
async def update_continuous_backups(call: Call, request: Shape) -> Shape:
    """Switch point-in-time recovery of a table on (for 1 to 35 days, 35 unless the request says it, also where it is on already) or off, which forgets the past.

    A table that is being deleted takes it too: what it says last decides whether a system backup is left. Raises TableNotFoundException, and
    ContinuousBackupsUnavailableException for a table that is still being made.
    (API Reference: "UpdateContinuousBackups".)
    """
    service = call.service(DynamoDb)
    wanted = request["PointInTimeRecoverySpecification"]
    enabled = wanted["PointInTimeRecoveryEnabled"]
    if not enabled and "RecoveryPeriodInDays" in wanted:
        raise validation("Invalid Request: Cannot specify RecoveryPeriodInDays when disabling point-in-time recovery.")

    def change(apply: Callable[[Transaction, TableRecord], None]) -> Callable[[Transaction], TableRecord]:
        def work(tx: Transaction) -> TableRecord:
            record = find_table(tx, service, call, request["TableName"])
            if record.status == "CREATING":
                raise backups_unavailable(record.name)
            apply(tx, record)
            lifecycle.write_record(tx, record)
            return record

        return work

    def off(tx: Transaction, record: TableRecord) -> None:
        record.history.recovery = False
        stop_log(service, tx, record)

    def log(tx: Transaction, record: TableRecord) -> None:
        start_log(service, tx, record)

    def on(tx: Transaction, record: TableRecord) -> None:
        history = record.history
        start_log(service, tx, record)
        days = wanted.get("RecoveryPeriodInDays", RECOVERY_DAYS_MAX)
        # What a shorter period has forgotten, a longer one does not bring back.
        history.recovery_since = earliest(record, call.now) if history.recovery else service.logs.stamp(record.id)
        history.recovery, history.recovery_days = True, days
        plan_trim(service, tx, record)

    transact = call.cloud.store.transact
    if not enabled:
        return _describe(await transact(change(off)), call.now)
    record = find_table(call.cloud.store, service, call, request["TableName"])
    if not record.history.log_id:
        await transact(change(log))  # From here on nothing is written past the log; only then can recovery promise anything.
    return _describe(await transact(change(on)), call.now)
