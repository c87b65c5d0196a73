"""What an UpdateTable says of replicas, checked as far as the request alone shows (API Reference: "UpdateTable")."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.services.dynamodb.errors import validation

Shape = dict[str, Any]

PARAMETERS = ("ReplicaUpdates", "MultiRegionConsistency", "GlobalTableWitnessUpdates", "DisassociationProtectionEnabled")
_REGION = re.compile(r"[a-z]{2,3}(-[a-z]+){1,3}-[0-9]{1,2}")
_KINDS = ("Create", "Update", "Delete", "Disassociate")
_LOCAL = "Cannot add, delete, or update the local region through ReplicaUpdates. Use CreateTable, DeleteTable, or UpdateTable as required."
_WRITER = {"Create": "CreateTableReplica", "Update": "UpdateTable", "Delete": "DeleteTableReplica"}


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
    others = [name for name, value in request.items() if name not in (*PARAMETERS, "TableName") and value not in (None, [])]
    if others:
        raise validation(f"Replica updates cannot be combined with other changes of the table in one request: {', '.join(sorted(others))}")
    found: dict[str, list[Shape]] = {kind: [] for kind in _KINDS}
    seen: set[str] = set()
    for update in request.get("ReplicaUpdates") or ():
        kinds = [kind for kind in _KINDS if update.get(kind) is not None]
        if len(kinds) != 1:
            raise validation("Each ReplicaUpdate must have exactly one of Create, Update, Delete or Disassociate")
        part = update[kinds[0]]
        region = _check_region(part["RegionName"])
        if kinds[0] == "Disassociate":
            if region != call.region:
                raise validation("Only the replica in the Region where the request is made can be disassociated")
        elif region == call.region:
            raise validation(_LOCAL)
        if region in seen:
            raise validation(f"Only one update per replica is allowed in one request. Region: {region}")
        seen.add(region)
        if part.get("KMSMasterKeyId") is not None:
            raise NotBuilt("replicas with KMS keys of their own")
        found[kinds[0]].append(part)
    made, gone = _witness(request.get("GlobalTableWitnessUpdates") or ())
    wanted = request.get("MultiRegionConsistency")
    if wanted is not None and not found["Create"]:
        raise validation("MultiRegionConsistency can only be given when replicas are created")
    protected = request.get("DisassociationProtectionEnabled")
    if protected is not None and (seen or made or gone):
        raise validation("DisassociationProtectionEnabled cannot be combined with any other change of the table in one request")
    if found["Disassociate"] and len(seen) > 1:
        raise validation("A replica cannot be disassociated together with other changes of replicas")
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


def _witness(updates: Any) -> tuple[str, str]:
    if len(updates) > 1:
        raise validation("Only one witness can be created or deleted per request")
    for update in updates:
        kinds = [kind for kind in ("Create", "Delete") if update.get(kind) is not None]
        if len(kinds) != 1:
            raise validation("Each GlobalTableWitnessUpdate must have exactly one of Create or Delete")
        region = _check_region(update[kinds[0]]["RegionName"])
        return (region, "") if kinds[0] == "Create" else ("", region)
    return "", ""


def _check_region(region: str) -> str:
    if not _REGION.fullmatch(region):
        raise validation(f"Invalid Region name: {region}")
    return region


def authorize(call: Call, name: str, changes: ReplicaChanges) -> None:
    """What the caller must be allowed in the other regions (Developer Guide: "DynamoDB global tables security")."""
    parts = [("Create", part["RegionName"]) for part in changes.create]
    parts += [("Update", part["RegionName"]) for part in changes.update] + [("Delete", region) for region in changes.delete]
    for kind, region in parts:
        call.authorize(f"dynamodb:{_WRITER[kind]}", f"arn:aws:dynamodb:{region}:{call.account}:table/{name}")
    local = f"arn:aws:dynamodb:{call.region}:{call.account}:table/{name}"
    if changes.witness_create:
        call.authorize("dynamodb:CreateGlobalTableWitness", local)
    if changes.witness_delete:
        call.authorize("dynamodb:DeleteGlobalTableWitness", local)
