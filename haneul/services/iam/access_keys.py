"""Access keys of users and of the root user: CreateAccessKey, ListAccessKeys, UpdateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed.

Of the root user's keys IAM has those that were made with CreateAccessKey. The key that a data directory is born with, those given to `haneul start` and the
development keys belong to the installation: they are not listed here and cannot be locked out from here.

A key's row stands outside the account, ("iam-key", KEY ID), because a signature names only the key. Its secret is sealed and shown once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from haneul.core.call import Call
from haneul.core.key_ids import access_key_id
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of, user_or_caller
from haneul.services.iam.errors import access_denied, invalid_input, no_such_entity, quota_exceeded
from haneul.services.iam.identities import KEY_PURPOSE, key_row
from haneul.services.iam.limits import ACCESS_KEYS_PER_USER_MAX
from haneul.services.iam.pages import page_of_list
from haneul.services.iam.records import USER, AccessKey
from haneul.services.iam.resources import iam_operation
from haneul.services.iam.service import Iam
from haneul.store.port import Transaction
from haneul.store.records import decode


@dataclass
class _Owner:
    """Whose keys they are: a user's, or the root user's, who is known by the account's id and has no name."""

    id: str
    name: str
    keys: list[str]
    save: Callable[[], None]

    @property
    def shown(self) -> Shape:
        return {"UserName": self.name} if self.name else {}


def _owner(call: Call, request: Shape, directory: Directory) -> _Owner:
    if "UserName" not in request and call.caller.kind == "root":
        account = directory.account_record()
        return _Owner(call.account, "", account.root_keys, lambda: directory.save_account(account))
    user = user_or_caller(call, request, directory)
    return _Owner(user.id, user.name, user.keys, lambda: directory.save(USER, user))


def _status(key: AccessKey) -> str:
    return "Active" if key.active else "Inactive"


@iam_operation("CreateAccessKey")
async def create_access_key(call: Call, request: Shape) -> Shape:
    """Give a user, or the root user who asks for itself, a key, two at most. This answer is the only one that ever shows the secret."""
    cloud = call.cloud
    key_id, secret = access_key_id(cloud.ids, call.account), cloud.ids.secret_key()
    sealed = cloud.vault.seal(secret.encode(), KEY_PURPOSE + key_id)
    now = call.now

    def work(tx: Transaction) -> _Owner:
        directory = Directory(tx, call.account)
        owner = _owner(call, request, directory)
        if len(owner.keys) >= ACCESS_KEYS_PER_USER_MAX:
            raise quota_exceeded("AccessKeysPerUser", ACCESS_KEYS_PER_USER_MAX)
        owner.keys.append(key_id)
        owner.save()
        directory.put(key_row(key_id), AccessKey(account=call.account, user_id=owner.id, secret=sealed, active=True, created_at=now))
        return owner

    owner = await cloud.store.transact(work)
    return {"AccessKey": {**owner.shown, "AccessKeyId": key_id, "Status": "Active", "SecretAccessKey": secret, "CreateDate": now}}


@iam_operation("ListAccessKeys")
async def list_access_keys(call: Call, request: Shape) -> Shape:
    """A user's keys, without their secrets."""
    directory = directory_of(call)
    owner = _owner(call, request, directory)
    keys = []
    for key_id in owner.keys:
        key = directory.get(key_row(key_id), AccessKey)
        if key is not None:
            keys.append({**owner.shown, "AccessKeyId": key_id, "Status": _status(key), "CreateDate": key.created_at})
    page, more = page_of_list(keys, request)
    return {"AccessKeyMetadata": page, **more}


def _key_of(call: Call, request: Shape, directory: Directory) -> tuple[_Owner, AccessKey]:
    owner, key_id = _owner(call, request, directory), request["AccessKeyId"]
    key = directory.get(key_row(key_id), AccessKey) if key_id in owner.keys else None
    if key is None:
        raise no_such_entity(f"The Access Key with id {key_id} cannot be found.")
    return owner, key


@iam_operation("UpdateAccessKey")
async def update_access_key(call: Call, request: Shape) -> Shape:
    """Make a key inactive, or active again."""
    if request["Status"] not in ("Active", "Inactive"):
        raise invalid_input("An access key can only be made Active or Inactive.")

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        _, key = _key_of(call, request, directory)
        key.active = request["Status"] == "Active"
        directory.put(key_row(request["AccessKeyId"]), key)

    await call.cloud.store.transact(work)
    return {}


@iam_operation("DeleteAccessKey")
async def delete_access_key(call: Call, request: Shape) -> Shape:
    """Remove a key: nothing signed with it is accepted any more."""
    key_id = request["AccessKeyId"]

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        owner, _ = _key_of(call, request, directory)
        owner.keys.remove(key_id)
        owner.save()
        tx.delete(key_row(key_id))

    await call.cloud.store.transact(work)
    call.service(Iam).last_uses.forget(key_id)
    return {}


@iam_operation("GetAccessKeyLastUsed")
async def get_access_key_last_used(call: Call, request: Shape) -> Shape:
    """When, where and for which service a key last signed a request (known within a minute)."""
    key_id = request["AccessKeyId"]
    row = call.cloud.store.get(key_row(key_id))
    key = decode(row, AccessKey) if row is not None else None
    own = key is not None and key.account == call.account
    user = directory_of(call).by_id(USER, key.user_id) if key is not None and own else None
    if user is None and not (key is not None and own and key.user_id == call.account):
        # The service tells nobody which keys exist elsewhere.
        raise access_denied(f"User: {call.caller.arn} is not authorized to perform iam:GetAccessKeyLastUsed on resource: access key {key_id}")
    use = call.service(Iam).last_uses.of(key_id)
    used: Shape = {"ServiceName": "N/A", "Region": "N/A"}
    if use is not None:
        used = {"LastUsedDate": use.at, "ServiceName": use.service, "Region": use.region}
    return {"AccessKeyLastUsed": used} | ({"UserName": user.name} if user is not None else {})
