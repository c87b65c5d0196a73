"""How API Gateway's operations are declared: IAM knows them by HTTP method and path, not by name.

Source: "Actions, resources, and condition keys for Amazon API Gateway Management".
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from haneul.core.call import Call
from haneul.core.operation import Handler, Marked, operation
from haneul.core.ports import Shape


def api_operation(name: str, method: str, path: str, *, partial: str = "") -> Callable[[Handler | Marked], Marked]:
    """An operation allowed by `apigateway:METHOD` on `arn:aws:apigateway:REGION::PATH`; `{member}` in the path is a member of the request."""

    def resource(call: Call, request: Shape) -> str:
        return f"arn:aws:apigateway:{call.region}::" + path.format_map({key: quote(value, safe="") for key, value in request.items() if isinstance(value, str)})

    return operation(f"apigateway:{name}", resource=resource, action=f"apigateway:{method}", partial=partial)
