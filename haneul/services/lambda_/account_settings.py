"""GetAccountSettings."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.functions import read
from haneul.services.lambda_.limits import ACCOUNT_CONCURRENCY, CODE_STORAGE_BYTES_MAX, CODE_UNZIPPED_BYTES_MAX, CODE_ZIPPED_BYTES_MAX
from haneul.services.lambda_.records import count_key, reserved_key, storage_key


@operation("lambda:GetAccountSettings")
async def get_account_settings(call: Call, request: Shape) -> Shape:
    """The account's limits in this region and what it uses of them."""
    space, store = ("lambda", call.account, call.region), call.cloud.store
    return {
        "AccountLimit": {
            "TotalCodeSize": CODE_STORAGE_BYTES_MAX,
            "CodeSizeUnzipped": CODE_UNZIPPED_BYTES_MAX,
            "CodeSizeZipped": CODE_ZIPPED_BYTES_MAX,
            "ConcurrentExecutions": ACCOUNT_CONCURRENCY,
            "UnreservedConcurrentExecutions": ACCOUNT_CONCURRENCY - (read(store, reserved_key(space), int) or 0),
        },
        "AccountUsage": {"TotalCodeSize": read(store, storage_key(space), int) or 0, "FunctionCount": read(store, count_key(space), int) or 0},
    }
