"""What happened to alarms, kept for 30 days. DescribeAlarmHistory."""

from __future__ import annotations

from typing import Any

import msgspec
import orjson

from haneul.clock import DAY
from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token, read_token
from haneul.services.cloudwatch.alarms import METRIC, AlarmName
from haneul.services.cloudwatch.errors import invalid_token
from haneul.store.keys import after, pack, prefix_range, unpack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

_HISTORY = "cloudwatch-history"
_BY_ALARM = "cloudwatch-history-of"
_KEPT = 30 * DAY
_PAGE = 100
_SUMMARY_MAX = 255
_DATA_MAX = 4095


class Happening(msgspec.Struct):
    """One line of the history."""

    alarm: str
    kind: str
    alarm_kind: str
    summary: str
    data: str


def note(tx: Transaction, name: AlarmName, alarm_kind: str, now: int, kind: str, summary: str, data: dict[str, Any]) -> None:
    """Add a line: `kind` is ConfigurationUpdate, StateUpdate or Action."""
    account, region, alarm = name
    line = encode(Happening(alarm, kind, alarm_kind, summary[:_SUMMARY_MAX], orjson.dumps(data).decode()[:_DATA_MAX]))
    number = 0
    while tx.get(key := pack((_HISTORY, account, region, now, alarm, number))) is not None:
        number += 1
    tx.put(key, line)
    tx.put(pack((_BY_ALARM, account, region, alarm, now, number)), line)


def forget_old(tx: Transaction, now: int, limit: int) -> bool:
    """Remove up to `limit` lines that are too old; True when there may be more. Accounts and regions are leapt over, not read through."""
    position, end = prefix_range(pack((_HISTORY,)))
    removed = 0
    while found := tx.range(position, end, 1):
        _, account, region, *_ = unpack(found[0][0])
        place = pack((_HISTORY, account, region))
        for key, _ in tx.range(place, pack((_HISTORY, account, region, now - _KEPT)), limit - removed):
            at, alarm, number = unpack(key)[3:]
            tx.delete(key)
            tx.delete(pack((_BY_ALARM, account, region, alarm, at, number)))
            removed += 1
        if removed >= limit:
            return True
        position = after(place)
    return False


@operation("cloudwatch:DescribeAlarmHistory", resource=lambda call, request: call.arn(f"alarm:{request.get('AlarmName', '*')}"), partial="AlarmContributorId")
async def describe_alarm_history(call: Call, request: Shape) -> Shape:
    """Lines of one alarm's history or of all, newest first unless asked otherwise."""
    prefix: tuple[Any, ...] = (_HISTORY, call.account, call.region)
    if "AlarmName" in request:
        prefix = (_BY_ALARM, call.account, call.region, request["AlarmName"])
    start = pack((*prefix, max(request.get("StartDate", 0), call.now - _KEPT)))
    end = pack((*prefix, request["EndDate"])) if "EndDate" in request else after(pack(prefix))
    newest_first = request.get("ScanBy", "TimestampDescending") == "TimestampDescending"
    if "NextToken" in request:
        position = read_token(request["NextToken"])
        if position is None or not start <= position <= end:
            raise invalid_token()
        start, end = (start, position) if newest_first else (position, end)
    return _page(call.cloud.store, request, start, end, newest_first)


def _page(reader: Reader, request: Shape, start: bytes, end: bytes, newest_first: bool) -> Shape:
    kind, limit = request.get("HistoryItemType"), request.get("MaxRecords", _PAGE)
    alarm_kinds = request.get("AlarmTypes") or [METRIC]
    if "AlarmName" in request and not request.get("AlarmTypes"):
        alarm_kinds = None
    items: list[Shape] = []
    last = b""
    if start >= end:
        return {"AlarmHistoryItems": []}
    for key, value in reader.iterate(start, end, reverse=newest_first):
        line = decode(value, Happening)
        if (kind is not None and line.kind != kind) or (alarm_kinds is not None and line.alarm_kind not in alarm_kinds):
            continue
        if len(items) == limit:
            # Backwards a page begins before the position, forwards at it.
            return {"AlarmHistoryItems": items, "NextToken": make_token(last if newest_first else key)}
        parts = unpack(key)
        items.append(
            {
                "AlarmName": line.alarm,
                "AlarmType": line.alarm_kind,
                "Timestamp": parts[3] if parts[0] == _HISTORY else parts[4],
                "HistoryItemType": line.kind,
                "HistorySummary": line.summary,
                "HistoryData": line.data,
            }
        )
        last = key
    return {"AlarmHistoryItems": items}
