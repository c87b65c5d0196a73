"""What the gateway answers itself: MOCK integrations, validation, gateway responses, compression, trying out."""

from __future__ import annotations

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haneul.services.apigateway.plane.routes import Routes
from haneul.services.apigateway.plane.schema import Schema, SchemaError
from tests.apigateway.support import deploy, error_of, fake_lambda, make_api, send


def mock(gateway, api, resource, status="200", *, headers=None, body=None, template='{"statusCode": 200}', **settings):
    """A method OPTIONS that is answered by the gateway."""
    where = {"restApiId": api, "resourceId": resource, "httpMethod": "OPTIONS"}
    gateway.put_method(**where, authorizationType="NONE")
    gateway.put_integration(**where, type="MOCK", requestTemplates={"application/json": template}, **settings)
    parameters = {f"method.response.header.{name}": True for name in headers or {}}
    gateway.put_method_response(**where, statusCode=status, responseParameters=parameters)
    values = {f"method.response.header.{name}": f"'{value}'" for name, value in (headers or {}).items()}
    templates = {"application/json": body} if body is not None else {}
    gateway.put_integration_response(**where, statusCode=status, responseParameters=values, responseTemplates=templates)


def root_of(gateway, api):
    return next(one["id"] for one in gateway.get_resources(restApiId=api)["items"] if one["path"] == "/")


def test_preflights_are_mocks(cloud, gateway):
    """CORS is the API owner's: a MOCK answers OPTIONS with literal headers, the front does not."""
    api = gateway.create_rest_api(name="cors")["id"]
    mock(gateway, api, root_of(gateway, api), headers={"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Methods": "GET,PUT"}, body='{"ok": true}')
    deploy(gateway, api)
    answer = send(cloud, api, "/prod", "OPTIONS", {"Origin": "http://example.com", "Access-Control-Request-Method": "GET"})
    assert (answer.status, answer.json) == (200, {"ok": True})
    assert answer.all("access-control-allow-origin") == ["*"] and answer.header("access-control-allow-methods") == "GET,PUT"


@pytest.mark.parametrize("template", ["{statusCode:200}", "{ statusCode: 200 }", '{ \n"statusCode" : 200}'])
def test_preflights_as_deployment_tools_write_them(cloud, gateway, template):
    """The gateway reads names without quotation marks, and the Serverless Framework asks besides for the conversion to text that happens anyhow."""
    api = gateway.create_rest_api(name="tools")["id"]
    mock(gateway, api, root_of(gateway, api), headers={"Access-Control-Allow-Origin": "*"}, template=template, contentHandling="CONVERT_TO_TEXT")
    deploy(gateway, api)
    answer = send(cloud, api, "/prod", "OPTIONS")
    assert (answer.status, answer.header("access-control-allow-origin")) == (200, "*")


def test_mocks_choose_by_status(cloud, gateway):
    """The response whose pattern fits the status in the template; without one it is the API's fault."""
    api = gateway.create_rest_api(name="m")["id"]
    root = root_of(gateway, api)
    mock(gateway, api, root, "404", template='{"statusCode": 404}')
    where = {"restApiId": api, "resourceId": root, "httpMethod": "OPTIONS"}
    pattern = [{"op": "replace", "path": "/selectionPattern", "value": "5.."}]
    deploy(gateway, api)
    assert send(cloud, api, "/prod", "OPTIONS").status == 404
    gateway.update_integration_response(**where, statusCode="404", patchOperations=pattern)
    deploy(gateway, api)
    assert send(cloud, api, "/prod", "OPTIONS").status == 500
    assert send(cloud, api, "/prod", "OPTIONS", {"Content-Type": "text/plain"}, b"x").status == 500


def test_responses_must_be_declared(gateway):
    """A mapped header that the method does not declare is refused, as in the service."""
    api = gateway.create_rest_api(name="d")["id"]
    where = {"restApiId": api, "resourceId": root_of(gateway, api), "httpMethod": "OPTIONS"}
    gateway.put_method(**where, authorizationType="NONE")
    gateway.put_integration(**where, type="MOCK", requestTemplates={"application/json": "{}"})
    assert error_of(gateway.put_integration_response, **where, statusCode="200") == ("NotFoundException", "Invalid Response status code specified")
    gateway.put_method_response(**where, statusCode="200")
    code, message = error_of(gateway.put_integration_response, **where, statusCode="200", responseParameters={"method.response.header.X": "'v'"})
    assert code == "BadRequestException" and "Invalid mapping expression" in message


def test_validation(cloud, gateway):
    """Parameters are checked by presence, bodies by the model of their content type."""
    fake_lambda(cloud).functions["f"] = lambda event: {"statusCode": 200, "body": "fine"}
    api = gateway.create_rest_api(name="v")["id"]
    schema = {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}}
    gateway.create_model(restApiId=api, name="Pet", contentType="application/json", schema=json.dumps(schema))
    validator = gateway.create_request_validator(restApiId=api, name="all", validateRequestBody=True, validateRequestParameters=True)["id"]
    resource = gateway.create_resource(restApiId=api, parentId=root_of(gateway, api), pathPart="{id}")["id"]
    where = {"restApiId": api, "resourceId": resource, "httpMethod": "POST"}
    parameters = {"method.request.querystring.q": True, "method.request.header.X-H": True, "method.request.path.id": True, "method.request.querystring.o": False}
    gateway.put_method(**where, authorizationType="NONE", requestValidatorId=validator, requestParameters=parameters, requestModels={"application/json": "Pet"})
    uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f/invocations"
    gateway.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    deploy(gateway, api)

    def post(path="/prod/1?q=1", body=b'{"name": "n"}', headers=None):
        return send(cloud, api, path, "POST", {"X-H": "h", "Content-Type": "application/json"} if headers is None else headers, body)

    assert post().status == 200
    missing = post("/prod/1", headers={})
    assert (missing.status, missing.json) == (400, {"message": "Missing required request parameters: [X-H, q]"})
    assert missing.header("x-amzn-ErrorType") == "BadRequestException"
    for body in (b"{}", b"[]", b'{"name": 1}', b"{"):
        assert (post(body=body).status, post(body=body).json) == (400, {"message": "Invalid request body"})
    assert post(body=b"anything", headers={"X-H": "h", "Content-Type": "text/plain"}).status == 200


def test_gateway_responses(cloud, gateway):
    """Status, headers and body of refusals are the API's to change; DEFAULT_4XX stands for those not named."""
    api = make_api(gateway, {"/": {"GET": {"function": "none"}}, "/key": {"GET": {"function": "none", "apiKeyRequired": True}}})
    gateway.put_gateway_response(
        restApiId=api,
        responseType="MISSING_AUTHENTICATION_TOKEN",
        statusCode="404",
        responseParameters={
            "gatewayresponse.header.Access-Control-Allow-Origin": "'*'",
            "gatewayresponse.header.X-Stage": "context.stage",
            "gatewayresponse.header.X-Echo": "method.request.header.X-In",
        },
        responseTemplates={"application/json": '{"oops": $context.error.messageString, "type": "$context.error.responseType"}'},
    )
    gateway.put_gateway_response(restApiId=api, responseType="DEFAULT_4XX", responseParameters={"gatewayresponse.header.X-Four": "'4'"})
    deploy(gateway, api)
    answer = send(cloud, api, "/prod/nothing", headers={"X-In": "in"})
    assert (answer.status, answer.json) == (404, {"oops": "Missing Authentication Token", "type": "MISSING_AUTHENTICATION_TOKEN"})
    assert (answer.header("access-control-allow-origin"), answer.header("x-stage"), answer.header("x-echo")) == ("*", "prod", "in")
    forbidden = send(cloud, api, "/prod/key")
    assert (forbidden.status, forbidden.json, forbidden.header("x-four")) == (403, {"message": "Forbidden"}, "4")
    kinds = {one["responseType"]: one for one in gateway.get_gateway_responses(restApiId=api)["items"]}
    assert len(kinds) == 21 and kinds["MISSING_AUTHENTICATION_TOKEN"]["defaultResponse"] is False and kinds["THROTTLED"]["statusCode"] == "429"
    changes = [{"op": "replace", "path": "/statusCode", "value": "410"}]
    gateway.update_gateway_response(restApiId=api, responseType="DEFAULT_4XX", patchOperations=changes)
    assert gateway.get_gateway_response(restApiId=api, responseType="DEFAULT_4XX")["statusCode"] == "410"
    gateway.delete_gateway_response(restApiId=api, responseType="DEFAULT_4XX")
    assert error_of(gateway.delete_gateway_response, restApiId=api, responseType="DEFAULT_4XX")[0] == "NotFoundException"


@pytest.mark.parametrize(
    ("name", "source", "told"),
    [
        ("Access-Control-Allow-Origin", "'*'", "parameter specified: Access-Control-Allow-Origin]"),
        ("gatewayresponse.body.x", "'*'", "parameter specified: gatewayresponse.body.x]"),
        ("gatewayresponse.header.Access-Control-Allow-Origin", "*", "errors : [Invalid mapping expression specified: *]"),
        ("gatewayresponse.header.X-Id", "integration.response.header.X-Id", "errors : [Invalid mapping expression specified: integration.response.header.X-Id]"),
    ],
)
def test_headers_of_gateway_responses_that_nothing_would_come_of(cloud, gateway, name, source, told):
    """A header without quotation marks around its text would silently be missing, to browsers above all."""
    api = gateway.create_rest_api(name="unquoted")["id"]
    code, message = error_of(gateway.put_gateway_response, restApiId=api, responseType="DEFAULT_4XX", responseParameters={name: source})
    assert code == "BadRequestException" and told in message
    changes = [{"op": "add", "path": f"/responseParameters/{name}", "value": source}]
    assert error_of(gateway.update_gateway_response, restApiId=api, responseType="DEFAULT_4XX", patchOperations=changes) == (code, message)


def test_gateway_responses_show_the_request(cloud, gateway):
    """Headers and bodies can name parameters of the request, variables of the stage, and the whole context, also where no method was found."""
    api = make_api(gateway, {"/{id}": {"GET": {"function": "none", "apiKeyRequired": True}}})
    parameters = {"X-Path": "method.request.path.id", "X-Query": "method.request.querystring.q", "X-Variable": "stageVariables.v", "X-None": "method.request.path.none"}
    for kind in ("INVALID_API_KEY", "MISSING_AUTHENTICATION_TOKEN"):
        gateway.put_gateway_response(
            restApiId=api,
            responseType=kind,
            responseParameters={f"gatewayresponse.header.{name}": source for name, source in parameters.items()},
            responseTemplates={
                "application/json": '["$stageVariables.v", "$method.request.querystring.q", "$method.request.path.id", "$context.httpMethod $context.path", "$context.resourcePath"]'
            },
        )
    deploy(gateway, api, variables={"v": "blue"})
    answer = send(cloud, api, "/prod/7?q=a%20b")
    assert (answer.status, answer.json) == (403, ["blue", "a b", "7", "GET /prod/7", "/{id}"])
    assert [answer.header(name) for name in parameters] == ["7", "a b", "blue", None]
    answer = send(cloud, api, "/prod/7/8?q=c")
    assert (answer.status, answer.json) == (403, ["blue", "c", "", "GET /prod/7/8", "/"])
    assert [answer.header(name) for name in parameters] == [None, "c", "blue", None]


def test_compression(cloud, gateway):
    """Answers from the API's minimum size on are compressed for those who accept it; compressed requests are unpacked."""
    fake_lambda(cloud).functions["echo"] = lambda event: {"statusCode": 200, "body": event["body"] or ""}
    api = make_api(gateway, {"/": {"POST": {"function": "echo"}}}, minimumCompressionSize=100)
    deploy(gateway, api)
    large = send(cloud, api, "/prod", "POST", {"Accept-Encoding": "gzip", "Content-Encoding": "gzip"}, gzip.compress(b"x" * 1000))
    assert large.header("content-encoding") == "gzip" and gzip.decompress(large.body) == b"x" * 1000
    small = send(cloud, api, "/prod", "POST", {"Accept-Encoding": "gzip"}, b"x" * 99)
    assert small.header("content-encoding") is None and small.body == b"x" * 99
    bomb = send(cloud, api, "/prod", "POST", {"Content-Encoding": "gzip"}, gzip.compress(b"\0" * 11_000_000))
    assert bomb.status == 413


def test_trying_a_method_out(cloud, gateway):
    """It works on what is not deployed and asks nobody for permission but the caller."""
    fake_lambda(cloud).functions["echo"] = lambda event: {"statusCode": 201, "headers": {"X-A": "b"}, "body": json.dumps(event)}
    api = make_api(gateway, {"/pets/{id}": {"POST": {"function": "echo", "authorizationType": "AWS_IAM"}}})
    resource = next(one["id"] for one in gateway.get_resources(restApiId=api)["items"] if one["path"] == "/pets/{id}")
    answer = gateway.test_invoke_method(
        restApiId=api, resourceId=resource, httpMethod="POST", pathWithQueryString="/pets/7?a=b", body="hi", headers={"X-H": "v"}, stageVariables={"s": "t"}
    )
    event = json.loads(answer["body"])
    assert (answer["status"], answer["headers"]["X-A"]) == (201, "b")
    assert (event["pathParameters"], event["queryStringParameters"], event["body"], event["stageVariables"]) == ({"id": "7"}, {"a": "b"}, "hi", {"s": "t"})
    assert event["requestContext"]["stage"] == "test-invoke-stage"


# ---- schemas

PET = {
    "type": "object",
    "required": ["name"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 5, "pattern": "^[a-z]+$"},
        "age": {"type": "integer", "minimum": 0, "maximum": 9, "exclusiveMaximum": True},
        "tags": {"type": "array", "items": {"$ref": "#/definitions/tag"}, "maxItems": 2, "uniqueItems": True},
        "kind": {"enum": ["cat", "dog", None]},
        "owner": {"$ref": "https://apigateway.amazonaws.com/restapis/x/models/Owner"},
        "either": {"oneOf": [{"type": "string"}, {"type": "number"}]},
        "chip": {"type": "integer"},
    },
    "definitions": {"tag": {"type": "string"}},
    "dependencies": {"chip": ["name", "age"], "either": {"properties": {"tags": {"maxItems": 1}}}},
}


@pytest.mark.parametrize(
    ("value", "fits"),
    [
        ({"name": "rex"}, True),
        ({}, False),
        ([], False),
        ({"name": ""}, False),
        ({"name": "toolong"}, False),
        ({"name": "R"}, False),
        ({"name": "r", "more": 1}, False),
        ({"name": "r", "age": 8.0}, True),
        ({"name": "r", "age": 9}, False),
        ({"name": "r", "age": True}, False),
        ({"name": "r", "age": 1.5}, False),
        ({"name": "r", "tags": ["a", "b"]}, True),
        ({"name": "r", "tags": ["a", "a"]}, False),
        ({"name": "r", "tags": ["a", 1]}, False),
        ({"name": "r", "tags": ["a", "b", "c"]}, False),
        ({"name": "r", "kind": None}, True),
        ({"name": "r", "chip": 7, "age": 1}, True),
        ({"name": "r", "chip": 7}, False),
        ({"name": "r", "either": 1, "tags": ["a"]}, True),
        ({"name": "r", "either": 1, "tags": ["a", "b"]}, False),
        ({"name": "r", "kind": "cow"}, False),
        ({"name": "r", "owner": {"id": 1}}, True),
        ({"name": "r", "owner": {"id": "1"}}, False),
        ({"name": "r", "either": 1}, True),
        ({"name": "r", "either": []}, False),
    ],
)
def test_schemas(value, fits):
    """Draft 4 as models use it, with references inside and between models."""
    schema = Schema(PET, {"Owner": {"type": "object", "properties": {"id": {"type": "integer"}}}})
    if fits:
        schema.check(value)
    else:
        with pytest.raises(SchemaError):
            schema.check(value)


def test_schemas_that_refer_to_themselves_end():
    """A reference in a circle is an error, not an endless loop."""
    with pytest.raises(SchemaError):
        Schema({"$ref": "#"}, {}).check({})


# ---- routes

_STEP = st.sampled_from(["a", "b", "{x}", "{y+}"])


@given(st.sets(st.lists(_STEP, max_size=3).map(tuple), min_size=1), st.lists(st.sampled_from(["a", "b", "c"]), max_size=4))
def test_routes_agree_with_the_plain_rule(templates, steps):
    """The oracle tries all resources and takes the first by literal, variable, greedy, step by step."""
    usable = [one for one in templates if not any(step.endswith("+}") for step in one[:-1])]
    resources = [{"path": "/" + "/".join(one), "methods": {"GET": {}}} for one in usable]

    def rank(template):
        if template and template[-1] == "{y+}":
            if len(steps) < len(template):
                return None
            pairs = list(zip(template[:-1], steps))
        elif len(template) == len(steps):
            pairs = list(zip(template, steps))
        else:
            return None
        if any(not t.startswith("{") and t != s for t, s in pairs):
            return None
        return [0 if not t.startswith("{") else 1 for t, _ in pairs] + ([2] if template and template[-1] == "{y+}" else [])

    ranked = sorted((rank(one), one) for one in usable if rank(one) is not None)
    found = Routes(resources).find("/" + "/".join(steps))
    if not ranked:
        assert found is None
        return
    assert found is not None and found[0]["path"] == "/" + "/".join(ranked[0][1])
    expected = {}
    for at, step in enumerate(ranked[0][1]):
        if step == "{x}":
            expected.setdefault("x", steps[at])
        elif step == "{y+}":
            expected["y"] = "/".join(steps[at:])
    assert set(found[1]) == set(expected)
