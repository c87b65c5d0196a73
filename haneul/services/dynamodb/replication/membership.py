"""Replicas are added, changed and removed, in the transaction of one UpdateTable or DeleteTable; what takes long follows in the background."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.services.dynamodb import lifecycle
from haneul.services.dynamodb.encryption import REPLICA_KEY, check_replica_key, encrypt_new, is_changing
from haneul.services.dynamodb.errors import in_use, invalid, still_in_use, validation
from haneul.services.dynamodb.replication.admission import being_added, busy, check_free, check_source, hold_others, is_being_added, limits_of_replica
from haneul.services.dynamodb.replication.backfill import plan_backfill
from haneul.services.dynamodb.replication.delivery import stored_replica
from haneul.services.dynamodb.replication.overrides import apply_overrides, set_overrides
from haneul.services.dynamodb.replication.records import GlobalTable, Member, group_key, read_group
from haneul.services.dynamodb.replication.removal import plan_removal, release
from haneul.services.dynamodb.replication.requests import ReplicaChanges
from haneul.services.dynamodb.retention import plan_trim
from haneul.services.dynamodb.streams import RETENTION, enable_stream
from haneul.services.dynamodb.table import Table
from haneul.services.dynamodb.tables import IndexRecord, ReplicationSettings, TableRecord, Throughput, new_id, table_key
from haneul.services.dynamodb.throughput.changes import change_class
from haneul.services.dynamodb.throughput.table_counts import check_tables
from haneul.store.keys import prefix_range
from haneul.store.port import Transaction
from haneul.store.records import encode

if TYPE_CHECKING:
    from haneul.services.dynamodb.service import DynamoDb

Shape = dict[str, Any]

_IMAGES = "NEW_AND_OLD_IMAGES"
# Where strongly consistent tables may have replicas and witnesses (Developer Guide: "How DynamoDB global tables work").
# All those of one table must be of one set.
STRONG_REGION_SETS = (
    frozenset(("us-east-1", "us-east-2", "us-west-2")),
    frozenset(("eu-west-1", "eu-west-2", "eu-west-3", "eu-central-1")),
    frozenset(("ap-northeast-1", "ap-northeast-2", "ap-northeast-3")),
)
STRONG_REGIONS = frozenset().union(*STRONG_REGION_SETS)
_ONE_ONLY = "Update table operation with more than one create or delete replica actions not allowed"
_STRONG_ALONE = "Deletion of only one table replica is not supported for global tables with MultiRegionConsistency set to STRONG."


class Membership:
    """One change of a global table within its transaction. `record` is the table in the region where the request is made."""

    def __init__(self, service: DynamoDb, call: Call, tx: Transaction, record: TableRecord) -> None:
        self.service = service
        self.call = call
        self.tx = tx
        self.record = record
        settings = record.replication
        self.group = read_group(tx, record.account, settings.group) if settings is not None else None

    def check(self, changes: ReplicaChanges) -> None:
        """What speaks against the changes, in the real service's order: who is in the global table and who is not, then what is under way."""
        record, group = self.record, self.group
        if changes.protected is not None:
            return
        if group is not None and is_being_added(record):
            for region in changes.delete:
                check_source(group, region, self.call.now)
            raise being_added(record.name, record.region)
        for region in [*(part["RegionName"] for part in changes.update), *changes.delete]:
            self._member(region)
        if changes.create:
            self._check_new(changes)
        check_free(self.tx, record)
        if group is not None and any(index.is_global and index.status != "ACTIVE" for index in record.indexes):
            raise busy()

    def apply(self, changes: ReplicaChanges) -> None:
        """Make the changes that are asked for; the caller keeps `record` afterwards."""
        if changes.protected is not None:
            self._protect(changes.protected)
            return
        if is_changing(self.record):
            raise validation(
                "Operation cannot be performed while replica server-side encryption status is in UPDATING state. "
                "Please retry the request after the status is updated to ENABLED."
            )
        if changes.create:
            self._create(changes)
        for part in changes.update:
            if part.get("KMSMasterKeyId") is not None:
                raise invalid(REPLICA_KEY)
            self._update(part)
        if self.group is not None and self.group.strong and (changes.delete or changes.witness_delete):
            self._delete_strong(changes)
            return
        if changes.witness_delete:
            raise _not_part("witnesses", [changes.witness_delete])
        if len(changes.delete) > 1:
            raise validation(_ONE_ONLY)
        for region in changes.delete:
            self._delete(region)
        if changes.disassociate:
            self._disassociate()
        self.record.status = "UPDATING"
        if not (changes.create or changes.delete or changes.disassociate):
            lifecycle.plan(self.service, self.tx, lifecycle.SETTLE, self.record)

    def _save(self, group: GlobalTable) -> None:
        self.tx.put(group_key(group.account, group.id), encode(group))

    def _member(self, region: str) -> tuple[GlobalTable, Member, Table]:
        """A replica in another region; ValidationException when there is none."""
        group = self.group
        member = group.member(region) if group is not None else None
        table = stored_replica(self.tx, group, region) if group is not None else None
        if group is None or member is None or table is None:
            raise _not_part("replicas", [region])
        return group, member, table

    def _protect(self, wanted: bool) -> None:
        settings = self.record.replication
        if settings is None or self.group is None or self.group.strong:
            raise validation("DisassociationProtectionEnabled applies to replicas of global tables with multi-Region eventual consistency only")
        settings.protected = wanted

    # ---- new replicas

    def _check_new(self, changes: ReplicaChanges) -> None:
        record, group = self.record, self.group
        regions = [part["RegionName"] for part in changes.create]
        if changes.strong:
            self._check_strong(regions, changes.witness_create)
        if group is not None and changes.strong is not None:
            raise validation("MultiRegionConsistency parameter is unsupported on existing global table")
        if group is not None and group.strong:
            raise validation("Cannot add replicas to a global table with strong MultiRegionConsistency")
        if not changes.strong and len(regions) > 1:
            raise validation(_ONE_ONLY)
        for region in regions:
            member = group.member(region) if group is not None else None
            if group is not None and member is not None and member.status == "CREATING":
                known = ", ".join(sorted(one.region for one in group.members))
                raise in_use(f"Global table with name: {record.name} already exists with replicas in regions: {known}.")
            if self.tx.get(table_key(record.account, region, record.name)) is not None:
                raise validation(
                    f"Failed to create a the new replica of table with name: \u2018{record.name}\u2019 because one or more replicas already existed as tables."
                )

    def _check_strong(self, regions: list[str], witness: str) -> None:
        record = self.record
        if len(regions) + bool(witness) != 2:
            raise validation("Unsupported replica count for global tables with MultiRegionConsistency set to STRONG.")
        unsupported = sorted({record.region, *regions, witness} - STRONG_REGIONS - {""})
        if unsupported:
            raise validation(f"Unsupported Region(s) specified for global tables with MultiRegionConsistency set to STRONG: [{', '.join(unsupported)}].")
        if witness and witness == record.region:
            raise validation(
                "Cannot add a witness in the same region as an existing replica when creating a global table with MultiRegionConsistency set to STRONG."
            )
        if witness in regions:
            raise validation("Cannot target multiple regions with the same action")
        if self.group is not None:
            return
        wanted = {record.region, *regions, witness} - {""}
        if not any(wanted <= one for one in STRONG_REGION_SETS):
            message = "All Regions of a global table with MultiRegionConsistency set to STRONG must be within the same Region set"
            raise validation(f"{message}: [{', '.join(sorted(wanted))}].")
        if self.tx.range(*prefix_range(Table(record).prefix), 1):
            raise validation("The table must be empty to become a global table with multi-Region strong consistency")
        if any(not index.is_global for index in record.indexes):
            raise validation("Local secondary indexes are not supported on global tables with multi-Region strong consistency")
        if record.expiry_status in ("ENABLED", "ENABLING", "DISABLING"):
            raise validation("Time to live is not supported on global tables with multi-Region strong consistency")

    def _create(self, changes: ReplicaChanges) -> None:
        record, group = self.record, self.group
        strong = bool(changes.strong)
        if not strong:
            self._begin_stream()
        now = self.call.now
        if group is None:
            first = Member(record.region, "ACTIVE", now)
            group = self.group = GlobalTable(self.call.cloud.ids.hex(16), record.account, record.name, strong, [first], changes.witness_create)
            record.replication = ReplicationSettings(group.id, strong)
        for part in changes.create:
            self._add(group, part, now)
        self._save(group)

    def _begin_stream(self) -> None:
        """Eventually consistent replicas have streams; a table without one gets one with both images."""
        record, now = self.record, self.call.now
        if record.stream is None or not record.stream.enabled:
            made = enable_stream(self.tx, record, self.service.capacity.partition_lows(record), _IMAGES, now, self.call.cloud.ids)
            plan_trim(self.service, self.tx, made, now + RETENTION)

    def _add(self, group: GlobalTable, part: Shape, now: int) -> None:
        region = part["RegionName"]
        check_replica_key(self.call, self.record, part)
        check_tables(self.tx, self.record.account, region, indexed=bool(self.record.indexes))
        member = Member(region, "CREATING", now, self.record.region)
        set_overrides(member, part, self.record, new=True)
        # What a replica has not yet sent to the table that the new one is filled from, it will send to the new one itself.
        for other in group.members:
            table = stored_replica(self.tx, group, other.region)
            if table is not None and table.journal is not None:
                local = other.region == self.record.region
                at = table.journal.head(self.tx) if local else table.journal.cursor(self.tx, self.record.region)
                table.journal.set_cursor(self.tx, region, at)
        made = self._copy(group, part, now)
        apply_overrides(made, member, self.record)
        journal = Table(made).journal
        assert journal is not None
        for other in group.members:
            journal.set_cursor(self.tx, other.region, 0)
        group.members.append(member)
        lifecycle.write_record(self.tx, made)
        plan_backfill(self.service, self.tx, group, region, now + lifecycle.TRANSITION)

    def _copy(self, group: GlobalTable, part: Shape, now: int) -> TableRecord:
        """The record of a new replica: what is the same everywhere, and nothing of what belongs to one region."""
        record, ids = self.record, self.call.cloud.ids
        made = TableRecord(
            id=new_id(ids),
            table_id=ids.uuid(),
            account=record.account,
            region=part["RegionName"],
            name=record.name,
            status="CREATING",
            created_at=now,
            attributes=dict(record.attributes),
            hash_name=record.hash_name,
            range_name=record.range_name,
            indexes=[_copy_index(index, new_id(ids)) for index in record.indexes if index.status != "DELETING"],
            on_demand=record.on_demand,
            on_demand_since=now if record.on_demand else 0,
            throughput=Throughput(record.throughput.read_units, record.throughput.write_units),
            on_demand_read_max=record.on_demand_read_max,
            on_demand_write_max=record.on_demand_write_max,
            warm_read=record.warm_read,
            warm_write=record.warm_write,
            table_class=part.get("TableClassOverride") or record.table_class,
            replication=ReplicationSettings(group.id, group.strong),
            expiry_changed_at=record.expiry_changed_at,
        )
        encrypt_new(self.tx, made, managed=record.encryption is not None and record.encryption.managed, ids=ids)
        if record.expiry_status in ("ENABLED", "ENABLING"):
            made.expiry_attribute, made.expiry_status = record.expiry_attribute, "ENABLED"
        if not group.strong:
            stream = enable_stream(self.tx, made, self.service.capacity.partition_lows(made), record.stream.view_type if record.stream is not None else _IMAGES, now, ids)
            plan_trim(self.service, self.tx, stream, now + RETENTION)
        return made

    # ---- changes and ends

    def _update(self, part: Shape) -> None:
        group, member, table = self._member(part["RegionName"])
        other = table.record
        if other.status != "ACTIVE":
            raise busy()
        set_overrides(member, part, self.record, new=False)
        if part.get("TableClassOverride") is not None:
            with limits_of_replica(other.region):
                change_class(other, part["TableClassOverride"], self.call.now, limited=self.service.capacity.enforced)
        apply_overrides(other, member, self.record)
        other.status = "UPDATING"
        lifecycle.write_record(self.tx, other)
        lifecycle.plan(self.service, self.tx, lifecycle.SETTLE, other)
        self._save(group)

    def _check_removable(self, group: GlobalTable, record: TableRecord) -> None:
        """Whether the replica of another region can go."""
        if record.deletion_protection:
            raise protected(group.name, record.region)
        check_source(group, record.region, self.call.now)
        if record.status != "ACTIVE":
            raise busy()

    def _delete(self, region: str) -> None:
        group, member, table = self._member(region)
        self._check_removable(group, table.record)
        self._leave(group, member, table.record)
        lifecycle.write_record(self.tx, table.record)

    def _leave(self, group: GlobalTable, member: Member, record: TableRecord) -> None:
        """The others are UPDATING at first, and show the replica as it was; then they are ACTIVE while it is DELETING."""
        member.status = "DELETING"
        record.status = "UPDATING" if member.kept else "DELETING"
        self._save(group)
        hold_others(self.service, self.tx, record)
        plan_removal(self.service, self.tx, group, member.region, self.call.now + 2 * lifecycle.TRANSITION)

    def check_deletable(self) -> None:
        """Whether DeleteTable may take the replica of this region.

        ValidationException for one that is protected, or that another one was made from, ResourceInUseException while something is under way.
        """
        record, group = self.record, self.group
        if group is None:
            return
        if is_being_added(record):
            raise still_in_use(f"Table: {record.name} is being used.")
        if group.strong:
            raise validation(_STRONG_ALONE)
        check_source(group, record.region, self.call.now)
        check_free(self.tx, record)
        if record.deletion_protection:
            raise protected(group.name, record.region)

    def delete_local(self) -> None:
        """DeleteTable of a replica; the caller keeps the record."""
        group = self.group
        member = group.member(self.record.region) if group is not None else None
        if group is not None and member is not None:
            self._leave(group, member, self.record)

    def _disassociate(self) -> None:
        group, settings = self.group, self.record.replication
        member = group.member(self.record.region) if group is not None else None
        if group is None or member is None or settings is None:
            raise validation("The table is not part of a global table")
        if group.strong:
            raise validation("Replicas of global tables with multi-Region strong consistency cannot be disassociated")
        if settings.protected:
            raise validation("Replica cannot be disassociated as it is currently protected against disassociation. Disable disassociation protection first.")
        member.kept = True
        self._leave(group, member, self.record)

    def _delete_strong(self, changes: ReplicaChanges) -> None:
        """A strongly consistent table ends as a whole: one replica stays, the others and the witness go."""
        group = self.group
        assert group is not None
        if changes.witness_delete and changes.witness_delete != group.witness:
            raise _not_part("witnesses", [changes.witness_delete])
        tables = [self._member(region)[2] for region in changes.delete]
        if len(tables) != len(group.members) - 1:
            raise validation(_STRONG_ALONE)
        if group.witness and not changes.witness_delete:
            raise validation("Update table delete operation does not include all witnesses.")
        own = Table(self.record)
        assert own.journal is not None
        if self.tx.get(own.journal.behind) is not None:
            raise still_in_use("the replica has not yet received all writes of the others")
        for table in tables:
            self._check_removable(group, table.record)
            release(self.service, self.tx, table, delete=True)
        release(self.service, self.tx, own, delete=False)
        self.record.replication = None
        self.tx.delete(group_key(group.account, group.id))
        self.record.status = "UPDATING"
        lifecycle.plan(self.service, self.tx, lifecycle.SETTLE, self.record)


def protected(name: str, region: str) -> ServiceError:
    """A replica that must not be deleted."""
    return validation(f"Cannot delete table {name} in region {region} because it has deletion protection enabled. Disable deletion protection first.")


def _not_part(what: str, regions: list[str]) -> ServiceError:
    names = ", ".join(regions)
    return validation(
        f"Update global table operation failed because one or more {what} were not part of the global table. "
        f"Please retry the request without these {what}: [{names}]."
    )


def _copy_index(index: IndexRecord, index_id: str) -> IndexRecord:
    return IndexRecord(
        id=index_id,
        name=index.name,
        is_global=index.is_global,
        hash_names=list(index.hash_names),
        range_names=list(index.range_names),
        projection=index.projection,
        included=list(index.included),
        status="CREATING" if index.is_global else "",
        throughput=Throughput(index.throughput.read_units, index.throughput.write_units),
        on_demand_read_max=index.on_demand_read_max,
        on_demand_write_max=index.on_demand_write_max,
        warm_read=index.warm_read,
        warm_write=index.warm_write,
    )
