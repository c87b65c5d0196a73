"""No parameter is swallowed: what a request may give is read, or refused, by the service that takes it."""

from __future__ import annotations

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from haneul.core.service import Service
from haneul.services.registry import service_classes
from haneul.wire.model import load_service

# Members that the source of their service does not name in full, and how it does right by them all the same.
EXCEPTIONS: dict[str, dict[str, str]] = {
    "backup": {"ManagedByAWSBackupOnly": "there are no recovery points but those that AWS Backup manages"},
    "cloudwatch": {"StrictEntityValidation": "is about EntityMetricData, which is refused"},
    "dynamodb": {
        "ExclusiveStartGlobalTableName": "the list that it would go on in is always empty",
        "GlobalTableBillingMode": "there are no global tables of version 2017.11.29 to change",
        "GlobalTableGlobalSecondaryIndexSettingsUpdate": "there are no global tables of version 2017.11.29 to change",
        "GlobalTableProvisionedWriteCapacityAutoScalingSettingsUpdate": "there are no global tables of version 2017.11.29 to change",
        "GlobalTableProvisionedWriteCapacityUnits": "there are no global tables of version 2017.11.29 to change",
        "ProvisionedWriteCapacityAutoScalingUpdate": "its name is put together, for reading and for writing",
        "ReplicaSettingsUpdate": "there are no global tables of version 2017.11.29 to change",
        "ReplicationGroup": "CreateGlobalTable is refused",
    },
    "logs": {
        "interleaved": "AWS ignores it since 2019: events are always interleaved",
        "sequenceToken": "AWS ignores it since 2023",
    },
    "s3": {
        "BypassGovernanceRetention": "object lock is refused, so that nothing is retained",
        "ChecksumMD5": "checksums are read by their prefix, and refused where the algorithm is not built",
        "ChecksumSHA512": "checksums are read by their prefix, and refused where the algorithm is not built",
        "ChecksumXXHASH128": "checksums are read by their prefix, and refused where the algorithm is not built",
        "ChecksumXXHASH3": "checksums are read by their prefix, and refused where the algorithm is not built",
        "ChecksumXXHASH64": "checksums are read by their prefix, and refused where the algorithm is not built",
        "ConfirmRemoveSelfBucketAccess": "confirms what is done without it as well: the API documents no refusal, and root can always mend the policy",
        "CopySourceSSECustomerAlgorithm": "its name is put together, from that of the object's own key",
        "CopySourceSSECustomerKeyMD5": "its name is put together, from that of the object's own key",
        "RequestPayer": "agrees to pay, which counts only where the requester is to (PutBucketRequestPayment is refused)",
    },
    "sts": {
        "EncodedMessage": "no message is valid, because nothing encodes any",
        "ScopedSessionDescription": "is for CloudTrail's log alone, and there is no CloudTrail",
    },
}


def words_of(kind: type[Service]) -> Iterator[str]:
    """Every word in a string of a service's code. What its docstrings say is not code."""
    module = importlib.import_module(kind.__module__)
    for path in Path(str(module.__file__)).parent.rglob("*.py"):
        if path.name == "actions.py":  # Names of permissions, some of which are parameters elsewhere.
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        said = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
                yield from re.findall(r"\w+", node.value)


@pytest.mark.parametrize("kind", service_classes(), ids=lambda kind: str(kind.name))
def test_no_parameter_is_swallowed(kind: type[Service]) -> None:
    """Because a client takes for done what it asked for and was not refused. New members come with each botocore: then honour them, or `refuse_given`."""
    words, model = set(words_of(kind)), load_service(kind.name)
    members = {name: model.operations[name].input.members if model.operations[name].input is not None else {} for name in kind.operations()}  # type: ignore[union-attr]
    unnamed = {member for names in members.values() for member in names if member not in words}
    excused = set(EXCEPTIONS.get(kind.name, {}))
    known = {member for names in members.values() for member in names}
    problems = {member: [name for name, names in members.items() if member in names] for member in unnamed - excused}
    assert problems == {}
    assert excused & known <= unnamed, "these exceptions are no longer needed"
