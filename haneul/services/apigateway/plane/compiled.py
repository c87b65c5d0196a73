"""Deployed stages made ready for requests: everything that can be worked out once is worked out once."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import orjson

from haneul.clock import MILLISECOND, SECOND
from haneul.core.arn import parse_arn
from haneul.core.ports import Shape
from haneul.services.apigateway.authorizers import identity_sources
from haneul.services.apigateway.integrations import function_in_uri
from haneul.services.apigateway.plane.refusals import misconfigured
from haneul.services.apigateway.plane.routes import Routes
from haneul.services.apigateway.plane.schema import Schema
from haneul.services.apigateway.records import Home

_STAGE_VARIABLE = re.compile(r"\$\{stageVariables\.(\w+)\}")


@dataclass(frozen=True, slots=True)
class Function:
    """A function to invoke, and as whom: a role that API Gateway assumes, or (empty) API Gateway itself."""

    arn: str
    account: str
    region: str
    role: str


@dataclass(frozen=True, slots=True)
class Authorizer:
    """A function that decides about requests. `sources` are where the identity is found; `ttl` is in nanoseconds."""

    id: str
    kind: str
    function: Function
    sources: tuple[str, ...]
    validation: re.Pattern[str] | None
    ttl: int


@dataclass(frozen=True, slots=True)
class Method:
    """A method as requests meet it. `throttle` is (requests a second, burst), None for the account's own limits; `dimensions` are those of its own
    metrics, None where the stage's settings do not ask for them."""

    resource_id: str
    resource_path: str
    name: str
    authorization: str
    authorizer: Authorizer | None
    api_key_required: bool
    required: tuple[tuple[str, str], ...]
    schemas: dict[str, Schema] | None
    integration: Shape
    timeout: int
    throttle: tuple[float, int] | None
    limit_names: tuple[str, ...]
    dimensions: tuple[tuple[str, str], ...] | None


@dataclass(slots=True)
class Stage:
    """One deployed stage of one API."""

    home: Home
    api: Shape
    name: str
    deployment_id: str
    variables: dict[str, str] | None
    routes: Routes
    responses: dict[str, Shape]
    binary_types: tuple[str, ...]
    policy: str | None
    _snapshot: Shape
    _settings: dict[str, Shape]
    _methods: dict[tuple[str, str], Method] = field(default_factory=dict)
    _functions: dict[tuple[str, str], Function] = field(default_factory=dict)

    @property
    def api_id(self) -> str:
        return str(self.api["id"])

    def method(self, resource: Shape, http_method: str) -> Method | None:
        """A resource's method for a request's; `ANY` stands for all that are not there by name."""
        name = http_method if http_method in resource["methods"] else "ANY"
        if name not in resource["methods"]:
            return None
        place = (resource["id"], name)
        known = self._methods.get(place)
        if known is None:
            known = self._methods[place] = self._compile(resource, resource["methods"][name])
        return known

    def _compile(self, resource: Shape, method: Shape) -> Method:
        validator = self._snapshot["validators"].get(method.get("requestValidatorId"), {})
        required: list[tuple[str, str]] = []
        if validator.get("validateRequestParameters"):
            for name, needed in sorted(method.get("requestParameters", {}).items()):
                _, _, place, parameter = name.split(".", 3)
                if needed:
                    required.append((place, parameter))
        authorizer = self._snapshot["authorizers"].get(method.get("authorizerId"))
        path, name = resource["path"], method["httpMethod"]
        settings = self._settings.get(f"{path.strip('/')}/{name}".lstrip("/")) or self._settings.get("*/*") or {}
        throttle = None
        if "throttlingRateLimit" in settings:
            throttle = (float(settings["throttlingRateLimit"]), int(settings["throttlingBurstLimit"]))
        integration = method["methodIntegration"]
        return Method(
            resource_id=resource["id"],
            resource_path=path,
            name=name,
            authorization=method["authorizationType"],
            authorizer=self._authorizer(authorizer) if authorizer is not None else None,
            api_key_required=method["apiKeyRequired"],
            required=tuple(required),
            schemas=self._schemas(method) if validator.get("validateRequestBody") else None,
            integration=integration,
            timeout=integration["timeoutInMillis"] * MILLISECOND,
            throttle=throttle,
            limit_names=(f"{path}/{name}", f"{path.lstrip('/')}/{name}"),
            dimensions=(("ApiName", self.api["name"]), ("Method", name), ("Resource", path), ("Stage", self.name)) if settings.get("metricsEnabled") else None,
        )

    def _schemas(self, method: Shape) -> dict[str, Schema]:
        models = {name: orjson.loads(text) for name, text in self._snapshot["models"].items()}
        return {content_type: Schema(models.get(name, {}), models) for content_type, name in method.get("requestModels", {}).items()}

    def _authorizer(self, authorizer: Shape) -> Authorizer:
        expression = authorizer.get("identityValidationExpression")
        return Authorizer(
            id=authorizer["id"],
            kind=authorizer["type"],
            function=self.function(authorizer["authorizerUri"], authorizer.get("authorizerCredentials", "")),
            sources=tuple(identity_sources(authorizer)),
            validation=re.compile(expression) if expression else None,
            ttl=authorizer["authorizerResultTtlInSeconds"] * SECOND,
        )

    def function(self, uri: str, credentials: str) -> Function:
        """The function in an integration's URI, stage variables filled in. Refused when there is none."""
        known = self._functions.get((uri, credentials))
        if known is None:
            text = function_in_uri(self.filled(uri))
            arn = parse_arn(text) if text is not None else None
            if text is None or arn is None or arn.service != "lambda":
                raise misconfigured()
            known = self._functions[uri, credentials] = Function(text, arn.account, arn.region, self.filled(credentials))
        return known

    def filled(self, text: str) -> str:
        """A text with its `${stageVariables.name}` filled in."""
        variables = self.variables or {}
        return _STAGE_VARIABLE.sub(lambda found: variables.get(found[1], ""), text) if "${" in text else text

    def is_binary(self, content_type: str) -> bool:
        """Whether the API takes a media type as binary."""
        if not self.binary_types:
            return False
        kind = content_type.partition(";")[0].strip().lower()
        return any(one in ("*/*", kind) or (one.endswith("/*") and kind.startswith(one[:-1])) for one in self.binary_types)


def compile_stage(home: Home, stage: Shape, snapshot: Shape) -> Stage:
    """A stage ready for requests."""
    api: dict[str, Any] = snapshot["api"]
    return Stage(
        home=home,
        api=api,
        name=stage["stageName"],
        deployment_id=stage["deploymentId"],
        variables=stage.get("variables") or None,
        routes=Routes(snapshot["resources"]),
        responses=snapshot["responses"],
        binary_types=tuple(one.lower() for one in api.get("binaryMediaTypes", ())),
        policy=api.get("policy"),
        _snapshot=snapshot,
        _settings=stage.get("methodSettings", {}),
    )
