"""ListFunctions."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.functions import read
from haneul.services.lambda_.names import Target
from haneul.services.lambda_.pages import page
from haneul.services.lambda_.records import Version, version_key
from haneul.services.lambda_.shapes import configuration
from haneul.store.keys import pack, unpack
from haneul.store.records import decode

_ONLY_OF_ONE = ("State", "StateReason", "StateReasonCode", "LastUpdateStatus", "LastUpdateStatusReason", "LastUpdateStatusReasonCode", "RuntimeVersionConfig")


@operation("lambda:ListFunctions")
async def list_functions(call: Call, request: Shape) -> Shape:
    """Functions in the order of their names, 50 at a time at most; with FunctionVersion ALL every published version too.

    How a function's state is, GetFunction tells. (API Reference: "ListFunctions".)
    """
    everything = request.get("FunctionVersion") == "ALL"
    if request.get("MasterRegion") not in (None, "ALL", call.region):
        return {"Functions": []}

    store, space = call.cloud.store, ("lambda", call.account, call.region)

    def show(key: bytes, value: bytes) -> Shape | None:
        target = Target(call.account, call.region, str(unpack(key)[4]), None)
        version = decode(value, Version) if everything else read(store, version_key(target, 0), Version)
        if version is None:
            return None
        shown = configuration(call.cloud.vault, target._replace(qualifier=version.qualifier) if everything else target, version)
        return {name: value for name, value in shown.items() if name not in _ONLY_OF_ONE}

    # Without ALL, functions are walked and not versions: a page costs the same however many versions there are.
    return page(store, pack((*space, "version" if everything else "function")), request, "Functions", show)
