"""Changes of throughput and mode: how often they may be made, and when they take effect.

(Developer Guide: "Quotas in Amazon DynamoDB", "Considerations when switching capacity modes in DynamoDB".)
"""

from __future__ import annotations

from datetime import UTC, datetime

from haneul.clock import DAY, HOUR, SECOND
from haneul.services.dynamodb.errors import limit_exceeded, validation
from haneul.services.dynamodb.tables import IndexRecord, TableRecord, Throughput
from haneul.services.dynamodb.throughput.limits import settle_warm
from haneul.services.dynamodb.throughput.warm import keep_warm

DECREASES_AT_ANY_TIME = 4
ON_DEMAND_SWITCHES_MAX = 4
ON_DEMAND_SWITCHES_WITHIN = DAY
CLASS_CHANGES_MAX = 2
CLASS_CHANGES_WITHIN = 30 * DAY


def decreases_today(throughput: Throughput, now: int) -> int:
    """Decreases on the present UTC day."""
    return throughput.decreases_today if throughput.decreased_at // DAY == now // DAY else 0


def change_units(holder: TableRecord | IndexRecord, read: int, write: int, now: int, *, limited: bool) -> None:
    """Ask for other provisioned units, which take effect when the update is done.

    Raises ValidationException when nothing would change, LimitExceededException for a decrease too many (unless not `limited`).
    """
    old = holder.throughput
    if (read, write) == (old.read_units, old.write_units):
        what, holding = (f"the index {holder.name}", f"index {holder.name}") if isinstance(holder, IndexRecord) else ("the table", "the table")
        raise validation(
            f"The provisioned throughput for {what} will not change. The requested value equals the current value. "
            f"Current ReadCapacityUnits provisioned for {holding}: {old.read_units}. Requested ReadCapacityUnits: {read}. "
            f"Current WriteCapacityUnits provisioned for {holding}: {old.write_units}. Requested WriteCapacityUnits: {write}. "
            "Refer to the Amazon DynamoDB Developer Guide for current limits and how to request higher limits."
        )
    if limited and (read < old.read_units or write < old.write_units):
        _check_decrease(old, now)
    old.wanted_read, old.wanted_write, old.asked_at = read, write, now


def _check_decrease(old: Throughput, now: int) -> None:
    """Four decreases at any time of a UTC day, then one an hour after the last."""
    made = decreases_today(old, now)
    following = min(old.decreased_at + HOUR, (now // DAY + 1) * DAY)
    if made >= DECREASES_AT_ANY_TIME and now < following:
        raise limit_exceeded(
            "Subscriber limit exceeded: Provisioned throughput decreases are limited within a given UTC day. After the first 4 decreases, each subsequent "
            f"decrease in the same UTC day can be performed at most once every 3600 seconds. Number of decreases today: {made}. "
            f"Last decrease at {_in_words(old.decreased_at)}. Next decrease can be made at {_in_words(following)}"
        )


def _in_words(time: int) -> str:
    at = datetime.fromtimestamp(time // SECOND, UTC)
    return f"{at:%A, %B} {at.day}, {at.year} at {at.hour % 12 or 12}:{at:%M:%S %p} Coordinated Universal Time"


def settle_units(record: TableRecord, holder: TableRecord | IndexRecord, now: int) -> None:
    """Units and warm throughput that were asked for are there."""
    throughput = holder.throughput
    read, write = throughput.wanted_read, throughput.wanted_write
    if read or write:
        if read > throughput.read_units or write > throughput.write_units:
            throughput.increased_at = now
        if read < throughput.read_units or write < throughput.write_units:
            throughput.decreases_today = decreases_today(throughput, now) + 1
            throughput.decreased_at = now
        if not record.on_demand:
            keep_warm(record, holder)
        throughput.read_units, throughput.write_units = read, write
        throughput.wanted_read = throughput.wanted_write = 0
    throughput.asked_at = 0
    settle_warm(holder)


def settle_mode(record: TableRecord, now: int) -> None:
    """The mode and the class that were asked for are there."""
    if record.switching and record.on_demand:
        record.on_demand_since = now
    record.switching = False
    if record.class_wanted:
        record.table_class, record.table_class_changed_at, record.class_wanted = record.class_wanted, now, ""


def switch_to_on_demand(record: TableRecord, now: int, *, limited: bool) -> None:
    """From provisioned mode to on demand, which may be done so often a day. What was provisioned stays warm."""
    recent = [time for time in record.on_demand_switches if time > now - ON_DEMAND_SWITCHES_WITHIN]
    if limited and len(recent) >= ON_DEMAND_SWITCHES_MAX:
        raise limit_exceeded(f"Subscriber limit exceeded: Update to PayPerRequest mode are limited to {ON_DEMAND_SWITCHES_MAX} times in 1 day(s).")
    holders: list[TableRecord | IndexRecord] = [record, *(index for index in record.indexes if index.is_global)]
    for holder in holders:
        keep_warm(record, holder)
        old = holder.throughput
        changed = Throughput(increased_at=old.increased_at, decreased_at=old.decreased_at, decreases_today=old.decreases_today, asked_at=now)
        if isinstance(holder, IndexRecord):  # For an index it counts as a decrease.
            changed.decreased_at, changed.decreases_today = now, decreases_today(old, now) + 1
        holder.throughput = changed
    record.on_demand = record.switching = True
    record.on_demand_switches = [*recent, now]


def switch_to_provisioned(record: TableRecord) -> None:
    """From on demand to provisioned mode, at any time; units are given afterwards. What was warm stays so, maximums on demand go."""
    holders: list[TableRecord | IndexRecord] = [record, *(index for index in record.indexes if index.is_global)]
    for holder in holders:
        keep_warm(record, holder)
        holder.on_demand_read_max = holder.on_demand_write_max = None
    record.on_demand, record.switching = False, True


def change_class(record: TableRecord, wanted: str, now: int, *, limited: bool) -> bool:
    """Ask for another table class, which takes effect when the update is done and may be had twice in 30 days; False when it is the class already.

    Who has changed it twice may not even say it again.
    """
    recent = [time for time in record.class_changes if time > now - CLASS_CHANGES_WITHIN]
    if limited and len(recent) >= CLASS_CHANGES_MAX:
        raise limit_exceeded(f"Subscriber limit exceeded: Updates to TableClass are limited to {CLASS_CHANGES_MAX} times in 30 day(s).")
    if wanted == (record.table_class or "STANDARD"):
        return False
    record.class_changes = [*recent, now]
    record.class_wanted = wanted
    return True
