"""Inline policies of users, groups and roles: Put…Policy, Get…Policy, List…Policies, Delete…Policy."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.documents import characters, shown
from haneul.services.iam.entities import directory_of, modifiable_entity, named_entity
from haneul.services.iam.errors import limit_exceeded, no_such_entity
from haneul.services.iam.limits import INLINE_POLICIES_CHARACTERS_MAX
from haneul.services.iam.pages import page_of_rows
from haneul.services.iam.records import Entity, InlinePolicy
from haneul.services.iam.resources import iam_operation
from haneul.store.port import Transaction
from haneul.store.records import decode


def _key(directory: Directory, entity: Entity, policy_name: str) -> bytes:
    return directory.key("inline", entity.id, policy_name.lower())


def _missing(space: str, policy_name: str) -> Exception:
    return no_such_entity(f"The {space} policy with name {policy_name} cannot be found.")


@iam_operation("PutUserPolicy", "PutGroupPolicy", "PutRolePolicy")
async def put_policy(call: Call, request: Shape) -> Shape:
    """Embed a policy in a user, group or role, or replace the one of that name."""
    name, document = request["PolicyName"], request["PolicyDocument"]

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        kind, entity = modifiable_entity(call, request, directory)
        call.cloud.authority.compile_policy(document, "identity")
        limit = INLINE_POLICIES_CHARACTERS_MAX[kind.space]
        others = sum(characters(one.document) for one in directory.inline_policies(entity.id) if one.name.lower() != name.lower())
        if others + characters(document) > limit:
            raise limit_exceeded(f"Maximum policy size of {limit} bytes exceeded for {kind.space} {entity.name}")
        directory.put(_key(directory, entity, name), InlinePolicy(name, document))

    await call.cloud.store.transact(work)
    return {}


@iam_operation("GetUserPolicy", "GetGroupPolicy", "GetRolePolicy")
async def get_policy(call: Call, request: Shape) -> Shape:
    """An inline policy's document."""
    directory = directory_of(call)
    kind, entity = named_entity(call, request, directory)
    found = directory.get(_key(directory, entity, request["PolicyName"]), InlinePolicy)
    if found is None:
        raise _missing(kind.space, request["PolicyName"])
    return {f"{kind.space.capitalize()}Name": entity.name, "PolicyName": found.name, "PolicyDocument": shown(found.document)}


@iam_operation("ListUserPolicies", "ListGroupPolicies", "ListRolePolicies")
async def list_policies(call: Call, request: Shape) -> Shape:
    """The names of the inline policies."""
    directory = directory_of(call)
    _, entity = named_entity(call, request, directory)
    names, more = page_of_rows(call.cloud.store, directory, ("inline", entity.id), request, lambda _, value: decode(value, InlinePolicy).name)
    return {"PolicyNames": names, **more}


@iam_operation("DeleteUserPolicy", "DeleteGroupPolicy", "DeleteRolePolicy")
async def delete_policy(call: Call, request: Shape) -> Shape:
    """Remove an inline policy."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        kind, entity = modifiable_entity(call, request, directory)
        key = _key(directory, entity, request["PolicyName"])
        if tx.get(key) is None:
            raise _missing(kind.space, request["PolicyName"])
        tx.delete(key)

    await call.cloud.store.transact(work)
    return {}
