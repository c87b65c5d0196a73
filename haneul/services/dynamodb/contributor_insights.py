"""Contributor Insights, as far as its API goes: what is switched on ends as FAILED and says why, for there is nothing behind it that counts keys.

(API Reference: "UpdateContributorInsights", "DescribeContributorInsights", "ListContributorInsights".)
"""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token, read_token
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.arns import index_or_table_arn, table_arn
from haneul.services.dynamodb.errors import table_not_found, validation
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.tables import TABLE_SPACE, InsightsRecord, TableRecord, find_record
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode

_PARTIAL = "control plane only: what is enabled ends as FAILED, no key is counted"
_MODE = "ACCESSED_AND_THROTTLED_KEYS"
_PAGE_MAX = 100
_FAILURE: Shape = {
    "ExceptionName": "NotImplemented",
    "ExceptionDescription": "Haneul has no CloudWatch Contributor Insights rules: neither accessed nor throttled keys are counted. See docs/COVERAGE.md.",
}


def _find(reader: Reader, place: tuple[str, str, str], index: str | None) -> TableRecord:
    record = find_record(reader, *place)
    if record is None:
        raise table_not_found(place[2])
    found = record.find_index(index) if index is not None else None
    if index is not None and (found is None or not found.is_global):
        raise ServiceError("ResourceNotFoundException", f"Requested resource not found: Index: {index} not found for table: {record.name}", 400)
    return record


def _status(known: InsightsRecord | None, now: int) -> str:
    if known is None:
        return "DISABLED"
    passing = now < known.changed_at + lifecycle.TRANSITION
    if known.wanted:
        return "ENABLING" if passing else "FAILED"
    return "DISABLING" if passing else "DISABLED"


@operation("dynamodb:DescribeContributorInsights", resource=index_or_table_arn, partial=_PARTIAL)
async def describe_contributor_insights(call: Call, request: Shape) -> Shape:
    """Whether keys of a table or global index are counted. They are not; what was switched on says FAILED, and why."""
    index = request.get("IndexName")
    record = _find(call.cloud.store, call.service(DynamoDb).place(call, request["TableName"]), index)
    known = record.insights.get(index or "")
    status = _status(known, call.now)
    answer: Shape = {"TableName": record.name, "ContributorInsightsStatus": status}
    if index is not None:
        answer["IndexName"] = index
    if known is not None:
        # What failed says when it did.
        answer["LastUpdateDateTime"] = known.changed_at + lifecycle.TRANSITION if status == "FAILED" else known.changed_at
        answer["ContributorInsightsMode"] = known.mode
    if status in ("FAILED", "DISABLING"):  # It is told of until it is switched off.
        answer["FailureException"] = _FAILURE
    return answer


@operation("dynamodb:UpdateContributorInsights", resource=index_or_table_arn, partial=_PARTIAL)
async def update_contributor_insights(call: Call, request: Shape) -> Shape:
    """Ask for keys to be counted, or no longer. ENABLING ends in FAILED."""
    place = call.service(DynamoDb).place(call, request["TableName"])
    index = request.get("IndexName")
    wanted = request["ContributorInsightsAction"] == "ENABLE"

    def work(tx: Transaction) -> Shape:
        record = _find(tx, place, index)
        found = record.find_index(index) if index is not None else None
        for what, made in (("TableStatus", record.status != "CREATING"), ("IndexStatus", found is None or found.status == "ACTIVE")):
            if wanted and not made:
                raise validation(f"Table or Index is not in a valid state to update Key Access Insights: {what} must be ACTIVE to enable ContributorInsights.")
        known = record.insights.get(index or "")
        mode = request.get("ContributorInsightsMode") or (known.mode if known is not None and not wanted else _MODE)
        if wanted or (known is not None and known.wanted):
            known = record.insights[index or ""] = InsightsRecord(wanted, mode, call.now)
            lifecycle.write_record(tx, record)
        answer: Shape = {"TableName": record.name, "ContributorInsightsStatus": _status(known, call.now), "ContributorInsightsMode": mode}
        if index is not None:
            answer["IndexName"] = index
        return answer

    return await call.cloud.store.transact(work)


def _listed_arn(call: Call, request: Shape) -> str:
    return table_arn(call, request) if "TableName" in request else "*"


@operation("dynamodb:ListContributorInsights", resource=_listed_arn, partial=_PARTIAL)
async def list_contributor_insights(call: Call, request: Shape) -> Shape:
    """Tables and global indexes for which counting was asked for, in order of their names."""
    service, store = call.service(DynamoDb), call.cloud.store
    limit = min(request.get("MaxResults") or _PAGE_MAX, _PAGE_MAX)
    after = (read_token(request["NextToken"]) if "NextToken" in request else b"") or b""
    if "NextToken" in request and not after:
        raise validation("Invalid NextToken")
    if "TableName" in request:
        records = [_find(store, service.place(call, request["TableName"]), None)]
    else:
        start, end = prefix_range(pack((TABLE_SPACE, call.account, call.region)))
        records = [decode(value, TableRecord) for _, value in store.iterate(start, end)]
    found: list[Shape] = []
    answer: Shape = {"ContributorInsightsSummaries": found}
    last = b""
    for record in records:
        for index, known in sorted(record.insights.items()):
            place, status = pack((record.name, index)), _status(known, call.now)
            if place <= after or status == "DISABLED":
                continue
            if len(found) == limit:
                answer["NextToken"] = make_token(last)
                return answer
            summary: Shape = {"TableName": record.name, "ContributorInsightsStatus": status, "ContributorInsightsMode": known.mode}
            found.append({**summary, "IndexName": index} if index else summary)
            last = place
    return answer
