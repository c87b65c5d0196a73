"""ExportTableToPointInTime, DescribeExport and ListExports."""

from __future__ import annotations

from haneul.clock import HOUR, MILLISECOND, MINUTE, SECOND
from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.arns import named_table_arn
from haneul.services.dynamodb.errors import invalid, validation
from haneul.services.dynamodb.expressions.request import bind, check_parameters
from haneul.services.dynamodb.history.errors import (
    export_conflict,
    export_not_found,
    invalid_export_time,
    recovery_unavailable,
    span_too_early,
    span_too_late,
    table_not_found,
)
from haneul.services.dynamodb.history.export_records import (
    EXPORT_SPACE,
    PAGE,
    RUNNING_SPACE,
    Export,
    digest_of,
    find_job,
    job_key,
    key_of_export,
    own,
    page_token,
    read_page_token,
    remember_token,
    repeated,
    running_key,
)
from haneul.services.dynamodb.history.export_work import WRITE, payload_of
from haneul.services.dynamodb.history.holding import earliest, hold
from haneul.services.dynamodb.history.log import log_prefix
from haneul.services.dynamodb.history.past import Past
from haneul.services.dynamodb.history.records import job_id
from haneul.services.dynamodb.items import check_nested_paths
from haneul.services.dynamodb.query import bounds_of, check_conditions, check_filter, check_number
from haneul.services.dynamodb.reading import Source
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import TableRecord, table_key
from haneul.services.dynamodb.throughput.table_counts import check_jobs
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

# Exports that an account may have under way in a region (Developer Guide: "Quotas in Amazon DynamoDB", table export to Amazon S3).
EXPORTS_MAX = 300
SPAN_MIN, SPAN_MAX = 15 * MINUTE, 24 * HOUR


def _table(call: Call, request: Shape) -> str:
    return own(call, named_table_arn(call, request["TableArn"]))


def _export(call: Call, request: Shape) -> str:
    return own(call, request["ExportArn"])


def _listed(call: Call, request: Shape) -> str:
    return own(call, named_table_arn(call, request.get("TableArn", "*")))


def describe_export(export: Export) -> Shape:
    """An ExportDescription."""
    found: Shape = {
        "ExportArn": export.arn,
        "ExportStatus": export.status,
        "StartTime": export.started_at,
        "TableArn": export.table.arn,
        "TableId": export.table.table_id,
        "ClientToken": export.token,
        "S3Bucket": export.bucket,
        "S3SseAlgorithm": export.encryption or "AES256",
        "ExportFormat": export.format,
    }
    if export.since:
        found["IncrementalExportSpecification"] = {"ExportFromTime": export.since, "ExportToTime": export.past.time, "ExportViewType": export.view}
    else:
        found["ExportTime"] = export.past.time
    for name, value in (("ExportType", export.type_given), ("S3BucketOwner", export.bucket_owner), ("S3Prefix", export.prefix)):
        if value:
            found[name] = value
    if export.ended_at:
        found["EndTime"] = export.ended_at
    if export.status == "COMPLETED":
        found["ExportManifest"] = f"{export.folder}manifest-summary.json"
        found["ItemCount"], found["BilledSizeBytes"] = export.items, export.billed_bytes
    if export.filter:
        found["FilterSpecification"] = export.filter
    if export.failure_code:
        found["FailureCode"], found["FailureMessage"] = export.failure_code, export.failure_message
    return found


@operation("dynamodb:ExportTableToPointInTime", resource=_table, partial="KMS keys")
async def export_table_to_point_in_time(call: Call, request: Shape) -> Shape:
    """Write a table as it was at a moment, or what changed within a span, to a bucket, in the background and with the caller's permissions.

    Raises TableNotFoundException, PointInTimeRecoveryUnavailableException, InvalidExportTimeException, and ExportConflictException for a token that was
    used for something else. (API Reference: "ExportTableToPointInTime".)
    """
    service = call.service(DynamoDb)
    _refuse(request)
    digest = digest_of({name: value for name, value in request.items() if name != "ClientToken"})
    token = request.get("ClientToken") or call.cloud.ids.uuid()

    def work(tx: Transaction) -> Shape:
        record = _find_table(tx, call, request["TableArn"])
        known = repeated(tx, call, "export", EXPORT_SPACE, token, digest, export_conflict)
        if known is not None:
            return describe_export(decode(known, Export))
        since, time, view = _span(service, call, request, record)
        table, wanted = Table(record), request.get("FilterSpecification") or {}
        low, high = _check_filter(service, table, wanted)
        check_jobs(tx, RUNNING_SPACE, record.account, record.region, EXPORTS_MAX, "exports")
        # An incremental export begins with a whole second, as its span does.
        started_at = call.now // SECOND * SECOND if since else call.now
        export = Export(
            id=job_id(started_at, call.cloud.ids),
            status="IN_PROGRESS",
            table=record,
            past=Past(table.prefix, log_prefix(record), time),
            since=since,
            view=view,
            format=request.get("ExportFormat", "DYNAMODB_JSON"),
            bucket=request["S3Bucket"],
            bucket_owner=request.get("S3BucketOwner", ""),
            prefix=request.get("S3Prefix", ""),
            encryption=request.get("S3SseAlgorithm", ""),
            token=token,
            caller=call.caller,
            started_at=started_at,
            cursor=low,
            filter=wanted,
            low=low,
            high=high,
            type_given=request.get("ExportType", ""),
            lows=[] if since or high else service.capacity.partition_lows(record),
        )
        tx.put(key_of_export(export), encode(export))
        tx.put(running_key(export), b"")
        hold(tx, record, export.id, since or time)
        remember_token(service, tx, call, "export", token, digest, export.arn)
        service.cloud.outbox.put(tx, WRITE, payload_of(export), due=call.now + lifecycle.TRANSITION)
        return describe_export(export)

    return {"ExportDescription": await call.cloud.store.transact(work)}


def _find_table(reader: Reader, call: Call, arn: str) -> TableRecord:
    """The table that an ARN names, in this region; TableNotFoundException when it is not there, or is being deleted."""
    found = parse_arn(arn)
    assert found is not None
    raw = reader.get(table_key(found.account, found.region, found.resource.removeprefix("table/"))) if found.region == call.region else None
    record = decode(raw, TableRecord) if raw is not None else None
    if record is None or record.status == "DELETING":
        raise table_not_found(arn)
    return record


def _refuse(request: Shape) -> None:
    arn = parse_arn(request["TableArn"])
    if arn is None:
        raise invalid("tableArn is not a valid ARN")
    kind, _, name = arn.resource.partition("/")
    if arn.service != "dynamodb" or kind != "table" or not name or "/" in name:
        raise validation("Invalid Request: Table ARN is invalid.")
    if request.get("FilterSpecification") == {}:
        raise validation("Invalid Request: Invalid FilterSpecification: The specification can not be empty")
    if request.get("S3SseKmsKeyId") and request.get("S3SseAlgorithm") != "KMS":
        raise validation("Invalid Request: KMS Key Id is not supported for this encryption type")
    if request.get("S3SseAlgorithm") == "KMS" or request.get("S3SseKmsKeyId"):
        raise NotBuilt("S3SseAlgorithm KMS of dynamodb:ExportTableToPointInTime")
    incremental = request.get("ExportType") == "INCREMENTAL_EXPORT"
    if incremental and "IncrementalExportSpecification" not in request:
        raise validation("Invalid Request: Incremental Export Specification expected when export type is set as Incremental Export")
    if not incremental and "IncrementalExportSpecification" in request:
        if "ExportType" in request:
            raise validation("Invalid Request: When Export Type is Full Export , Incremental Export Specification should not be provided")
        raise validation("Invalid Request: Export Type expected to be Incremental Export when incremental export specification is provided")
    if incremental and "ExportFromTime" not in request["IncrementalExportSpecification"]:
        raise validation("Invalid Request: ExportFromTime must be provided in IncrementalExportSpecification")


def _check_filter(service: DynamoDb, table: Table, wanted: Shape) -> tuple[bytes, bytes]:
    """The keys between which a filtered export looks at items, empty for all of them.

    Raises ValidationException for expressions that Query would not take (Scan, where there is no key condition).
    """
    source = Source(table, None)
    check_parameters(wanted, ("ProjectionExpression", "FilterExpression", "KeyConditionExpression"), ())
    bound = bind(service.parsers, wanted)
    low = high = source.prefix
    if bound.key_conditions is not None:
        check_number(source, bound.key_conditions)
        check_conditions(source, bound.key_conditions, None)
        low, high = bounds_of(source, bound.key_conditions)
    check_nested_paths(table, bound.projection_nested)
    if bound.key_conditions is not None:
        check_filter(source, wanted, bound)
    check_nested_paths(table, bound.filter_nested)
    return low[len(source.prefix) :], high[len(source.prefix) :]


def _span(service: DynamoDb, call: Call, request: Shape, record: TableRecord) -> tuple[int, int, str]:
    """Since when (0 for a full export), until when, and which images are exported.

    A span is looked at before it is asked whether the table has recovery, a moment after it.
    """
    now, recovery = call.now, record.history.recovery
    first = earliest(record, now) if recovery else record.created_at
    if request.get("ExportType") != "INCREMENTAL_EXPORT":
        if not recovery:
            raise recovery_unavailable(record.name)
        if "ExportTime" not in request:
            return 0, service.logs.stamp(record.id), ""  # All that has been written until now.
        time = request["ExportTime"]
        if not record.created_at <= time <= now:
            raise invalid_export_time("Export Time is invalid")
        if time < first:
            raise invalid_export_time("Point in Time Recovery is not available for specified export time")
        return 0, time, ""
    wanted = request["IncrementalExportSpecification"]
    # A span ends with a whole second, so that the next one can begin there.
    since, until = wanted["ExportFromTime"], wanted.get("ExportToTime", now // SECOND * SECOND)
    if since < first:
        raise span_too_early(since)
    if until > now:
        raise span_too_late(until)
    if until - since < SPAN_MIN:
        raise invalid_export_time("Difference between export period from time and export period to time is less than 15 minutes")
    if until - since > SPAN_MAX:
        raise invalid_export_time("Difference between export period from time and export period to time is greater than 24 hours")
    if not recovery:
        raise recovery_unavailable(record.name)
    if "ExportTime" in request:
        raise validation("ExportTime cannot be specified for an incremental export")
    return since, until, wanted.get("ExportViewType", "NEW_AND_OLD_IMAGES")


@operation("dynamodb:DescribeExport", resource=_export)
async def describe_one_export(call: Call, request: Shape) -> Shape:
    """How an export is going. (API Reference: "DescribeExport".)"""
    arn = request["ExportArn"]
    raw = find_job(call.cloud.store, call, arn, "export", EXPORT_SPACE)
    if raw is None:
        found = parse_arn(arn)
        here = found is not None and found.region == call.region
        raise export_not_found(f"Export not found: {arn}" if here else "Invalid export arn")
    return {"ExportDescription": describe_export(decode(raw, Export))}


@operation("dynamodb:ListExports", resource=_listed)
async def list_exports(call: Call, request: Shape) -> Shape:
    """Exports of the last 90 days, of one table or all, ten at once or up to 25, in reverse order of their ARNs. (API Reference: "ListExports".)

    Those of a table are listed with its ARN for as long as there is that table, and not another one of its name.
    """
    store, limit = call.cloud.store, request.get("MaxResults", PAGE)
    start, end = prefix_range(pack((EXPORT_SPACE, call.account, call.region)))
    if "TableArn" in request:
        account, region, table = call.service(DynamoDb).place(call, request["TableArn"])
        raw = store.get(table_key(account, region, table))
        if raw is None:
            return {"ExportSummaries": []}
        _, end = prefix_range(pack((EXPORT_SPACE, account, region, table)))
        # An export's id begins with its time.
        start = job_key(EXPORT_SPACE, account, region, table, f"{decode(raw, TableRecord).created_at // MILLISECOND:014}")
    if "NextToken" in request:
        position = job_key(EXPORT_SPACE, call.account, call.region, *read_page_token("export", request["NextToken"]))
        if not start <= position < end:
            return {"ExportSummaries": []}  # The token of another table's list.
        end = position
    rows = store.range(start, end, limit + 1, reverse=True)
    found = [decode(value, Export) for _, value in rows[:limit]]
    answer: Shape = {"ExportSummaries": [_summary(one) for one in found]}
    if len(rows) > limit:
        answer["NextToken"] = page_token("export", found[-1].table.name, found[-1].id)
    return answer


def _summary(export: Export) -> Shape:
    return {"ExportArn": export.arn, "ExportStatus": export.status, "ExportType": "INCREMENTAL_EXPORT" if export.since else "FULL_EXPORT"}
