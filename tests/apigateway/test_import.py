"""Whole APIs from OpenAPI and Swagger definitions."""

from __future__ import annotations

import json

import pytest

from tests.apigateway.support import deploy, error_of, fake_lambda, proxy_uri, send

CORS = {
    "responses": {"200": {"description": "ok", "headers": {"Access-Control-Allow-Origin": {"schema": {"type": "string"}}}}},
    "x-amazon-apigateway-integration": {
        "type": "mock",
        "requestTemplates": {"application/json": '{\n  "statusCode" : 200\n}\n'},
        "responses": {
            "default": {
                "statusCode": "200",
                "responseParameters": {"method.response.header.Access-Control-Allow-Origin": "'*'"},
                "responseTemplates": {"application/json": "{}\n"},
            }
        },
    },
}


def proxy(function="f", **more):
    return {"x-amazon-apigateway-integration": {"httpMethod": "POST", "type": "aws_proxy", "uri": proxy_uri(function)}, "responses": {}, **more}


# As deployment tools for serverless applications write it.
SWAGGER = {
    "swagger": "2.0",
    "info": {"version": "1.0", "title": "photos"},
    "basePath": "/v1/base",
    "paths": {
        "/photos": {"get": proxy(), "post": proxy(security=[{"api_key": []}]), "options": CORS},
        "/photos/{id}": {"x-amazon-apigateway-any-method": proxy(parameters=[{"name": "id", "in": "path", "required": True, "type": "string"}])},
        "/signed": {"get": proxy(security=[{"sigv4": []}])},
        "/guarded": {"get": proxy(security=[{"guard": []}])},
    },
    "securityDefinitions": {
        "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
        "sigv4": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"},
        "guard": {
            "type": "apiKey",
            "name": "Authorization",
            "in": "header",
            "x-amazon-apigateway-authtype": "custom",
            "x-amazon-apigateway-authorizer": {"type": "token", "authorizerUri": proxy_uri("guard"), "authorizerResultTtlInSeconds": 60},
        },
    },
    "x-amazon-apigateway-binary-media-types": ["image/jpeg"],
    "x-amazon-apigateway-gateway-responses": {"DEFAULT_4XX": {"responseParameters": {"gatewayresponse.header.X-Four": "'4'"}}},
}

OPENAPI = {
    "openapi": "3.0.1",
    "info": {"title": "pets", "version": "2024-01-01", "description": "All about pets"},
    "servers": [{"url": "https://example.com/{basePath}", "variables": {"basePath": {"default": "/api"}}}],
    "paths": {
        "/pets": {
            "post": proxy(
                requestBody={"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}},
                parameters=[{"$ref": "#/components/parameters/q"}],
                **{"x-amazon-apigateway-request-validator": "all"},
            )
        }
    },
    "components": {
        "parameters": {"q": {"name": "q", "in": "query", "required": True, "schema": {"type": "string"}}},
        "schemas": {
            "Pet": {"type": "object", "required": ["tag"], "properties": {"tag": {"$ref": "#/components/schemas/Tag"}}},
            "Tag": {"type": "string"},
        },
    },
    "x-amazon-apigateway-request-validators": {"all": {"validateRequestBody": True, "validateRequestParameters": True}},
}


def bring_in(gateway, definition, **parameters):
    return gateway.import_rest_api(body=json.dumps(definition).encode(), parameters=parameters)


def tree(gateway, api):
    return {one["path"]: sorted(one.get("resourceMethods", {})) for one in gateway.get_resources(restApiId=api, embed=["methods"])["items"]}


def test_a_swagger_definition(cloud, gateway):
    """Resources, integrations, authorizers, keys, CORS and gateway responses all come from it and work."""
    functions = fake_lambda(cloud).functions
    functions["f"] = lambda event: {"statusCode": 200, "body": event["resource"]}
    allow = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"}]}
    functions["guard"] = lambda event: {"principalId": "p", "policyDocument": allow}
    made = bring_in(gateway, SWAGGER, endpointConfigurationTypes="REGIONAL")
    assert made["name"] == "photos" and made["endpointConfiguration"]["types"] == ["REGIONAL"] and made["binaryMediaTypes"] == ["image/jpeg"]
    api = made["id"]
    assert tree(gateway, api) == {"/": [], "/guarded": ["GET"], "/photos": ["GET", "OPTIONS", "POST"], "/photos/{id}": ["ANY"], "/signed": ["GET"]}
    deploy(gateway, api)
    assert send(cloud, api, "/prod/photos").body == b"/photos"
    assert send(cloud, api, "/prod/photos/7", "PUT").body == b"/photos/{id}"
    preflight = send(cloud, api, "/prod/photos", "OPTIONS")
    assert preflight.status == 200 and preflight.header("access-control-allow-origin") == "*"
    keyless = send(cloud, api, "/prod/photos", "POST")
    assert (keyless.status, keyless.json, keyless.header("x-four")) == (403, {"message": "Forbidden"}, "4")
    assert send(cloud, api, "/prod/signed").json == {"message": "Missing Authentication Token"}
    assert send(cloud, api, "/prod/guarded").status == 401
    assert send(cloud, api, "/prod/guarded", headers={"Authorization": "t"}).status == 200


def test_an_openapi_definition(cloud, gateway):
    """Models refer to each other, validators check bodies and parameters."""
    fake_lambda(cloud).functions["f"] = lambda event: {"statusCode": 200}
    made = bring_in(gateway, OPENAPI)
    assert (made["description"], made["version"]) == ("All about pets", "2024-01-01")
    api = made["id"]
    assert {model["name"] for model in gateway.get_models(restApiId=api)["items"]} == {"Empty", "Error", "Pet", "Tag"}
    deploy(gateway, api)

    def post(path, body):
        return send(cloud, api, path, "POST", {"Content-Type": "application/json"}, body).status

    assert post("/prod/pets?q=1", b'{"tag": "t"}') == 200
    assert post("/prod/pets?q=1", b'{"tag": 1}') == 400
    assert post("/prod/pets", b'{"tag": "t"}') == 400


@pytest.mark.parametrize(("mode", "path"), [("ignore", "/photos"), ("prepend", "/v1/base/photos"), ("split", "/base/photos")])
def test_base_paths(gateway, mode, path):
    """What becomes of the definition's base path is the importer's choice."""
    api = bring_in(gateway, {**SWAGGER, "paths": {"/photos": {"get": proxy()}}}, basepath=mode)["id"]
    assert tree(gateway, api)[path] == ["GET"]


def test_merging_and_overwriting(gateway):
    """Merging adds and replaces by method; overwriting leaves nothing of before, except the API's identity."""
    made = bring_in(gateway, {**SWAGGER, "paths": {"/a": {"get": proxy()}, "/b": {"get": proxy()}}})
    api, root = made["id"], made["rootResourceId"]
    second = {"swagger": "2.0", "info": {"title": "second", "version": "2"}, "paths": {"/a": {"post": proxy("g")}, "/c": {"get": proxy()}}}
    merged = gateway.put_rest_api(restApiId=api, mode="merge", body=json.dumps(second).encode())
    assert (merged["id"], merged["name"]) == (api, "second")
    assert tree(gateway, api) == {"/": [], "/a": ["GET", "POST"], "/b": ["GET"], "/c": ["GET"]}
    gateway.put_rest_api(restApiId=api, mode="overwrite", body=json.dumps(second).encode())
    assert tree(gateway, api) == {"/": [], "/a": ["POST"], "/c": ["GET"]}
    assert gateway.get_rest_api(restApiId=api)["rootResourceId"] == root


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"{}",
        b'{"swagger": "2.0", "info": {"title": "t"}, "paths": []}',
        b'{"swagger": "2.0", "info": {"title": "t"}, "paths": {"no-slash": {"get": {}}}}',
        b'{"swagger": "2.0", "info": {"title": "t"}, "paths": {"/a": {"get": []}}}',
        b'{"swagger": "2.0", "info": {"title": "t"}, "paths": {"/a": {"get": {"parameters": [{"$ref": "#/nowhere"}]}}}}',
        b'{"swagger": "2.0", "info": {}, "paths": {}}',
    ],
)
def test_bad_definitions(gateway, body):
    """They are refused whole: no half-made API is left behind."""
    before = len(gateway.get_rest_apis(limit=500)["items"])
    assert error_of(gateway.import_rest_api, body=body)[0] == "BadRequestException"
    assert len(gateway.get_rest_apis(limit=500)["items"]) == before


def test_what_cannot_be_honoured_is_refused(gateway):
    """An integration that is not built, a definition in YAML."""
    http = {"/a": {"get": {"x-amazon-apigateway-integration": {"type": "http_proxy", "httpMethod": "GET", "uri": "http://example.com"}}}}
    assert error_of(gateway.import_rest_api, body=json.dumps({**SWAGGER, "paths": http}).encode())[0] == "NotImplemented"
    assert error_of(gateway.import_rest_api, body=b"swagger: '2.0'\ninfo:\n  title: t\n")[0] == "NotImplemented"
