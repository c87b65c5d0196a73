"""PutDashboard, GetDashboard, ListDashboards, DeleteDashboards."""

from __future__ import annotations

import re

import msgspec
import orjson

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token, read_token
from haneul.services.cloudwatch.errors import invalid_token_value, invalid_value
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

_SPACE = "cloudwatch-dashboard"
_NAME = re.compile(r"[A-Za-z0-9_-]{1,255}\Z")
_PAGE = 1000
_WIDGETS_MAX = 500


class Dashboard(msgspec.Struct):
    """A dashboard's JSON text; `modified_at` in nanoseconds."""

    body: str
    modified_at: int


def _key(call: Call, name: str) -> bytes:
    return pack((_SPACE, call.account, call.region, name))


def _arn(call: Call, name: str) -> str:
    return f"arn:aws:cloudwatch::{call.account}:dashboard/{name}"


def _missing(name: str) -> ServiceError:
    return ServiceError("DashboardNotFoundError", f"Dashboard {name} does not exist", 404)


def _invalid(message: str, path: str = "") -> ServiceError:
    words = "The field DashboardBody must be a valid JSON object" if not path else "The dashboard body is invalid, there are 1 validation errors:"
    return ServiceError("DashboardInvalidInputError", words, 400, fields={"dashboardValidationMessages": [{"DataPath": path, "Message": message}]})


def _check_body(body: str) -> None:
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise _invalid("The dashboard body is not valid JSON") from None
    if not isinstance(document, dict):
        raise _invalid("The dashboard body is not a JSON object")
    widgets = document.get("widgets", [])
    if not isinstance(widgets, list) or len(widgets) > _WIDGETS_MAX:
        raise _invalid(f"Should be an array of at most {_WIDGETS_MAX} widgets", "/widgets")
    for number, widget in enumerate(widgets):
        if not isinstance(widget, dict):
            raise _invalid("Should be an object", f"/widgets/{number}")
        if not isinstance(widget.get("type"), str):
            raise _invalid("Should have required property 'type'", f"/widgets/{number}")


@operation("cloudwatch:PutDashboard", resource=lambda call, request: _arn(call, request["DashboardName"]))
async def put_dashboard(call: Call, request: Shape) -> Shape:
    """Keep a dashboard, replacing one of the same name."""
    name = request["DashboardName"]
    if _NAME.match(name) is None:
        raise invalid_value(f"The value {name} for field DashboardName contains invalid characters. It can only contain alphanumerics, dash (-) and underscore (_).")
    _check_body(request["DashboardBody"])
    key, record = _key(call, name), encode(Dashboard(request["DashboardBody"], call.now))
    await call.cloud.store.transact(lambda tx: tx.put(key, record))
    return {"DashboardValidationMessages": []}


@operation("cloudwatch:GetDashboard", resource=lambda call, request: _arn(call, request["DashboardName"]))
async def get_dashboard(call: Call, request: Shape) -> Shape:
    """A dashboard's body."""
    name = request["DashboardName"]
    value = call.cloud.store.get(_key(call, name))
    if value is None:
        raise _missing(name)
    return {"DashboardArn": _arn(call, name), "DashboardName": name, "DashboardBody": decode(value, Dashboard).body}


@operation("cloudwatch:ListDashboards")
async def list_dashboards(call: Call, request: Shape) -> Shape:
    """Dashboards in the order of their names, 1,000 a page."""
    start, end = prefix_range(pack((_SPACE, call.account, call.region, request.get("DashboardNamePrefix", "")))[:-1])
    if "NextToken" in request:
        position = read_token(request["NextToken"])
        if position is None or not start <= position < end:
            raise invalid_token_value()
        start = position
    entries: list[Shape] = []
    for key, value in call.cloud.store.iterate(start, end):
        if len(entries) == _PAGE:
            return {"DashboardEntries": entries, "NextToken": make_token(key)}
        name, record = str(unpack(key)[3]), decode(value, Dashboard)
        size = len(record.body.encode())
        entries.append({"DashboardName": name, "DashboardArn": _arn(call, name), "LastModified": record.modified_at, "Size": size})
    return {"DashboardEntries": entries}


@operation("cloudwatch:DeleteDashboards", resource=lambda call, request: tuple(_arn(call, name) for name in request["DashboardNames"]))
async def delete_dashboards(call: Call, request: Shape) -> None:
    """Delete dashboards, all of them or none."""

    def work(tx: Transaction) -> None:
        for name in request["DashboardNames"]:
            if tx.get(_key(call, name)) is None:
                raise _missing(name)
            tx.delete(_key(call, name))

    await call.cloud.store.transact(work)
