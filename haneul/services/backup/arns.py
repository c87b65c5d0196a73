"""What a request is about, as IAM sees it (Service Authorization Reference: "Actions, resources, and condition keys for AWS Backup")."""

from __future__ import annotations

from typing import Any

from haneul.core.call import Call

Shape = dict[str, Any]


def vault_arn(call: Call, request: Shape) -> str:
    """The vault of a request with a BackupVaultName."""
    return call.arn(f"backup-vault:{request['BackupVaultName']}")


def plan_arn(call: Call, request: Shape) -> str:
    """The plan of a request with a BackupPlanId."""
    return call.arn(f"backup-plan:{request.get('BackupPlanId', '*')}")


def point_arn(call: Call, request: Shape) -> str:
    """The recovery point of a request with a RecoveryPointArn."""
    return str(request["RecoveryPointArn"])


def tagged_arn(call: Call, request: Shape) -> str:
    """The resource of a request with a ResourceArn."""
    return str(request["ResourceArn"])
