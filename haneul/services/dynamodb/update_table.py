"""UpdateTable."""

from __future__ import annotations

from collections.abc import Callable

from haneul.clock import MILLISECOND, SECOND
from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.dynamodb import definitions, encryption, lifecycle
from haneul.services.dynamodb.admission import check_admitted, says_on_demand_again
from haneul.services.dynamodb.arns import table_arn
from haneul.services.dynamodb.describe import describe_table
from haneul.services.dynamodb.errors import invalid, limit_exceeded, table_not_found, timestamp, validation
from haneul.services.dynamodb.index_changes import check_indexes, indexes_change
from haneul.services.dynamodb.replication.admission import check_free, hold_all, limits_of_replica
from haneul.services.dynamodb.replication.requests import changes_replicas
from haneul.services.dynamodb.replication.scaling import indexes_to_scale, scale_new_index
from haneul.services.dynamodb.replication.settings import changes_for_others, check_stream, scales
from haneul.services.dynamodb.replication.updates import update_replicas
from haneul.services.dynamodb.retention import plan_trim
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodb.streams import RETENTION, disable_stream, enable_stream
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import IndexRecord, TableRecord, Throughput, find_record
from haneul.services.dynamodb.throughput.changes import change_class, change_units, switch_to_on_demand, switch_to_provisioned
from haneul.services.dynamodb.throughput.combinations import changes_of, check_combination
from haneul.services.dynamodb.throughput.limits import check_account, check_units, set_maximums, set_warm
from haneul.services.dynamodb.throughput.table_counts import check_operations
from haneul.store.port import Transaction

_NOT_BUILT = (
    "GlobalTableSettingsReplicationMode",
    "VectorIndexUpdates",
)
# Deletion protection may not be changed again before.
PROTECTION_PAUSE = 15 * SECOND


@operation("dynamodb:UpdateTable", resource=table_arn, partial=f"{encryption.PARTIAL}; vector indexes, global tables over several accounts")
async def update_table(call: Call, request: Shape) -> Shape:
    """Change capacity, indexes, stream, class or protection of a table, which is UPDATING meanwhile and serves requests all the time.

    Raises ResourceInUseException while an earlier change is under way. (API Reference: "UpdateTable".)
    """
    service = call.service(DynamoDb)
    account, region, name = service.place(call, request["TableName"])
    if changes_replicas(request):
        return await update_replicas(call, service, request)
    _check(request)
    wanted = encryption.wanted_encryption(call, request.get("SSESpecification"))
    stored = service.stored_table(account, region, name)
    regions: list[str] = []
    scaling = await indexes_to_scale(call, stored.record if stored is not None else None, request)

    def work(tx: Transaction) -> Shape:
        record = find_record(tx, account, region, name)
        if record is None:
            raise table_not_found(name)
        if "StreamSpecification" in request:
            check_stream(record, request["StreamSpecification"])
        # Encryption is changed also while something else is; what else may be while an index is, `check_indexes` knows.
        if not (indexes_change(record) or (wanted is not None and record.status == "UPDATING")):
            check_free(tx, record)
            check_admitted(record, request)
        check_indexes(record, request)
        check_operations(tx, account, region)
        if record.switching and says_on_demand_again(record, request):
            return _still_on_demand(describe_table(tx, record, call.now))
        updates = _Update(service, call, tx, record, request, wanted).apply()
        regions[:] = [region]
        for other, change in changes_for_others(tx, record, request, scaling=scales(call)):
            regions.append(other.region)
            check_indexes(other, change)
            with limits_of_replica(other.region):
                _Update(service, call, tx, other, change, wanted).apply()
            lifecycle.write_record(tx, other)
        if "DeletionProtectionEnabled" in request:
            hold_all(service, tx, record)
        lifecycle.write_record(tx, record)
        return _answered(describe_table(tx, record, call.now), request, updates=updates)

    described = await call.cloud.store.transact(work)
    for index in scaling:
        await scale_new_index(call, name, regions, index)
    return {"TableDescription": described}


def _still_on_demand(described: Shape) -> Shape:
    """A table that is leaving the mode on demand as it is shown to who asks to stay, which is answered but does not happen."""
    units = {**described["ProvisionedThroughput"], "ReadCapacityUnits": 0, "WriteCapacityUnits": 0}
    return {**described, "BillingModeSummary": {**described["BillingModeSummary"], "BillingMode": "PAY_PER_REQUEST"}, "ProvisionedThroughput": units}


def _answered(described: Shape, request: Shape, *, updates: bool) -> Shape:
    """The description that an update is answered with: maximums that were taken away are told of once more, and a mode or class that the table has already is answered as an update."""
    maximums = request.get("OnDemandThroughput") or {}
    if -1 in maximums.values():
        gone = {name: value for name, value in maximums.items() if value == -1}
        described["OnDemandThroughput"] = {**described.get("OnDemandThroughput", {}), **gone}
    if updates:
        described["TableStatus"] = "UPDATING"
    return described


def _check(request: Shape) -> None:
    """What the request alone shows."""
    for name in _NOT_BUILT:
        if name in request:
            raise NotBuilt(f"the parameter {name} of dynamodb:UpdateTable")
    definitions.check_class(request.get("TableClass"))
    if not changes_of(request):
        raise validation(
            "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, SSESpecification, ReplicaUpdates, "
            "MultiAccountReplicaReady, ReplicaTransitRoleArn, MultiRegionConsistency, DeletionProtectionEnabled, OnDemandThroughput, WarmThroughput "
            "or TableClass is required"
        )
    if request.get("GlobalSecondaryIndexUpdates") == []:
        raise invalid("List of GlobalSecondaryIndexUpdates is empty")
    if request.get("BillingMode") == "PROVISIONED" and not request.get("ProvisionedThroughput"):
        raise invalid("ProvisionedThroughput must be specified when BillingMode is PROVISIONED")
    if request.get("BillingMode") == "PAY_PER_REQUEST" and request.get("ProvisionedThroughput"):
        raise invalid("ProvisionedThroughput cannot be specified when BillingMode is PAY_PER_REQUEST")
    _check_stream_view(request.get("StreamSpecification"))
    definitions.check_throughput(request.get("ProvisionedThroughput"))
    check_combination(request)
    seen: set[str] = set()
    for update in request.get("GlobalSecondaryIndexUpdates", ()):
        kinds = [kind for kind in ("Update", "Create", "Delete") if update.get(kind)]
        if not kinds:
            raise invalid(
                "One of GlobalSecondaryIndexUpdate.Update, GlobalSecondaryIndexUpdate.Create, GlobalSecondaryIndexUpdate.Delete must not be null"
            )
        if len(kinds) > 1:
            raise invalid("Only one global secondary index action is allowed per GlobalSecondaryIndexUpdate object")
        index = update[kinds[0]]["IndexName"]
        if index in seen:
            raise invalid(f"Only one global secondary index update per index is allowed simultaneously. Index: {index}")
        seen.add(index)


def _check_stream_view(given: Shape | None) -> None:
    if given is not None and given["StreamEnabled"] != bool(given.get("StreamViewType")):
        if given["StreamEnabled"]:
            raise invalid("If stream is being enabled then UpdateViewType is required")
        raise invalid("If stream is being disabled, then UpdateViewType must not be specified")


class _Update:
    """One UpdateTable within its transaction."""

    def __init__(self, service: DynamoDb, call: Call, tx: Transaction, record: TableRecord, request: Shape, wanted: encryption.Wanted | None) -> None:
        self.service = service
        self.call = call
        self.tx = tx
        self.record = record
        self.request = request
        self.wanted_encryption = wanted

    def apply(self) -> bool:
        """Make or begin the changes; False when all of them are there at once and have no state of their own, True for all others, also for the mode or class that the table has."""
        request, record = self.request, self.record
        was_on_demand = record.on_demand
        updates = request.get("GlobalSecondaryIndexUpdates", ())
        changes_indexes = any("Create" in update or "Delete" in update for update in updates)
        changed = self.billing()
        self.indexes()
        if "StreamSpecification" in request:
            self.stream(request["StreamSpecification"])
        if "DeletionProtectionEnabled" in request:
            self.protect(request["DeletionProtectionEnabled"])
        if self.wanted_encryption is not None:
            encryption.change_encryption(self.service, self.tx, record, self.wanted_encryption, limited=self.limited)
        if "TableClass" in request:
            changed |= change_class(record, request["TableClass"], self.call.now, limited=self.limited)
        set_maximums(record, request, region=record.region, on_demand=record.on_demand)
        warms = set_warm(record, record, request, made=False)
        if self.limited and (request.get("ProvisionedThroughput") or updates):
            check_account(self.tx, record)
        given = changes_of(request)
        if given <= {"DeletionProtectionEnabled", "OnDemandThroughput", "SSESpecification"}:
            return False
        if given <= {"BillingMode", "TableClass", "OnDemandThroughput"} and not changed:
            return True
        shows = not (warms or (given == {"GlobalSecondaryIndexUpdates"} and not changes_indexes))
        if shows:
            record.status = "UPDATING"  # Warm throughput and updates of indexes show in their own states.
        if not changes_indexes or was_on_demand != record.on_demand or len(updates) > 1:
            lifecycle.plan(self.service, self.tx, lifecycle.SETTLE, record)
        return shows

    def protect(self, wanted: bool) -> None:
        record, now = self.record, self.call.now
        again = record.protection_changed_at + PROTECTION_PAUSE
        if record.protection_changed_at and now < again:
            raise ServiceError(
                "ThrottlingException",
                f"Deletion protection setting for table {record.name} modified within the previous {PROTECTION_PAUSE // MILLISECOND} milliseconds. "
                f"Please try again after {timestamp(again)}Z",
                400,
            )
        if wanted == record.deletion_protection:
            return  # Who says it again may still change it.
        record.deletion_protection, record.protection_changed_at = wanted, now

    # ---- capacity

    @property
    def limited(self) -> bool:
        """Whether quotas of capacity hold."""
        return self.service.capacity.enforced

    def billing(self) -> bool:
        """The table's mode and units; whether either changes."""
        request, record = self.request, self.record
        mode = request.get("BillingMode")
        will_be_on_demand = mode == "PAY_PER_REQUEST" if mode else record.on_demand
        throughput = request.get("ProvisionedThroughput")
        if throughput and will_be_on_demand:
            raise invalid("Neither ReadCapacityUnits nor WriteCapacityUnits can be specified when BillingMode is PAY_PER_REQUEST")
        if will_be_on_demand and not record.on_demand:
            switch_to_on_demand(record, self.call.now, limited=self.limited)
            return True
        if not will_be_on_demand and record.on_demand:
            updates = [update["Update"] for update in request.get("GlobalSecondaryIndexUpdates", ()) if update.get("Update")]
            updated = {update["IndexName"] for update in updates if update.get("ProvisionedThroughput")}
            left = [index.name for index in record.indexes if index.is_global and index.name not in updated]
            if left:
                raise invalid(f"ProvisionedThroughput must be specified for index: {','.join(left)}")
            switch_to_provisioned(record)
            self.provision(record, throughput or {}, switched=True)
            return True
        if throughput:
            self.provision(record, throughput)
        return bool(throughput)

    def provision(self, holder: TableRecord | IndexRecord, wanted: Shape, *, switched: bool = False) -> None:
        """New capacity for the table or an index. A table that was on demand has it at once."""
        read, write = wanted["ReadCapacityUnits"], wanted["WriteCapacityUnits"]
        if self.limited:
            check_units(self.record.region, holder, read, write)
        if switched or not holder.throughput.read_units:
            holder.throughput = Throughput(read, write, holder.throughput.increased_at, holder.throughput.decreased_at, holder.throughput.decreases_today)
        else:
            change_units(holder, read, write, self.call.now, limited=self.limited)

    # ---- indexes

    def indexes(self) -> None:
        actions: dict[str, Callable[[Shape], None]] = {"Update": self.update_index, "Create": self.create_index, "Delete": self.delete_index}
        for update in self.request.get("GlobalSecondaryIndexUpdates", ()):
            for kind, action in actions.items():
                if update.get(kind):
                    action(update[kind])

    def index(self, name: str) -> IndexRecord:
        """An index that `check_indexes` has met."""
        index = self.record.find_index(name)
        assert index is not None
        return index

    def update_index(self, wanted: Shape) -> None:
        index = self.index(wanted["IndexName"])
        throughput = wanted.get("ProvisionedThroughput")
        if throughput:
            if self.record.on_demand:
                raise invalid(f"The only Updates for index: {index.name} when TableThroughputMode is PAY_PER_REQUEST can be to OnDemandThroughput, WarmThroughput")
            definitions.check_throughput(throughput)
            self.provision(index, throughput)
        set_maximums(index, wanted, region=self.record.region, on_demand=self.record.on_demand)
        warms = set_warm(self.record, index, wanted, made=False)
        if not (warms and wanted.keys() == {"IndexName", "WarmThroughput"}):
            index.status = "UPDATING"  # Warm throughput has a state of its own.

    def create_index(self, wanted: Shape) -> None:
        record = self.record
        attributes = definitions.attribute_definitions(self.request.get("AttributeDefinitions"))
        if not attributes:
            raise invalid(f"AttributeDefinitions is not specified for index: {wanted['IndexName']}")
        for attribute, kind in attributes.items():
            if record.attributes.get(attribute, kind) != kind:
                raise invalid(f"Attempting to redefine the type of attribute {attribute}")
        definitions.check_count(wanted["KeySchema"], attributes)
        # The request itself has to define the index's key; what is known of the table does not count (API Reference: "UpdateTable", AttributeDefinitions).
        definitions.check_defined(wanted["KeySchema"], attributes)
        index = definitions.global_index(wanted, self.call.cloud.ids, on_demand=record.on_demand, added=True)
        if self.limited:
            check_units(record.region, index, index.throughput.read_units, index.throughput.write_units)
        set_maximums(index, wanted, region=record.region, on_demand=record.on_demand, made=True)
        set_warm(record, index, wanted, made=True)
        if sum(one.is_global for one in record.indexes) >= definitions.GLOBAL_INDEXES_MAX:
            raise limit_exceeded(f"Subscriber limit exceeded: Number of global secondary indexes exceeds per-table limit of {definitions.GLOBAL_INDEXES_MAX}")
        # Others may be defined too: those who add several indexes, one after the other, define all their attributes each time. Such are not kept.
        record.attributes |= {name: attributes[name] for name in attributes if name in (*index.hash_names, *index.range_names)}
        record.indexes.append(index)
        definitions.check_included(record.indexes)
        lifecycle.plan(self.service, self.tx, lifecycle.FILL, record, index=index.name, index_id=index.id)

    def delete_index(self, wanted: Shape) -> None:
        index = self.index(wanted["IndexName"])
        prefixes = lifecycle.index_prefixes(Table(self.record), index.name)
        index.status, index.backfilling = "DELETING", False
        lifecycle.plan(self.service, self.tx, lifecycle.DROP, self.record, index=index.name, index_id=index.id, **prefixes)

    # ---- the rest

    def stream(self, wanted: Shape) -> None:
        record, now = self.record, self.call.now
        enabled = record.stream is not None and record.stream.enabled
        if not wanted["StreamEnabled"]:
            if not enabled:
                raise validation(f"Table has no stream to disable: TableName: {record.name}")
            closed = disable_stream(self.tx, record, now)
            if closed is not None:
                plan_trim(self.service, self.tx, closed, now + RETENTION)
            assert record.stream is not None
            record.stream.changing = True
            return
        if enabled:
            raise validation(f"Table already has an enabled stream: TableName: {record.name}")
        made = enable_stream(self.tx, record, self.service.capacity.partition_lows(record), wanted["StreamViewType"], now, self.call.cloud.ids)
        plan_trim(self.service, self.tx, made, now + RETENTION)
        assert record.stream is not None
        record.stream.changing = True

