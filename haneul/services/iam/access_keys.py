"""Access keys of users: CreateAccessKey, ListAccessKeys, UpdateAccessKey, DeleteAccessKey, GetAccessKeyLastUsed.

A key's row stands outside the account, ("iam-key", KEY ID), because a signature names only the key. Its secret is sealed and shown once.
"""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of, user_or_caller
from haneul.services.iam.errors import access_denied, invalid_input, no_such_entity, quota_exceeded
from haneul.services.iam.identifiers import access_key_id
from haneul.services.iam.identities import KEY_PURPOSE, key_row
from haneul.services.iam.limits import ACCESS_KEYS_PER_USER_MAX
from haneul.services.iam.pages import page_of_list
from haneul.services.iam.records import USER, AccessKey, User
from haneul.services.iam.resources import iam_operation
from haneul.services.iam.service import Iam
from haneul.store.port import Transaction
from haneul.store.records import decode


def _owner(call: Call, request: Shape, directory: Directory) -> User:
    if "UserName" not in request and call.caller.kind == "root":
        raise NotBuilt("access keys of the root user (`haneul start --root-key` sets them)")
    return user_or_caller(call, request, directory)


def _status(key: AccessKey) -> str:
    return "Active" if key.active else "Inactive"


@iam_operation("CreateAccessKey", partial="keys of the root user")
async def create_access_key(call: Call, request: Shape) -> Shape:
    """Give a user a key, two at most. This answer is the only one that ever shows the secret."""
    cloud = call.cloud
    key_id, secret = access_key_id(cloud.ids, call.account), cloud.ids.secret_key()
    sealed = cloud.vault.seal(secret.encode(), KEY_PURPOSE + key_id)
    now = call.now

    def work(tx: Transaction) -> User:
        directory = Directory(tx, call.account)
        user = _owner(call, request, directory)
        if len(user.keys) >= ACCESS_KEYS_PER_USER_MAX:
            raise quota_exceeded("AccessKeysPerUser", ACCESS_KEYS_PER_USER_MAX)
        user.keys.append(key_id)
        directory.save(USER, user)
        directory.put(key_row(key_id), AccessKey(account=call.account, user_id=user.id, secret=sealed, active=True, created_at=now))
        return user

    user = await cloud.store.transact(work)
    return {"AccessKey": {"UserName": user.name, "AccessKeyId": key_id, "Status": "Active", "SecretAccessKey": secret, "CreateDate": now}}


@iam_operation("ListAccessKeys", partial="keys of the root user")
async def list_access_keys(call: Call, request: Shape) -> Shape:
    """A user's keys, without their secrets."""
    directory = directory_of(call)
    user = _owner(call, request, directory)
    keys = []
    for key_id in user.keys:
        key = directory.get(key_row(key_id), AccessKey)
        if key is not None:
            keys.append({"UserName": user.name, "AccessKeyId": key_id, "Status": _status(key), "CreateDate": key.created_at})
    page, more = page_of_list(keys, request)
    return {"AccessKeyMetadata": page, **more}


def _key_of(call: Call, request: Shape, directory: Directory) -> tuple[User, AccessKey]:
    user, key_id = _owner(call, request, directory), request["AccessKeyId"]
    key = directory.get(key_row(key_id), AccessKey) if key_id in user.keys else None
    if key is None:
        raise no_such_entity(f"The Access Key with id {key_id} cannot be found.")
    return user, key


@iam_operation("UpdateAccessKey", partial="keys of the root user")
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


@iam_operation("DeleteAccessKey", partial="keys of the root user")
async def delete_access_key(call: Call, request: Shape) -> Shape:
    """Remove a key: nothing signed with it is accepted any more."""
    key_id = request["AccessKeyId"]

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        user, _ = _key_of(call, request, directory)
        user.keys.remove(key_id)
        directory.save(USER, user)
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
    user = directory_of(call).by_id(USER, key.user_id) if key is not None and key.account == call.account else None
    if user is None:
        # The service tells nobody which keys exist elsewhere.
        raise access_denied(f"User: {call.caller.arn} is not authorized to perform iam:GetAccessKeyLastUsed on resource: access key {key_id}")
    use = call.service(Iam).last_uses.of(key_id)
    if use is None:
        return {"UserName": user.name, "AccessKeyLastUsed": {"ServiceName": "N/A", "Region": "N/A"}}
    return {"UserName": user.name, "AccessKeyLastUsed": {"LastUsedDate": use.at, "ServiceName": use.service, "Region": use.region}}
