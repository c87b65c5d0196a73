"""GetCallerIdentity and GetAccessKeyInfo: who is it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from haneul.core.call import Call
from haneul.core.operation import operation
from haneul.services.sts.errors import validation_error

if TYPE_CHECKING:
    from haneul_shapes.sts import GetAccessKeyInfoInput, GetAccessKeyInfoOutput, GetCallerIdentityInput, GetCallerIdentityOutput


@operation("sts:GetCallerIdentity", authorized_inside=True)
async def get_caller_identity(call: Call, request: GetCallerIdentityInput) -> GetCallerIdentityOutput:
    """Who signed the request. Nobody needs a permission for it, and no policy can forbid it."""
    return {"UserId": call.caller.principal_id, "Account": call.caller.account, "Arn": call.caller.arn}


@operation("sts:GetAccessKeyInfo")
async def get_access_key_info(call: Call, request: GetAccessKeyInfoInput) -> GetAccessKeyInfoOutput:
    """The account that an access key id belongs to, whosever it is."""
    key_id = request["AccessKeyId"]
    account = call.cloud.authority.key_owner_account(key_id)
    if account is None:
        raise validation_error(f"Invalid Access key: {key_id}")
    return {"Account": account}
