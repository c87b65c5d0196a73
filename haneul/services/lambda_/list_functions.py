"""ListFunctions."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.names import LATEST, Target
from haneul.services.lambda_.pages import page
from haneul.services.lambda_.records import Version
from haneul.services.lambda_.shapes import configuration
from haneul.store.keys import pack
from haneul.store.records import decode


@operation("lambda:ListFunctions")
async def list_functions(call: Call, request: Shape) -> Shape:
    """Functions in the order of their names, 50 at a time at most; with FunctionVersion ALL every published version too."""
    everything = request.get("FunctionVersion") == "ALL"
    if request.get("MasterRegion") not in (None, "ALL", call.region):
        return {"Functions": []}

    def show(_: bytes, value: bytes) -> Shape | None:
        version = decode(value, Version)
        if version.number and not everything:
            return None
        qualifier = (version.qualifier if version.number else LATEST) if everything else None
        return configuration(call.cloud.vault, Target(call.account, call.region, version.name, qualifier), version)

    return page(call.cloud.store, pack(("lambda", call.account, call.region, "version")), request, "Functions", show)
