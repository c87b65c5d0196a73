"""Console passwords of users: CreateLoginProfile, GetLoginProfile, UpdateLoginProfile, DeleteLoginProfile, ChangePassword."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError, refuse_given
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of, user_or_caller
from haneul.services.iam.errors import access_denied, already_exists, no_such_entity
from haneul.services.iam.passwords import check_password, check_reuse, is_password, new_password
from haneul.services.iam.records import USER, Password, User
from haneul.services.iam.resources import iam_operation
from haneul.store.port import Transaction


def _shown(user: User, password: Password) -> Shape:
    return {"UserName": user.name, "CreateDate": password.created_at, "PasswordResetRequired": password.reset_required}


def _missing(user: User) -> ServiceError:
    return no_such_entity(f"Login Profile for User {user.name} cannot be found.")


async def _replace(call: Call, user: User, password: Password | None) -> User:
    """Give the user, unless gone or changed by somebody else meanwhile, this password."""

    def work(tx: Transaction) -> User:
        directory = Directory(tx, call.account)
        found = directory.by_id(USER, user.id)
        if found is None or found.password != user.password:
            raise ServiceError(
                "EntityTemporarilyUnmodifiable", f"Login Profile for User {user.name} cannot be modified while another request is changing it.", 409
            )
        found.password = password
        directory.save(USER, found)
        return found

    return await call.cloud.store.transact(work)


@iam_operation("CreateLoginProfile", partial="MaxSigninSessionDuration; a password has to be given")
async def create_login_profile(call: Call, request: Shape) -> Shape:
    """Give a user a password for the console."""
    refuse_given("iam:CreateLoginProfile", request, "MaxSigninSessionDuration")
    directory = directory_of(call)
    user = user_or_caller(call, request, directory)
    if user.password is not None:
        raise already_exists(f"Login Profile for user {user.name} already exists.")
    if "Password" not in request:
        raise NotBuilt("the absence of the parameter Password of iam:CreateLoginProfile")
    check_password(directory.account_record().password_policy, request["Password"], user.name)
    password = await new_password(call, request["Password"], reset_required=request.get("PasswordResetRequired", False))
    await _replace(call, user, password)
    return {"LoginProfile": _shown(user, password)}


@iam_operation("GetLoginProfile")
async def get_login_profile(call: Call, request: Shape) -> Shape:
    """Whether a user has a password, and since when."""
    user = user_or_caller(call, request, directory_of(call))
    if user.password is None:
        raise _missing(user)
    return {"LoginProfile": _shown(user, user.password)}


@iam_operation("UpdateLoginProfile", partial="MaxSigninSessionDuration")
async def update_login_profile(call: Call, request: Shape) -> Shape:
    """Set another password, or say whether it must be changed at the next login."""
    refuse_given("iam:UpdateLoginProfile", request, "MaxSigninSessionDuration", "ResetMaxSigninSessionDuration")
    directory = directory_of(call)
    user = directory.named(USER, request["UserName"])
    if user.password is None:
        raise _missing(user)
    reset = request.get("PasswordResetRequired", user.password.reset_required)
    if "Password" in request:
        await _set_password(call, directory, user, request["Password"], reset_required=reset)
    else:
        old = user.password
        await _replace(call, user, Password(old.salt, old.hash, old.created_at, reset, old.changed_at, old.earlier))
    return {}


async def _set_password(call: Call, directory: Directory, user: User, password: str, *, reset_required: bool) -> None:
    policy = directory.account_record().password_policy
    check_password(policy, password, user.name)
    await check_reuse(policy, user.password, password)
    kept = policy.reuse_prevention if policy is not None else 0
    await _replace(call, user, await new_password(call, password, reset_required=reset_required, earlier=user.password, kept=kept))


@iam_operation("DeleteLoginProfile")
async def delete_login_profile(call: Call, request: Shape) -> Shape:
    """Take the password away; access keys go on working."""
    user = user_or_caller(call, request, directory_of(call))
    if user.password is None:
        raise _missing(user)
    await _replace(call, user, None)
    return {}


@iam_operation("ChangePassword")
async def change_password(call: Call, request: Shape) -> Shape:
    """A user changes the own password."""
    directory = directory_of(call)
    if call.caller.kind != "user":
        raise ServiceError("InvalidUserType", "Only IAM Users can change their own password", 400)
    user = user_or_caller(call, request, directory)
    if user.password is None:
        raise _missing(user)
    if not await is_password(user.password, request["OldPassword"]):
        raise access_denied("The old password was incorrect.")
    await _set_password(call, directory, user, request["NewPassword"], reset_required=False)
    return {}
