"""Vaults: CreateBackupVault, DescribeBackupVault, ListBackupVaults, DeleteBackupVault, and their access policies and locks."""

from __future__ import annotations

import orjson

from haneul.clock import DAY
from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.backup.arns import vault_arn
from haneul.services.backup.errors import already_exists, invalid_request, invalid_value, not_found, vault_not_found
from haneul.services.backup.lifecycles import DAYS_MAX
from haneul.services.backup.pages import page
from haneul.services.backup.records import POINT_SPACE, VAULT_SPACE, Vault, find_vault, key
from haneul.services.backup.tag_rules import checked_tags
from haneul.store.keys import prefix_range
from haneul.store.port import Reader, Transaction
from haneul.store.records import encode

_RETENTION = ("MinRetentionDays", "MaxRetentionDays")
# A lock in compliance mode can be thought over for 72 hours at least.
_CHANGEABLE_DAYS_MIN = 3


def need_vault(reader: Reader, call: Call, name: str) -> Vault:
    """The vault of a name; ResourceNotFoundException when it is not there."""
    vault = find_vault(reader, call.account, call.region, name)
    if vault is None:
        raise vault_not_found(name)
    return vault


def refuse_other_account(call: Call, request: Shape) -> None:
    """NotBuilt for a vault that is another account's: vaults are not shared."""
    if request.get("BackupVaultAccountId", call.account) != call.account:
        raise NotBuilt(f"vaults of other accounts (the parameter BackupVaultAccountId of backup:{call.operation.name})")


def write_vault(tx: Transaction, vault: Vault) -> None:
    tx.put(key(VAULT_SPACE, vault.account, vault.region, vault.name), encode(vault))


def _describe(reader: Reader, vault: Vault) -> Shape:
    start, end = prefix_range(key(POINT_SPACE, vault.account, vault.region, vault.name))
    found: Shape = {
        "BackupVaultName": vault.name,
        "BackupVaultArn": vault.arn,
        "VaultType": "BACKUP_VAULT",
        "VaultState": "AVAILABLE",
        "CreationDate": vault.created_at,
        "NumberOfRecoveryPoints": sum(1 for _ in reader.iterate(start, end)),
        "Locked": vault.locked,
        "EncryptionKeyType": "AWS_OWNED_KMS_KEY",
    }
    if vault.lock_at:
        found["LockDate"] = vault.lock_at
    if vault.creator_request_id:
        found["CreatorRequestId"] = vault.creator_request_id
    for name, days in (("MinRetentionDays", vault.retention_days_min), ("MaxRetentionDays", vault.retention_days_max)):
        if days:
            found[name] = days
    return found


@operation("backup:CreateBackupVault", resource=vault_arn, tagging="backup:TagResource", partial="KMS keys for encryption at rest")
async def create_backup_vault(call: Call, request: Shape) -> Shape:
    """Make a vault. Raises AlreadyExistsException. (API Reference: "CreateBackupVault".)"""
    if "EncryptionKeyArn" in request:
        raise NotBuilt("the parameter EncryptionKeyArn of backup:CreateBackupVault")
    name, creator, tags = request["BackupVaultName"], request.get("CreatorRequestId", ""), checked_tags(request.get("BackupVaultTags", {}))

    def work(tx: Transaction) -> Vault:
        known = find_vault(tx, call.account, call.region, name)
        if known is not None:
            if creator and known.creator_request_id == creator:
                return known
            raise already_exists("Backup vault with the same name already exists", known.arn)
        vault = Vault(call.account, call.region, name, call.now, creator, tags)
        write_vault(tx, vault)
        return vault

    vault = await call.cloud.store.transact(work)
    return {"BackupVaultName": vault.name, "BackupVaultArn": vault.arn, "CreationDate": vault.created_at}


@operation("backup:DescribeBackupVault", resource=vault_arn)
async def describe_backup_vault(call: Call, request: Shape) -> Shape:
    """A vault, and how many recovery points it has. (API Reference: "DescribeBackupVault".)"""
    vault = find_vault(call.cloud.store, call.account, call.region, request["BackupVaultName"])
    if vault is None:  # The real service does not say whether there is one.
        raise ServiceError("AccessDeniedException", "Insufficient privileges to perform this action.", 403)
    return _describe(call.cloud.store, vault)


@operation("backup:ListBackupVaults")
async def list_backup_vaults(call: Call, request: Shape) -> Shape:
    """Vaults by name. (API Reference: "ListBackupVaults".)"""
    if request.get("ByVaultType", "BACKUP_VAULT") != "BACKUP_VAULT" or request.get("ByShared"):
        return {"BackupVaultList": []}
    vaults, more = page(call, request, key(VAULT_SPACE, call.account, call.region), Vault)
    return {"BackupVaultList": [_describe(call.cloud.store, vault) for vault in vaults], **more}


@operation("backup:DeleteBackupVault", resource=vault_arn)
async def delete_backup_vault(call: Call, request: Shape) -> Shape:
    """Delete a vault that is empty. (API Reference: "DeleteBackupVault".)"""

    def work(tx: Transaction) -> None:
        vault = need_vault(tx, call, request["BackupVaultName"])
        if tx.range(*prefix_range(key(POINT_SPACE, vault.account, vault.region, vault.name)), 1):
            raise invalid_request("Backup vault cannot be deleted because it contains recovery points.")
        tx.delete(key(VAULT_SPACE, vault.account, vault.region, vault.name))

    await call.cloud.store.transact(work)
    return {}


async def _change(call: Call, request: Shape, **fields: object) -> Vault:
    def work(tx: Transaction) -> Vault:
        vault = need_vault(tx, call, request["BackupVaultName"])
        if "locked" in fields and vault.lock_at and call.now >= vault.lock_at:
            raise invalid_request(f"The lock of Backup vault {vault.name} is immutable")
        for name, value in fields.items():
            setattr(vault, name, value)
        write_vault(tx, vault)
        return vault

    return await call.cloud.store.transact(work)


@operation("backup:PutBackupVaultAccessPolicy", resource=vault_arn)
async def put_backup_vault_access_policy(call: Call, request: Shape) -> Shape:
    """Say who may do what with a vault. (API Reference: "PutBackupVaultAccessPolicy".)"""
    policy = request.get("Policy")
    if not policy:
        raise ServiceError("MissingParameterValueException", "Policy is required", 400)
    try:
        kept = call.cloud.authority.bind_principals(policy)
    except ServiceError as problem:
        raise invalid_value(f"Invalid policy: {problem.message}") from None
    statements = orjson.loads(policy)["Statement"]
    for statement in statements if isinstance(statements, list) else [statements]:
        if "*" in str(statement.get("Action", statement.get("NotAction"))):  # Unlike in other policies (Developer Guide: "Vault access policies").
            raise invalid_value("Invalid policy: wildcards are not supported in the Action element")
    await _change(call, request, policy=kept)
    return {}


@operation("backup:GetBackupVaultAccessPolicy", resource=vault_arn)
async def get_backup_vault_access_policy(call: Call, request: Shape) -> Shape:
    """A vault's access policy. (API Reference: "GetBackupVaultAccessPolicy".)"""
    vault = need_vault(call.cloud.store, call, request["BackupVaultName"])
    if not vault.policy:
        raise not_found(f"Backup vault {vault.name} has no associated policy")
    return {"BackupVaultName": vault.name, "BackupVaultArn": vault.arn, "Policy": call.cloud.authority.show_principals(vault.policy)}


@operation("backup:DeleteBackupVaultAccessPolicy", resource=vault_arn)
async def delete_backup_vault_access_policy(call: Call, request: Shape) -> Shape:
    """Remove a vault's access policy. (API Reference: "DeleteBackupVaultAccessPolicy".)"""
    await _change(call, request, policy="")
    return {}


def _lock_conditions(call: Call, request: Shape) -> Shape:
    """The service's own condition keys (Service Authorization Reference: "Condition keys for AWS Backup")."""
    return {f"backup:{name}": str(request[name]) for name in (*_RETENTION, "ChangeableForDays") if name in request}


@operation("backup:PutBackupVaultLockConfiguration", resource=vault_arn, conditions=_lock_conditions)
async def put_backup_vault_lock_configuration(call: Call, request: Shape) -> Shape:
    """Lock a vault: recovery points must be kept within bounds, and are not deleted by hand. The lock can be changed and taken away again, in compliance
    mode for ChangeableForDays only.

    (API Reference: "PutBackupVaultLockConfiguration".)
    """
    changeable = request.get("ChangeableForDays")
    if changeable is not None and not _CHANGEABLE_DAYS_MIN <= changeable <= DAYS_MAX:
        raise invalid_value(f"ChangeableForDays must be between {_CHANGEABLE_DAYS_MIN} and {DAYS_MAX} days")
    low, high = request.get("MinRetentionDays", 0), request.get("MaxRetentionDays", 0)
    for name in _RETENTION:
        if not 1 <= request.get(name, 1) <= DAYS_MAX:
            raise invalid_value(f"{name} must be between 1 and {DAYS_MAX} days")
    if high and low > high:
        raise invalid_value("MinRetentionDays must not be greater than MaxRetentionDays")
    lock_at = call.now + changeable * DAY if changeable is not None else 0
    await _change(call, request, retention_days_min=low, retention_days_max=high, locked=True, lock_at=lock_at)
    return {}


@operation("backup:DeleteBackupVaultLockConfiguration", resource=vault_arn)
async def delete_backup_vault_lock_configuration(call: Call, request: Shape) -> Shape:
    """Unlock a vault, unless its lock has become immutable. (API Reference: "DeleteBackupVaultLockConfiguration".)"""
    await _change(call, request, retention_days_min=0, retention_days_max=0, locked=False, lock_at=0)
    return {}
