"""ImportTable, DescribeImport and ListImports."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import encryption, lifecycle
from haneul.services.dynamodb.arns import named_table_arn
from haneul.services.dynamodb.create_table import new_record
from haneul.services.dynamodb.errors import in_use, validation
from haneul.services.dynamodb.history.errors import import_conflict, import_not_found
from haneul.services.dynamodb.history.export_records import digest_of, find_job, job_key, remember_token, repeated
from haneul.services.dynamodb.history.import_work import IMPORT_SPACE, LOG_GROUP, READ, RUNNING_SPACE, Import, key_of_import, payload_of, running_key
from haneul.services.dynamodb.history.records import job_id
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.tables import table_key
from haneul.services.dynamodb.throughput.limits import check_account
from haneul.services.dynamodb.throughput.table_counts import check_jobs, check_tables
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

PAGE_MAX = 25
# Imports that an account may have under way in a region (API Reference: "LimitExceededException").
IMPORTS_MAX = 50
_TOKEN_DIGITS_MIN = 112


def _table(call: Call, request: Shape) -> str:
    return named_table_arn(call, request["TableCreationParameters"]["TableName"])


def _import(call: Call, request: Shape) -> str:
    return str(request["ImportArn"])


def describe_import(found: Import) -> Shape:
    """An ImportTableDescription."""
    shown: Shape = {
        **_summary(found),
        "TableId": found.table.table_id,
        "ClientToken": found.token,
        "ErrorCount": found.errors,
        "InputCompressionType": found.compression,
        "TableCreationParameters": found.parameters,
        "ProcessedSizeBytes": found.bytes_read,
        "ProcessedItemCount": found.items_read,
        "ImportedItemCount": found.items_written,
    }
    if found.csv:
        shown["InputFormatOptions"] = {"Csv": found.csv}
    if found.failure_code:
        shown["FailureCode"], shown["FailureMessage"] = found.failure_code, found.failure_message
    return shown


def _summary(found: Import) -> Shape:
    table = found.table
    shown: Shape = {
        "ImportArn": found.arn,
        "ImportStatus": found.status,
        "TableArn": table.arn,
        "S3BucketSource": found.source,
        "CloudWatchLogGroupArn": f"arn:aws:logs:{table.region}:{found.caller.account}:log-group:{LOG_GROUP}:*",
        "InputFormat": found.format,
        "StartTime": found.started_at,
    }
    if found.ended_at:
        shown["EndTime"] = found.ended_at
    return shown


@operation("dynamodb:ImportTable", resource=_table, partial=f"{encryption.PARTIAL}; vector indexes")
async def import_table(call: Call, request: Shape) -> Shape:
    """Make a table and fill it with the items of a bucket's objects, in the background and with the caller's permissions.

    Raises ResourceInUseException when the table exists, ImportConflictException for a token that was used for something else.
    (API Reference: "ImportTable".)
    """
    service = call.service(DynamoDb)
    parameters = request["TableCreationParameters"]
    wanted = encryption.wanted_encryption(call, parameters.get("SSESpecification"))
    if parameters.get("VectorIndexes"):
        raise NotBuilt("the parameter VectorIndexes of dynamodb:ImportTable")
    csv = request.get("InputFormatOptions", {}).get("Csv")
    if csv is not None and request["InputFormat"] != "CSV":
        raise validation(f"Invalid Request: Unsupported InputFormatOptions for the given input format: {request['InputFormat']}.")
    account, region, name = service.place(call, parameters["TableName"])
    digest = digest_of({key: value for key, value in request.items() if key != "ClientToken"})
    token = request.get("ClientToken") or call.cloud.ids.uuid()

    def work(tx: Transaction) -> Shape:
        known = repeated(tx, call, "import", IMPORT_SPACE, token, digest, import_conflict)
        if known is not None:
            return describe_import(decode(known, Import))
        if tx.get(table_key(account, region, name)) is not None:
            raise in_use(f"Table already exists: {name}")
        record = new_record(call, parameters, account, region, name)
        check_tables(tx, account, region, indexed=bool(record.indexes))
        check_jobs(tx, RUNNING_SPACE, account, region, IMPORTS_MAX, "imports")
        if service.capacity.enforced:
            check_account(tx, record)
        encryption.encrypt_new(tx, record, managed=wanted is not None and wanted.managed, ids=call.cloud.ids)
        made = Import(
            id=job_id(call.now, call.cloud.ids),
            status="IN_PROGRESS",
            table=record,
            parameters=parameters,
            source={"S3BucketOwner": call.account, **request["S3BucketSource"]},  # Only another account's bucket needs its owner named.
            format=request["InputFormat"],
            compression=request.get("InputCompressionType", "NONE"),
            csv=csv or {},
            token=token,
            caller=call.caller,
            started_at=call.now,
        )
        lifecycle.write_record(tx, record)
        tx.put(key_of_import(made), encode(made))
        tx.put(running_key(made), b"")
        remember_token(service, tx, call, "import", token, digest, made.arn)
        service.cloud.outbox.put(tx, READ, payload_of(made), due=call.now + lifecycle.TRANSITION)
        return describe_import(made)

    return {"ImportTableDescription": await call.cloud.store.transact(work)}


@operation("dynamodb:DescribeImport", resource=_import)
async def describe_one_import(call: Call, request: Shape) -> Shape:
    """How an import is going. (API Reference: "DescribeImport".)"""
    raw = find_job(call.cloud.store, call, request["ImportArn"], "import", IMPORT_SPACE)
    if raw is None:
        raise import_not_found(request["ImportArn"])
    return {"ImportTableDescription": describe_import(decode(raw, Import))}


@operation("dynamodb:ListImports")
async def list_imports(call: Call, request: Shape) -> Shape:
    """Imports of the last 90 days, of one table or all, up to 25 at once. (API Reference: "ListImports".)"""
    limit = request.get("PageSize", PAGE_MAX)
    place: tuple[str, ...] = (IMPORT_SPACE, call.account, call.region)
    if "TableArn" in request:
        account, region, table = call.service(DynamoDb).place(call, request["TableArn"])
        place = (IMPORT_SPACE, account, region, table)
    start, end = prefix_range(pack(place))
    if "NextToken" in request:
        table, _, job = bytes.fromhex(request["NextToken"]).rstrip(b"\x00").decode(errors="replace").partition("/")
        start = max(start, job_key(IMPORT_SPACE, call.account, call.region, table, job) + b"\x00")
    rows = call.cloud.store.range(start, end, limit + 1)
    found = [decode(value, Import) for _, value in rows[:limit]]
    answer: Shape = {"ImportSummaryList": [_summary(one) for one in found]}
    if len(rows) > limit:
        answer["NextToken"] = _page_token(found[-1])
    return answer


def _page_token(last: Import) -> str:
    """Where the next page begins, as the model wants it: hexadecimal digits, 112 or more, in sixteens."""
    digits = f"{last.table.name}/{last.id}".encode().hex()
    return digits.ljust(max(_TOKEN_DIGITS_MIN, -(-len(digits) // 16) * 16), "0")
