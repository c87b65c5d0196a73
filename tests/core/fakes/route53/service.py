"""Speaks REST-XML."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.core.quirks import Quirks
from tests.core.fakes.base import Fake


class Route53(Fake):
    name = "route53"
    quirks = Quirks(access_denied="AccessDenied", access_denied_status=403)


@operation("route53:ListHostedZones")
async def list_hosted_zones(call: Call, request: Shape) -> Shape:
    return await call.service(Route53).behave(call, request) or {"HostedZones": [], "IsTruncated": False, "MaxItems": "100"}
