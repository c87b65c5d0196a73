"""What an UpdateTable says of replicas, checked as far as the request alone shows (API Reference: "UpdateTable")."""

from __future__ import annotations

from typing import Any, NamedTuple

from haneul.core.call import Call
from haneul.services.dynamodb.errors import invalid, validation

Shape = dict[str, Any]

PARAMETERS = ("ReplicaUpdates", "MultiRegionConsistency", "GlobalTableWitnessUpdates", "DisassociationProtectionEnabled")
# fmt: off
REGIONS = (
    "ap-south-2", "ap-south-1", "eu-south-1", "eu-south-2", "me-central-1", "il-central-1", "ca-central-1", "ap-east-2", "mx-central-1", "eu-central-1",
    "eu-central-2", "us-west-1", "us-west-2", "af-south-1", "eu-north-1", "eu-west-3", "eu-west-2", "eu-west-1", "ap-northeast-3", "ap-northeast-2",
    "ap-northeast-1", "me-south-1", "ca-west-1", "sa-east-1", "ap-east-1", "ap-southeast-1", "ap-southeast-2", "ap-southeast-3", "ap-southeast-4",
    "ap-southeast-5", "ap-southeast-6", "ap-southeast-7", "us-east-1", "us-east-2",
)
# fmt: on
_KINDS = ("Create", "Update", "Delete", "Disassociate")
_LOCAL = "Cannot add or delete the local region through ReplicaUpdates. Use CreateTable, DeleteTable, or UpdateTable as required."
_NOTHING = (
    "At least one of ProvisionedThroughput, BillingMode, UpdateStreamEnabled, GlobalSecondaryIndexUpdates, SSESpecification, ReplicaUpdates, "
    "MultiAccountReplicaReady, ReplicaTransitRoleArn, {}DeletionProtectionEnabled, OnDemandThroughput, WarmThroughput or TableClass is required"
)
_NO_ACTION = "There are no actions specified in the Replica Update Action of the request."
# What the caller must be allowed in the other region for each kind of change.
_NEEDED = {
    "Create": ("CreateTableReplica", "CreateTable", "Scan", "Query", "UpdateItem", "PutItem", "GetItem", "DeleteItem", "BatchWriteItem"),
    "Update": ("UpdateTable",),
    "Delete": ("DeleteTableReplica", "DeleteTable"),
}


class ReplicaChanges(NamedTuple):
    """The changes that a request asks for: replicas by what happens to them, the witness, the consistency, the protection."""

    create: list[Shape]
    update: list[Shape]
    delete: list[str]
    disassociate: bool
    witness_create: str
    witness_delete: str
    strong: bool | None
    protected: bool | None


def changes_replicas(request: Shape) -> bool:
    """Whether an UpdateTable is about replicas."""
    return any(request.get(name) not in (None, []) for name in PARAMETERS)


def replica_changes(call: Call, request: Shape) -> ReplicaChanges:
    """The changes that a request asks for; ValidationException when they cannot go together."""
    wanted = request.get("MultiRegionConsistency")
    if any(name not in (*PARAMETERS, "TableName") and value not in (None, []) for name, value in request.items()):
        if wanted is None and not request.get("GlobalTableWitnessUpdates"):
            raise invalid("Replica modification must be the only operation in the request")
        raise invalid("Requests that modify replicas or witnesses must not also modify other fields")
    protected = request.get("DisassociationProtectionEnabled")
    updates = request.get("ReplicaUpdates") or ()
    if not updates and protected is None:
        raise validation(_NOTHING.format("MultiRegionConsistency, " if wanted is None else ""))
    found = _by_kind(call, updates)
    made, gone = _witness(request.get("GlobalTableWitnessUpdates") or ())
    if wanted is not None and not found["Create"]:
        raise validation("Only Replica Create actions are supported when MultiRegionConsistency parameter is provided.")
    if made and wanted != "STRONG":
        raise validation("MultiRegionConsistency must be set as STRONG when GlobalTableWitnessUpdates parameter is present.")
    if protected is not None and (updates or made or gone):
        raise validation("Requests that modify DisassociationProtectionEnabled must not also modify other fields")
    return ReplicaChanges(
        found["Create"],
        found["Update"],
        [part["RegionName"] for part in found["Delete"]],
        bool(found["Disassociate"]),
        made,
        gone,
        None if wanted is None else wanted == "STRONG",
        protected,
    )


def _by_kind(call: Call, updates: Any) -> dict[str, list[Shape]]:
    """Updates of replicas by what they do, each region once."""
    found: dict[str, list[Shape]] = {kind: [] for kind in _KINDS}
    seen: dict[str, str] = {}
    for update in updates:
        kinds = [kind for kind in _KINDS if update.get(kind) is not None]
        if not kinds:
            raise validation(_NO_ACTION)
        if len(kinds) > 1:
            raise validation("Update table operation with more than one type of replica actions not allowed.")
        kind = kinds[0]
        part = update[kind]
        region = part["RegionName"]
        if region not in REGIONS and region != call.region:
            supported = ", ".join(REGIONS)
            raise validation(f"Region {region} is not supported. The latest version of global tables are only supported in the following regions: [{supported}]")
        if kind == "Disassociate" and region != call.region:
            raise validation("Only the local replica can be disassociated from the global table.")
        if kind != "Disassociate" and region == call.region:
            raise validation(_LOCAL)
        if kind == "Update" and not _changes_anything(part):
            raise validation(_NO_ACTION)
        if seen.get(region) == kind:
            continue
        if region in seen:
            raise validation("Update table operation with more than one type of replica actions not allowed.")
        seen[region] = kind
        found[kind].append(part)
    if sum(bool(parts) for parts in found.values()) > 1:
        raise validation("Update table operation with more than one type of replica actions not allowed.")
    return found


def _changes_anything(part: Shape) -> bool:
    """Whether the update of a replica says more than which replica, and which indexes, it is about."""
    indexes = part.get("GlobalSecondaryIndexes") or ()
    return bool(part.keys() - {"RegionName", "GlobalSecondaryIndexes"}) or any(one.keys() != {"IndexName"} for one in indexes)


def _witness(updates: Any) -> tuple[str, str]:
    """The regions of the witness to add and of the one to remove."""
    for update in updates:
        kinds = [kind for kind in ("Create", "Delete") if update.get(kind) is not None]
        if len(kinds) != 1:
            raise validation("There are no actions specified in the Global Table Witness Update Action of the request.")
        region = update[kinds[0]]["RegionName"]
        return (region, "") if kinds[0] == "Create" else ("", region)
    return "", ""


def authorize(call: Call, name: str, changes: ReplicaChanges) -> None:
    """What the caller must be allowed in the other regions (Developer Guide: "DynamoDB global tables security")."""
    parts = [("Create", part["RegionName"]) for part in changes.create]
    parts += [("Update", part["RegionName"]) for part in changes.update] + [("Delete", region) for region in changes.delete]
    for kind, region in parts:
        for action in _NEEDED[kind]:
            call.authorize(f"dynamodb:{action}", f"arn:aws:dynamodb:{region}:{call.account}:table/{name}")
    local = f"arn:aws:dynamodb:{call.region}:{call.account}:table/{name}"
    if changes.witness_create:
        call.authorize("dynamodb:CreateGlobalTableWitness", local)
    if changes.witness_delete:
        call.authorize("dynamodb:DeleteGlobalTableWitness", local)
