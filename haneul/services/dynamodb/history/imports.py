"""ImportTable, DescribeImport and ListImports."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import encryption
from haneul.services.dynamodb.arns import named_table_arn
from haneul.services.dynamodb.create_table import new_record
from haneul.services.dynamodb.errors import in_use, validation
from haneul.services.dynamodb.history.errors import import_conflict, import_not_found
from haneul.services.dynamodb.history.export_records import (
    PAGE,
    digest_of,
    find_job,
    job_key,
    own,
    page_token,
    read_page_token,
    remember_token,
    repeated,
)
from haneul.services.dynamodb.history.import_work import (
    IMPORT_SPACE,
    IMPORT_TIME_SPACE,
    LOG_GROUP,
    RUNNING_SPACE,
    Import,
    key_of_import,
    promise,
    running_key,
    time_key,
)
from haneul.services.dynamodb.history.records import job_id
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.tables import table_key
from haneul.services.dynamodb.throughput.table_counts import check_jobs, check_room
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

# Imports that an account may have under way in a region (API Reference: "LimitExceededException").
IMPORTS_MAX = 50


def _table(call: Call, request: Shape) -> str:
    return named_table_arn(call, request["TableCreationParameters"]["TableName"])


def _import(call: Call, request: Shape) -> str:
    return own(call, request["ImportArn"])


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

    The table is made when the bucket has been reached: until then its name is anybody's, and the first that makes a table of it has it.
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
    digest = _digest(request)
    token = request.get("ClientToken") or call.cloud.ids.uuid()

    def work(tx: Transaction) -> Shape:
        # A table of the name counts more than a token, also if the token's import made it.
        if tx.get(table_key(account, region, name)) is not None:
            raise in_use(f"Table already exists: {name}")
        known = repeated(tx, call, "import", IMPORT_SPACE, token, digest, import_conflict)
        if known is not None:
            return describe_import(decode(known, Import))
        record = new_record(call, parameters, account, region, name)
        check_jobs(tx, RUNNING_SPACE, account, region, IMPORTS_MAX, "imports")
        check_room(service, tx, record)
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
        tx.put(key_of_import(made), encode(made))
        tx.put(time_key(account, region, name, made.id), key_of_import(made))
        tx.put(running_key(made), key_of_import(made))
        remember_token(service, tx, call, "import", token, digest, made.arn)
        promise(service, tx, made)
        return describe_import(made)

    return {"ImportTableDescription": await call.cloud.store.transact(work)}


def _digest(request: Shape) -> bytes:
    """What two requests with one token have to have in common: everything but the prefix of the objects, which the service does not look at."""
    source = {key: value for key, value in request["S3BucketSource"].items() if key != "S3KeyPrefix"}
    return digest_of({**{key: value for key, value in request.items() if key != "ClientToken"}, "S3BucketSource": source})


@operation("dynamodb:DescribeImport", resource=_import)
async def describe_one_import(call: Call, request: Shape) -> Shape:
    """How an import is going. (API Reference: "DescribeImport".)"""
    raw = find_job(call.cloud.store, call, request["ImportArn"], "import", IMPORT_SPACE)
    if raw is None:
        raise import_not_found(request["ImportArn"])
    return {"ImportTableDescription": describe_import(decode(raw, Import))}


@operation("dynamodb:ListImports")
async def list_imports(call: Call, request: Shape) -> Shape:
    """Imports of the last 90 days, of one table's ARN or all, ten at once or up to 25, the last one first. (API Reference: "ListImports".)"""
    store, limit = call.cloud.store, request.get("PageSize", PAGE)
    last = read_page_token("import", request["NextToken"]) if "NextToken" in request else None
    if "TableArn" in request:
        account, region, table = call.service(DynamoDb).place(call, own(call, request["TableArn"]))
        start, end = prefix_range(pack((IMPORT_SPACE, account, region, table)))
        if last is not None:
            end = min(end, job_key(IMPORT_SPACE, account, region, *last))
        keys = [key for key, _ in store.range(start, end, limit + 1, reverse=True)]
    else:
        start, end = prefix_range(pack((IMPORT_TIME_SPACE, call.account, call.region)))
        if last is not None:
            end = time_key(call.account, call.region, *last)
        keys = [value for _, value in store.range(start, end, limit + 1, reverse=True)]
    found = [decode(raw, Import) for raw in map(store.get, keys[:limit]) if raw is not None]
    answer: Shape = {"ImportSummaryList": [_summary(one) for one in found]}
    if len(keys) > limit:
        _, _, _, shown, job = unpack(keys[limit - 1])
        answer["NextToken"] = page_token("import", str(shown), str(job))
    return answer
