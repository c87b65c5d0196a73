"""The entrance: every request comes in here and is sent to the part of the cloud that it is for."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

import orjson

from haneul.core.cloud import Cloud
from haneul.core.errors import NotBuilt
from haneul.core.http import HttpRequest, HttpResponse
from haneul.core.pipeline import Pipeline
from haneul.front.admin import Admin
from haneul.front.router import Route, Router

# Which service answers for hosts that are not API endpoints.
_MODELS: Final = {"monitoring": "cloudwatch", "email": "ses", "elasticloadbalancing": "elbv2", "states": "stepfunctions"}
_DATA_PLANES: Final = {"api": "apigateway", "function": "lambda", "website": "s3", "registry": "ecr", "issuer": "sts", "certificate": "sns"}


class Entrance:
    """The server's handler."""

    def __init__(self, cloud: Cloud, router: Router, admin: Admin) -> None:
        self._cloud = cloud
        self._router = router
        self._admin = admin
        self._pipeline = Pipeline(cloud)

    def handle(self, request: HttpRequest) -> Awaitable[HttpResponse]:
        """The answer, to be awaited."""
        route = self._router.route(request)
        if route.kind == "aws" and (route.name == "s3" or "origin" not in request.headers):
            return self._cloud.services[route.name].answer(request, self._pipeline.answer)
        return self._handle(request, route)

    async def _handle(self, request: HttpRequest, route: Route) -> HttpResponse:
        if route.kind == "aws":  # A browser asks, on a page from elsewhere.
            if request.method == "OPTIONS":
                return _preflight(request)
            response = await self._cloud.services[route.name].answer(request, self._pipeline.answer)
            response.headers["Access-Control-Allow-Origin"] = "*"
            response.headers["Access-Control-Expose-Headers"] = "x-amzn-RequestId,x-amzn-ErrorType,x-amzn-ErrorMessage,Date"
            return response
        if route.kind == "admin":
            return await self._admin.answer(request, route.name)
        name = _DATA_PLANES.get(route.kind)
        if name in self._cloud.services:
            return await self._cloud.services[name].serve(request, route.name)
        return self._not_here(request, route.name)

    def _not_here(self, request: HttpRequest, name: str) -> HttpResponse:
        """The answer for a service that Haneul does not have, in that service's own protocol where AWS has such a service."""
        error = NotBuilt(f"the service {name}")
        try:
            return self._cloud.codec_for(_MODELS.get(name, name)).error(None, error, self._cloud.ids.uuid(), request)
        except LookupError:
            return HttpResponse(501, {"Content-Type": "application/json"}, orjson.dumps({"__type": error.code, "message": error.message}))


def _preflight(request: HttpRequest) -> HttpResponse:
    """AWS endpoints let browsers in from every origin; what counts is the signature."""
    return HttpResponse(
        200,
        {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Headers": request.headers.get("access-control-request-headers", "*"),
            "Access-Control-Allow-Methods": request.headers.get("access-control-request-method", "POST"),
            "Access-Control-Max-Age": "172800",
        },
    )
