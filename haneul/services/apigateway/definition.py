"""OpenAPI 3 and Swagger 2 definitions with API Gateway's extensions, read into the documents that the service keeps.

Source: API Gateway Developer Guide, "OpenAPI extensions for API Gateway" and "Develop REST APIs using OpenAPI in API Gateway".
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson

from haneul.core.errors import NotBuilt
from haneul.core.ports import Shape
from haneul.services.apigateway.errors import bad_request

_METHODS = {"get": "GET", "put": "PUT", "post": "POST", "delete": "DELETE", "patch": "PATCH", "options": "OPTIONS", "head": "HEAD", "x-amazon-apigateway-any-method": "ANY"}
_PLACES = {"path": "path", "query": "querystring", "header": "header"}
_INTEGRATION = "x-amazon-apigateway-integration"
_MODEL_NAME = re.compile(r"[^A-Za-z0-9]")
_DEPTH_MAX = 64


@dataclass
class Definition:
    """What a definition describes. Methods name their authorizer and validator; ids are given when they are stored."""

    name: str
    settings: Shape = field(default_factory=dict)
    methods: dict[str, dict[str, Shape]] = field(default_factory=dict)
    models: dict[str, Shape] = field(default_factory=dict)
    authorizers: dict[str, Shape] = field(default_factory=dict)
    validators: dict[str, Shape] = field(default_factory=dict)
    responses: dict[str, Shape] = field(default_factory=dict)


def read_definition(body: bytes, base_path: str) -> Definition:
    """Read a definition in JSON. `base_path` says what to do with the definition's base path: `ignore`, `prepend` or `split`."""
    if base_path not in ("ignore", "prepend", "split"):
        raise bad_request(f"Invalid basepath mode specified: {base_path}")
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        if body.lstrip()[:1] not in (b"{", b"["):
            raise NotBuilt("definitions in YAML in apigateway:ImportRestApi") from None
        raise bad_request("Invalid OpenAPI input.") from None
    if not isinstance(document, dict) or not ("swagger" in document or "openapi" in document) or not isinstance(document.get("paths", {}), dict):
        raise bad_request("Invalid OpenAPI input.")
    try:
        return _Reader(document, base_path).read()
    except (AttributeError, TypeError, KeyError, ValueError) as error:
        # Whatever has another type than OpenAPI says.
        raise bad_request(f"Unable to parse API definition because of a malformed integration or structure: {error}") from None


class _Reader:
    def __init__(self, document: Shape, base_path: str) -> None:
        self._document = document
        self._base = base_path
        components = document.get("components", {})
        self._security = {**document.get("securityDefinitions", {}), **components.get("securitySchemes", {})}
        self._schemas = {**document.get("definitions", {}), **components.get("schemas", {})}

    def read(self) -> Definition:
        document = self._document
        info = document.get("info", {})
        made = self._made = Definition(name=str(info.get("title", "")))
        if info.get("description"):
            made.settings["description"] = info["description"]
        if info.get("version"):
            made.settings["version"] = str(info["version"])
        self._read_extensions()
        for name, schema in self._schemas.items():
            model = _MODEL_NAME.sub("", name)
            made.models[model] = {"name": model, "contentType": "application/json", "schema": orjson.dumps(self._with_models(schema, 0)).decode()}
        for name, scheme in self._security.items():
            self._read_security(name, scheme)
        prefix = self._prefix()
        for path, item in document.get("paths", {}).items():
            if not path.startswith("/"):
                raise bad_request(f"Invalid path specified: {path}")
            methods = {_METHODS[name.lower()]: self._method(operation, item) for name, operation in item.items() if name.lower() in _METHODS}
            made.methods[(prefix + path).rstrip("/") or "/"] = methods
        return made

    def _read_extensions(self) -> None:
        document, made = self._document, self._made
        for extension, member in (
            ("x-amazon-apigateway-binary-media-types", "binaryMediaTypes"),
            ("x-amazon-apigateway-minimum-compression-size", "minimumCompressionSize"),
            ("x-amazon-apigateway-api-key-source", "apiKeySource"),
        ):
            if extension in document:
                made.settings[member] = document[extension]
        if "x-amazon-apigateway-policy" in document:
            made.settings["policy"] = orjson.dumps(document["x-amazon-apigateway-policy"]).decode()
        if "disableExecuteApiEndpoint" in document.get("x-amazon-apigateway-endpoint-configuration", {}):
            made.settings["disableExecuteApiEndpoint"] = bool(document["x-amazon-apigateway-endpoint-configuration"]["disableExecuteApiEndpoint"])
        for name, validator in document.get("x-amazon-apigateway-request-validators", {}).items():
            made.validators[name] = {
                "name": name,
                "validateRequestBody": bool(validator.get("validateRequestBody", False)),
                "validateRequestParameters": bool(validator.get("validateRequestParameters", False)),
            }
        for kind, response in document.get("x-amazon-apigateway-gateway-responses", {}).items():
            made.responses[kind] = {
                "responseType": kind,
                **({"statusCode": str(response["statusCode"])} if response.get("statusCode") else {}),
                "responseParameters": response.get("responseParameters", {}),
                "responseTemplates": response.get("responseTemplates", {}),
            }

    def _prefix(self) -> str:
        if self._base == "ignore":
            return ""
        document = self._document
        base = document.get("basePath", "")
        servers = document.get("servers", [])
        if servers:
            base = urlsplit(servers[0].get("url", "")).path
            variables = servers[0].get("variables", {})
            for name, variable in variables.items():
                base = base.replace("{" + name + "}", str(variable.get("default", "")))
        steps = [step for step in base.split("/") if step]
        if self._base == "split":
            steps = steps[1:]
        return "".join(f"/{step}" for step in steps)

    def _read_security(self, name: str, scheme: Shape) -> None:
        """A security scheme that is an authorizer."""
        described = scheme.get("x-amazon-apigateway-authorizer")
        if described is None:
            return
        kind = str(described.get("type", "")).upper()
        authorizer: Shape = {"name": name, "type": kind, "authType": scheme.get("x-amazon-apigateway-authtype", "custom")}
        for member, target in (
            ("authorizerUri", "authorizerUri"),
            ("authorizerCredentials", "authorizerCredentials"),
            ("identityValidationExpression", "identityValidationExpression"),
            ("identitySource", "identitySource"),
        ):
            if described.get(member):
                authorizer[target] = described[member]
        if "authorizerResultTtlInSeconds" in described:
            authorizer["authorizerResultTtlInSeconds"] = int(described["authorizerResultTtlInSeconds"])
        if kind == "TOKEN" and "identitySource" not in authorizer:
            authorizer["identitySource"] = f"method.request.header.{scheme.get('name', 'Authorization')}"
        self._made.authorizers[name] = authorizer

    # ---- methods

    def _method(self, operation: Shape, item: Shape) -> Shape:
        method: Shape = {"authorizationType": "NONE", "apiKeyRequired": False}
        self._secure(method, operation.get("security", self._document.get("security")) or [])
        if operation.get("operationId"):
            method["operationName"] = operation["operationId"]
        validator = operation.get("x-amazon-apigateway-request-validator", self._document.get("x-amazon-apigateway-request-validator"))
        if validator:
            if validator not in self._made.validators:
                raise bad_request(f"Invalid Request Validator specified: {validator}")
            method["validator"] = validator
        parameters, models = self._parameters([*item.get("parameters", []), *operation.get("parameters", [])], operation)
        if parameters:
            method["requestParameters"] = parameters
        if models:
            method["requestModels"] = models
        responses = {str(status): self._response(str(status), one) for status, one in operation.get("responses", {}).items() if str(status).isdigit()}
        if responses:
            method["methodResponses"] = responses
        if _INTEGRATION in operation:
            method["methodIntegration"] = self._integration(operation[_INTEGRATION], method)
        return method

    def _secure(self, method: Shape, security: list[Shape]) -> None:
        for requirement in security:
            for name in requirement:
                scheme = self._security.get(name, {})
                if name in self._made.authorizers:
                    method["authorizationType"] = "CUSTOM"
                    method["authorizer"] = name
                elif scheme.get("x-amazon-apigateway-authtype", "").lower() == "awssigv4":
                    method["authorizationType"] = "AWS_IAM"
                elif scheme.get("type") == "apiKey" and scheme.get("name", "").lower() == "x-api-key":
                    method["apiKeyRequired"] = True

    def _parameters(self, parameters: list[Shape], operation: Shape) -> tuple[dict[str, bool], dict[str, str]]:
        found: dict[str, bool] = {}
        models: dict[str, str] = {}
        for given in parameters:
            one = self._resolved(given)
            if one.get("in") in _PLACES:
                found[f"method.request.{_PLACES[one['in']]}.{one['name']}"] = bool(one.get("required", False))
            elif one.get("in") == "body" and (model := self._model_of(one.get("schema", {}))):
                for content_type in operation.get("consumes") or self._document.get("consumes") or ["application/json"]:
                    models[content_type] = model
        for content_type, content in self._resolved(operation.get("requestBody", {})).get("content", {}).items():
            if model := self._model_of(content.get("schema", {})):
                models[content_type] = model
        return found, models

    def _response(self, status: str, given: Shape) -> Shape:
        one = self._resolved(given)
        response: Shape = {"statusCode": status}
        headers = one.get("headers", {})
        if headers:
            response["responseParameters"] = {f"method.response.header.{name}": False for name in headers}
        models = {content_type: model for content_type, content in one.get("content", {}).items() if (model := self._model_of(content.get("schema", {})))}
        if model := self._model_of(one.get("schema", {})):
            models["application/json"] = model
        if models:
            response["responseModels"] = models
        return response

    def _integration(self, described: Shape, method: Shape) -> Shape:
        made: Shape = {"type": str(described.get("type", "")).upper()}
        for member, target in (
            ("httpMethod", "integrationHttpMethod"),
            ("uri", "uri"),
            ("credentials", "credentials"),
            ("requestTemplates", "requestTemplates"),
            ("requestParameters", "requestParameters"),
            ("contentHandling", "contentHandling"),
            ("connectionId", "connectionId"),
            ("tlsConfig", "tlsConfig"),
            ("cacheNamespace", "cacheNamespace"),
            ("cacheKeyParameters", "cacheKeyParameters"),
        ):
            if described.get(member):
                made[target] = described[member]
        if "passthroughBehavior" in described:
            made["passthroughBehavior"] = str(described["passthroughBehavior"]).upper()
        if "timeoutInMillis" in described:
            made["timeoutInMillis"] = int(described["timeoutInMillis"])
        made["responses"] = {}
        for pattern, one in described.get("responses", {}).items():
            status = str(one.get("statusCode", "200"))
            response: Shape = {"statusCode": status}
            if pattern != "default":
                response["selectionPattern"] = pattern
            for member in ("responseParameters", "responseTemplates", "contentHandling"):
                if one.get(member):
                    response[member] = one[member]
            made["responses"][status] = response
            declared = method.setdefault("methodResponses", {}).setdefault(status, {"statusCode": status})
            for name in response.get("responseParameters", {}):
                declared.setdefault("responseParameters", {}).setdefault(name, False)
        return made

    # ---- references

    def _resolved(self, given: Shape) -> Shape:
        reference = given.get("$ref")
        if not isinstance(reference, str) or not reference.startswith("#/"):
            return given
        place: Any = self._document
        for step in reference[2:].split("/"):
            place = place[step.replace("~1", "/").replace("~0", "~")]
        return dict(place)

    def _model_of(self, schema: Shape) -> str | None:
        """The model that a schema refers to; schemas written out in place have no model."""
        reference = schema.get("$ref", "")
        for prefix in ("#/definitions/", "#/components/schemas/"):
            if reference.startswith(prefix):
                return _MODEL_NAME.sub("", reference.removeprefix(prefix))
        return None

    def _with_models(self, schema: Any, depth: int) -> Any:
        """A schema whose references to other schemas are references to models."""
        if depth > _DEPTH_MAX:
            raise bad_request("A schema of the definition is nested too deeply")
        if isinstance(schema, dict):
            made = {name: self._with_models(value, depth + 1) for name, value in schema.items()}
            if isinstance(schema.get("$ref"), str) and (model := self._model_of(schema)):
                made["$ref"] = f"https://apigateway.amazonaws.com/restapis/models/{model}"
            return made
        if isinstance(schema, list):
            return [self._with_models(one, depth + 1) for one in schema]
        return schema
