"""Which changes UpdateTable takes together: hardly any. (API Reference: "UpdateTable".)"""

from __future__ import annotations

from typing import Any

from haneul.services.dynamodb.errors import invalid

Shape = dict[str, Any]

# In the order in which they complain.
_ALONE = (
    ("SSESpecification", "Server-Side Encryption"),
    ("TableClass", "TableClass"),
    ("DeletionProtectionEnabled", "DeletionProtection"),
)
_NO_CHANGE = frozenset(("TableName", "AttributeDefinitions"))


def changes_of(request: Shape) -> set[str]:
    """The parameters of an UpdateTable that ask for a change; a structure without a member asks for none."""
    empty = {name for name in ("WarmThroughput", "OnDemandThroughput") if request.get(name) == {}}
    return {name for name, value in request.items() if value not in (None, [])} - empty - _NO_CHANGE


def check_combination(request: Shape) -> None:
    """ValidationException for changes that exclude one another."""
    given = changes_of(request)
    if len(given) < 2:
        return
    online = any(update.get("Create") or update.get("Delete") for update in request.get("GlobalSecondaryIndexUpdates", ()))
    if online and given == {"GlobalSecondaryIndexUpdates", "WarmThroughput"}:
        raise invalid("Create global secondary index cannot be specified when updating WarmThroughput")
    if given == {"GlobalSecondaryIndexUpdates", "WarmThroughput"} and all(_only_warms(update) for update in request["GlobalSecondaryIndexUpdates"]):
        return  # Table and indexes are warmed together (Developer Guide: "Increase your existing DynamoDB table's warm throughput").
    for name, what in _ALONE:
        if name in given:
            raise invalid(f"{what} modification must be the only operation in the request")
    if "OnDemandThroughput" in given and given - {"OnDemandThroughput", "BillingMode", "GlobalSecondaryIndexUpdates"}:
        raise invalid("OnDemandThroughput can only be combined with BillingMode in an UpdateTable request")
    if "WarmThroughput" in given:
        raise invalid("WarmThroughput must be the only operation in the request")
    if "StreamSpecification" in given and "ProvisionedThroughput" in given:
        raise invalid("You cannot modify stream status while updating table IOPS")
    if online and "ProvisionedThroughput" in given:
        raise invalid("You cannot create or delete index while updating table IOPS")
    if online and "StreamSpecification" in given:
        raise invalid("You cannot create or delete index while changing stream status")


def _only_warms(update: Shape) -> bool:
    """Whether a change of an index is about its warm throughput alone."""
    wanted = update.get("Update")
    return wanted is not None and wanted.keys() == {"IndexName", "WarmThroughput"}
