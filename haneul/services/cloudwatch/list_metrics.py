"""ListMetrics."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token, read_token
from haneul.services.cloudwatch.errors import invalid_token_value
from haneul.services.cloudwatch.metrics import Dimensions
from haneul.services.cloudwatch.rows import ACTIVE_SECONDS, INDEX, LISTED_SECONDS, metric_of_index
from haneul.services.cloudwatch.service import CloudWatch
from haneul.store.keys import pack, prefix_range
from haneul.store.records import decode

_PAGE = 500


@operation("cloudwatch:ListMetrics", partial="IncludeLinkedAccounts, OwningAccount")
async def list_metrics(call: Call, request: Shape) -> Shape:
    """Metrics with values of the last two weeks, 500 a page, in the order of namespace, name and dimensions."""
    if request.get("IncludeLinkedAccounts") or "OwningAccount" in request:
        raise NotBuilt("linked accounts in cloudwatch:ListMetrics")
    await call.service(CloudWatch).flush()
    parts = [INDEX, call.account, call.region]
    name = request.get("MetricName")
    if "Namespace" in request:
        parts.append(request["Namespace"])
        if name is not None:
            parts.append(name)
    start, end = prefix_range(pack(parts))
    if "NextToken" in request:
        position = read_token(request["NextToken"])
        if position is None or not start <= position < end:
            raise invalid_token_value()
        start = position
    now_seconds = call.now // 1_000_000_000
    oldest = now_seconds - (ACTIVE_SECONDS if request.get("RecentlyActive") else LISTED_SECONDS)
    filters = request.get("Dimensions", [])
    found: list[Shape] = []
    for key, value in call.cloud.store.iterate(start, end):
        if decode(value, int) < oldest:
            continue
        metric = metric_of_index(key)
        if (name is None or metric.name == name) and _fits(metric.dimensions, filters):
            if len(found) == _PAGE:
                return {"Metrics": found, "NextToken": make_token(key)}
            found.append(metric.shape)
    return {"Metrics": found}


def _fits(dimensions: Dimensions, filters: list[Shape]) -> bool:
    """Whether a metric has every dimension asked for, with the value if one is given."""
    known = dict(dimensions)
    return all(one["Name"] in known and ("Value" not in one or known[one["Name"]] == one["Value"]) for one in filters)
