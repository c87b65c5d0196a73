"""CreateTable."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import definitions, encryption, lifecycle
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.describe import describe_table
from haneul.services.dynamodb.errors import in_use, invalid, still_in_use
from haneul.services.dynamodb.resource_policies import checked_policy
from haneul.services.dynamodb.retention import plan_trim
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.streams import RETENTION, enable_stream
from haneul.services.dynamodb.tables import IndexRecord, TableRecord, new_id, table_key
from haneul.services.dynamodb.throughput import limits
from haneul.services.dynamodb.throughput.table_counts import check_room
from haneul.store.port import Transaction
from haneul.store.records import decode

_NOT_BUILT = ("GlobalTableSourceArn", "GlobalTableSettingsReplicationMode", "VectorIndexes")


@operation("dynamodb:CreateTable", resource=table_arn, tagging="dynamodb:TagResource", partial=f"{encryption.PARTIAL}; vector indexes")
async def create_table(call: Call, request: Shape) -> Shape:
    """Make a table with its indexes. It is CREATING at first and ACTIVE soon after; until then there is nothing to read or write.

    Raises ResourceInUseException when the name is taken. (API Reference: "CreateTable".)
    """
    service = call.service(DynamoDb)
    if request.get("ResourcePolicy"):
        call.authorize("dynamodb:PutResourcePolicy", table_arn(call, request))
    for name in _NOT_BUILT:
        if name in request:
            raise NotBuilt(f"the parameter {name} of dynamodb:CreateTable")
    definitions.check_class(request.get("TableClass"))
    wanted = encryption.wanted_encryption(call, request.get("SSESpecification"))
    account, region, name = service.place(call, request["TableName"])
    record = new_record(call, request, account, region, name)
    stream = _stream_view(request)

    def work(tx: Transaction) -> Shape:
        known = tx.get(table_key(account, region, name))
        if known is not None:
            raise _taken(decode(known, TableRecord))
        check_room(service, tx, record)
        if stream is not None:
            made = enable_stream(tx, record, service.capacity.partition_lows(record), stream, call.now, call.cloud.ids)
            plan_trim(service, tx, made, call.now + RETENTION)
        encryption.encrypt_new(tx, record, managed=wanted is not None and wanted.managed, ids=call.cloud.ids)
        lifecycle.write_record(tx, record)
        lifecycle.plan(service, tx, lifecycle.SETTLE, record)
        described = describe_table(tx, record)
        for index in described.get("GlobalSecondaryIndexes", ()):
            del index["WarmThroughput"]  # Which only DescribeTable tells.
        if not request.get("WarmThroughput"):
            del described["WarmThroughput"]  # What nobody asked for shows later.
        return described

    return {"TableDescription": await call.cloud.store.transact(work)}


def _taken(record: TableRecord) -> ServiceError:
    """The name of a new table is another one's, which may be on its way out."""
    if record.being_restored:
        return still_in_use(f"Table is being used: {record.name}")
    if record.status == "CREATING":
        return still_in_use(f"Table is being created: {record.name}")
    return in_use(f"Table already exists: {record.name}")


def _stream_view(request: Shape) -> str | None:
    """The view type of the stream that is asked for."""
    given = request.get("StreamSpecification")
    if not given:
        return None
    view = given.get("StreamViewType")
    if not given["StreamEnabled"]:
        if view is not None:
            raise invalid("Table is being created with a stream disabled, UpdateViewType should not be specified")
        return None
    if view is None:
        raise invalid("Table is being created with a stream enabled, UpdateViewType is required")
    return str(view)


def new_record(call: Call, request: Shape, account: str, region: str, name: str) -> TableRecord:
    """The record of a table that a request describes, checked in the real service's order."""
    definitions.check_key_given(request)
    on_demand = request.get("BillingMode") == "PAY_PER_REQUEST"
    throughput = request.get("ProvisionedThroughput")
    if on_demand and throughput:
        raise invalid("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
    if not on_demand and not throughput:
        raise invalid("ReadCapacityUnits and WriteCapacityUnits must both be specified when BillingMode is PROVISIONED")
    definitions.check_throughput(throughput)
    attributes = definitions.attribute_definitions(request.get("AttributeDefinitions"))
    schema = request["KeySchema"]
    local, global_ = request.get("LocalSecondaryIndexes"), request.get("GlobalSecondaryIndexes")
    key = definitions.table_key_schema(schema, attributes, has_indexes=local is not None or global_ is not None)
    # Before anything else of the indexes.
    definitions.check_attributes(attributes, [schema, *(one["KeySchema"] for one in (*(local or ()), *(global_ or ())))])
    ids = call.cloud.ids
    indexes: list[IndexRecord] = []
    if local is not None:
        indexes += definitions.local_indexes(local, key, ids)
    if global_ is not None:
        indexes += definitions.global_indexes(global_, indexes, ids, on_demand=on_demand)
    definitions.check_included(indexes)
    record = TableRecord(
        id=new_id(ids),
        table_id=ids.uuid(),
        account=account,
        region=region,
        name=name,
        status="CREATING",
        created_at=call.now,
        attributes=attributes,
        hash_name=key[0],
        range_name=key[1],
        indexes=indexes,
        on_demand=on_demand,
        on_demand_since=call.now if on_demand else 0,
        throughput=definitions.throughput_of(throughput),
        table_class=request.get("TableClass", ""),
        deletion_protection=request.get("DeletionProtectionEnabled", False),
        tags=definitions.check_tags(request.get("Tags", ())),
    )
    policy = request.get("ResourcePolicy")
    if policy:
        record.policy, record.policy_revision = checked_policy(call, policy), str(call.now // 1_000_000)
    holders: list[tuple[TableRecord | IndexRecord, Shape]] = [(record, request)]
    for one in global_ or ():
        index = record.find_index(one["IndexName"])
        assert index is not None
        holders.append((index, one))
    for holder, given in holders:
        if call.service(DynamoDb).capacity.enforced:
            limits.check_units(region, holder, holder.throughput.read_units, holder.throughput.write_units)
        limits.set_maximums(holder, given, region=region, on_demand=on_demand, made=True)
        limits.set_warm(record, holder, given, made=True)
    return record
