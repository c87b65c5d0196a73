"""The control plane: documents, patches, errors."""

from __future__ import annotations

from json import dumps

import pytest

from tests.apigateway.support import add_resource, deploy, error_of, fake_lambda, make_api, proxy_uri, send


def patch(op, path, value=None):
    return {"op": op, "path": path, **({"value": value} if value is not None else {})}


@pytest.fixture
def api(gateway):
    return gateway.create_rest_api(name="api")["id"]


@pytest.fixture
def root(gateway, api):
    return gateway.get_resources(restApiId=api)["items"][0]["id"]


def test_apis(gateway):
    """An API begins with its root resource and two models, and has a name."""
    for texts, name in (({"name": ""}, "Name"), ({"name": "one", "description": ""}, "Description")):
        assert error_of(gateway.create_rest_api, **texts) == ("BadRequestException", f"{name} cannot be an empty string")
    made = gateway.create_rest_api(name="one", description="d", tags={"a": "b"})
    assert len(made["id"]) == 10 and made["apiKeySource"] == "HEADER" and made["endpointConfiguration"] == {"types": ["EDGE"], "ipAddressType": "ipv4"}
    assert made["ResponseMetadata"]["HTTPStatusCode"] == 201
    got = gateway.get_rest_api(restApiId=made["id"])
    assert got["createdDate"] == made["createdDate"] and got["tags"] == {"a": "b"}
    assert [model["name"] for model in gateway.get_models(restApiId=made["id"])["items"]] == ["Empty", "Error"]
    (resource,) = gateway.get_resources(restApiId=made["id"])["items"]
    assert resource == {"id": made["rootResourceId"], "path": "/"}
    assert gateway.delete_rest_api(restApiId=made["id"])["ResponseMetadata"]["HTTPStatusCode"] == 202
    message = f"Invalid API identifier specified 000000000000:{made['id']}"
    assert error_of(gateway.get_rest_api, restApiId=made["id"]) == ("NotFoundException", message)
    assert error_of(gateway.delete_rest_api, restApiId=made["id"]) == ("NotFoundException", message)


def test_apis_in_pages(fresh_cloud):
    """Pages by position until nothing is left."""
    gateway = fresh_cloud.client("apigateway")
    ids = {gateway.create_rest_api(name=str(number))["id"] for number in range(7)}
    pages = list(gateway.get_paginator("get_rest_apis").paginate(PaginationConfig={"PageSize": 3}))
    assert [len(page["items"]) for page in pages] == [3, 3, 1]
    assert {api["id"] for page in pages for api in page["items"]} == ids
    assert error_of(gateway.get_rest_apis, position="!")[0] == "BadRequestException"


def test_patching_an_api(gateway, api):
    """Lists are patched by the value in the path; every refusal has the service's words."""

    def update(*operations):
        return gateway.update_rest_api(restApiId=api, patchOperations=list(operations))

    def refused(*operations):
        return error_of(gateway.update_rest_api, restApiId=api, patchOperations=list(operations))

    assert refused(patch("replace", "/name", ""))[1] == "Name cannot be an empty string"

    got = update(patch("add", "/binaryMediaTypes/image~1png"), patch("add", "/binaryMediaTypes/image~1jpeg"))
    assert got["binaryMediaTypes"] == ["image/png", "image/jpeg"]
    got = update(patch("replace", "/binaryMediaTypes/image~1png", "image/gif"))
    assert got["binaryMediaTypes"] == ["image/jpeg", "image/gif"]
    got = update(patch("remove", "/binaryMediaTypes/image~1gif"), patch("replace", "/name", "new"), patch("replace", "/minimumCompressionSize", "10"))
    assert (got["binaryMediaTypes"], got["name"], got["minimumCompressionSize"]) == (["image/jpeg"], "new", 10)
    assert "minimumCompressionSize" not in update(patch("replace", "/minimumCompressionSize"))
    assert update(patch("replace", "/endpointConfiguration/types/EDGE", "REGIONAL"))["endpointConfiguration"]["types"] == ["REGIONAL"]
    assert refused(patch("replace", "/minimumCompressionSize", "-1"))[1] == "Invalid minimum compression size, must be between 0 and 10485760"
    assert refused(patch("add", "/minimumCompressionSize", "1"))[1] == "Invalid patch operation specified. Must be one of: [replace]"
    assert refused(patch("add", "/binaryMediaTypes", "x"))[1] == "Invalid patch path /binaryMediaTypes"
    assert refused(patch("replace", "/name", "lost"), patch("replace", "/nothing", "x"))[0] == "BadRequestException"
    assert gateway.get_rest_api(restApiId=api)["name"] == "new"


def test_resources(gateway, api, root):
    """The tree: creating, moving, renaming, deleting with everything below."""
    ids = {"/": root}
    add_resource(gateway, api, ids, "/pets/sub/pets")
    paths = [one["path"] for one in gateway.get_resources(restApiId=api)["items"]]
    assert paths == ["/", "/pets", "/pets/sub", "/pets/sub/pets"]

    def create(parent, part):
        return error_of(gateway.create_resource, restApiId=api, parentId=ids[parent], pathPart=part)

    def update(path, *operations):
        return error_of(gateway.update_resource, restApiId=api, resourceId=ids[path], patchOperations=list(operations))

    assert create("/", "pets") == ("ConflictException", "Another resource with the same parent already has this name: pets")
    assert create("/", "a/b")[0] == "BadRequestException"
    assert error_of(gateway.create_resource, restApiId=api, parentId="nope", pathPart="x") == ("NotFoundException", "Invalid Resource identifier specified")
    assert update("/pets", patch("replace", "/parentId", ids["/pets/sub"])) == ("BadRequestException", "Resources cannot be cyclical.")
    unknown = "Invalid patch path  '/invalid' specified for op 'replace'. Must be one of: [/parentId, /pathPart]"
    assert update("/pets", patch("replace", "/invalid", "x")) == ("BadRequestException", unknown)
    unsupported = "Invalid patch path  '/pathPart' specified for op 'remove'. Please choose supported operations"
    assert update("/pets", patch("remove", "/pathPart")) == ("BadRequestException", unsupported)
    moved = gateway.update_resource(restApiId=api, resourceId=ids["/pets/sub"], patchOperations=[patch("replace", "/parentId", root), patch("replace", "/pathPart", "dogs")])
    assert moved["path"] == "/dogs"
    assert [one["path"] for one in gateway.get_resources(restApiId=api)["items"]] == ["/", "/dogs", "/dogs/pets", "/pets"]
    gateway.delete_resource(restApiId=api, resourceId=ids["/pets/sub"])
    assert [one["path"] for one in gateway.get_resources(restApiId=api)["items"]] == ["/", "/pets"]
    assert error_of(gateway.get_resource, restApiId=api, resourceId=ids["/pets/sub/pets"])[1] == "Invalid Resource identifier specified"
    assert error_of(gateway.delete_resource, restApiId=api, resourceId=root)[0] == "BadRequestException"


def test_variable_resources(gateway, api, root):
    """One variable among siblings, nothing below a greedy one."""
    ids = {"/": root}
    add_resource(gateway, api, ids, "/{proxy+}")
    sibling = "A sibling ({proxy+}) of this resource already has a variable path part -- only one is allowed"
    assert error_of(gateway.create_resource, restApiId=api, parentId=root, pathPart="{id}") == ("BadRequestException", sibling)
    child = "Cannot create a child of a resource with a greedy path variable: {proxy+}"
    assert error_of(gateway.create_resource, restApiId=api, parentId=ids["/{proxy+}"], pathPart="x") == ("BadRequestException", child)


def test_methods(gateway, api, root):
    """Put once, patch, delete; what they refer to must exist."""
    where = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    parameters = {"method.request.querystring.q": True}
    made = gateway.put_method(**where, authorizationType="NONE", requestParameters=parameters, requestModels={"application/json": "Empty"})
    assert made["apiKeyRequired"] is False and made["requestParameters"] == parameters
    assert error_of(gateway.put_method, **where, authorizationType="NONE") == ("ConflictException", "Method already exists for this resource")
    post = {**where, "httpMethod": "POST", "authorizationType": "NONE"}
    assert error_of(gateway.put_method, **{**post, "httpMethod": "WRONG"})[1] == (
        "Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY"
    )
    assert error_of(gateway.put_method, **post, requestValidatorId="x") == ("BadRequestException", "Invalid Request Validator identifier specified")
    assert error_of(gateway.put_method, **post, requestModels={"application/json": "petModel"})[1] == "Invalid model identifier specified: petModel"
    same = {"method.request.querystring.a": True, "method.request.header.a": True}
    assert error_of(gateway.put_method, **post, requestParameters=same)[1] == "Parameter names must be unique across querystring, header and path"
    patched = gateway.update_method(
        **where, patchOperations=[patch("replace", "/authorizationType", "AWS_IAM"), patch("replace", "/requestParameters/method.request.querystring.q", "false")]
    )
    assert (patched["authorizationType"], patched["requestParameters"]) == ("AWS_IAM", {"method.request.querystring.q": False})
    assert error_of(gateway.update_method, **where, patchOperations=[patch("replace", "/httpMethod", "X")])[1] == "Invalid patch path /httpMethod"
    assert error_of(gateway.update_method, **where, patchOperations=[patch("add", "/authorizationType", "X")])[1] == (
        "Invalid patch operation specified. Must be one of: [replace]"
    )
    assert error_of(gateway.delete_model, restApiId=api, modelName="Empty") == (
        "ConflictException",
        "Cannot delete model 'Empty', is referenced in method request: //GET",
    )
    gateway.put_method_response(**where, statusCode="200", responseParameters={"method.response.header.X": False})
    changed = gateway.update_method_response(**where, statusCode="200", patchOperations=[patch("add", "/responseParameters/method.response.header.Y", "true")])
    assert changed["responseParameters"] == {"method.response.header.X": False, "method.response.header.Y": True}
    gateway.delete_method_response(**where, statusCode="200")
    assert error_of(gateway.get_method_response, **where, statusCode="404") == ("NotFoundException", "Invalid Response status code specified")
    assert gateway.delete_method(**where)["ResponseMetadata"]["HTTPStatusCode"] == 204
    assert error_of(gateway.get_method, **where) == ("NotFoundException", "Invalid Method identifier specified")


def test_integrations(gateway, api, root):
    """Defaults are shown; what could not be carried out is refused."""
    where = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    gateway.put_method(**where, authorizationType="NONE")
    assert error_of(gateway.get_integration, **where) == ("NotFoundException", "No integration defined for method")
    proxy = {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": proxy_uri("f")}
    made = gateway.put_integration(**where, **proxy)
    assert (made["timeoutInMillis"], made["passthroughBehavior"], made["cacheNamespace"], made["httpMethod"]) == (29000, "WHEN_NO_MATCH", root, "POST")
    assert gateway.update_integration(**where, patchOperations=[patch("replace", "/timeoutInMillis", "1000")])["timeoutInMillis"] == 1000
    assert error_of(gateway.update_integration, **where, patchOperations=[patch("replace", "/timeoutInMillis", "49")])[0] == "BadRequestException"
    assert error_of(gateway.put_integration, **where, **{**proxy, "uri": "arn:aws:apigateway:us-east-1:s3:path/x"})[0] == "BadRequestException"
    assert error_of(gateway.put_integration, **where, type="HTTP_PROXY", integrationHttpMethod="GET", uri="http://example.com")[0] == "NotImplemented"
    vtl = {"application/json": '{"statusCode": $input.params("x")}'}
    assert error_of(gateway.put_integration, **where, type="MOCK", requestTemplates=vtl)[0] == "NotImplemented"
    gateway.delete_integration(**where)
    assert error_of(gateway.delete_integration, **where)[0] == "NotFoundException"


def test_deployments_are_snapshots(cloud, gateway):
    """What is changed afterwards is not served until it is deployed; stages can go back."""
    functions = fake_lambda(cloud).functions
    functions["one"], functions["two"] = (lambda event: {"body": "one"}), (lambda event: {"body": "two"})
    api = make_api(gateway, {"/": {"GET": {"function": "one"}}})
    first = deploy(gateway, api)
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    gateway.update_integration(restApiId=api, resourceId=root, httpMethod="GET", patchOperations=[patch("replace", "/uri", proxy_uri("two"))])
    assert send(cloud, api, "/prod").body == b"one"
    second = deploy(gateway, api)
    assert send(cloud, api, "/prod").body == b"two"
    gateway.update_stage(restApiId=api, stageName="prod", patchOperations=[patch("replace", "/deploymentId", first)])
    assert send(cloud, api, "/prod").body == b"one"
    active = "Active stages pointing to this deployment must be moved or deleted"
    assert error_of(gateway.delete_deployment, restApiId=api, deploymentId=first) == ("BadRequestException", active)
    gateway.delete_deployment(restApiId=api, deploymentId=second)
    summary = gateway.get_deployment(restApiId=api, deploymentId=first, embed=["apisummary"])["apiSummary"]
    assert summary == {"/": {"GET": {"authorizationType": "NONE", "apiKeyRequired": False}}}
    gateway.delete_stage(restApiId=api, stageName="prod")
    assert send(cloud, api, "/prod").status == 403


def test_what_cannot_be_deployed(gateway, api, root):
    """An API without methods, a method without integration."""
    assert error_of(gateway.create_deployment, restApiId=api, stageName="x") == ("BadRequestException", "The REST API doesn't contain any methods")
    gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    assert error_of(gateway.create_deployment, restApiId=api, stageName="x") == ("BadRequestException", "No integration defined for method")
    assert error_of(gateway.create_deployment, restApiId="none", stageName="x")[0] == "NotFoundException"


def test_stages(gateway):
    """Created once, patched by path, with the service's long list of paths when a path is wrong."""
    api = make_api(gateway, {"/": {"GET": {"function": "f"}}})
    deployment = gateway.create_deployment(restApiId=api)["id"]
    made = gateway.create_stage(restApiId=api, stageName="s", deploymentId=deployment, description="d", variables={"a": "1"})
    assert made["cacheClusterStatus"] == "NOT_AVAILABLE" and made["methodSettings"] == {} and made["tracingEnabled"] is False
    again = {"restApiId": api, "stageName": "s", "deploymentId": deployment}
    assert error_of(gateway.create_stage, **again) == ("ConflictException", "Stage already exists")
    assert error_of(gateway.create_stage, **{**again, "stageName": "b/d"}) == ("BadRequestException", "Stage name only allows a-zA-Z0-9_-")
    assert error_of(gateway.create_stage, **{**again, "stageName": "t", "deploymentId": "nope"})[0] == "BadRequestException"
    where = {"restApiId": api, "stageName": "s"}
    operations = [patch("replace", "/variables/b", "2"), patch("remove", "/variables/a"), patch("replace", "/*/*/throttling/rateLimit", "10")]
    got = gateway.update_stage(**where, patchOperations=operations)
    assert got["variables"] == {"b": "2"} and got["methodSettings"]["*/*"]["throttlingRateLimit"] == 10.0
    code, message = error_of(gateway.update_stage, **where, patchOperations=[patch("replace", "/documentation_version", "x")])
    assert code == "BadRequestException" and message.startswith("Invalid method setting path: /documentation_version. Must be one of: [/deploymentId, ")
    for path, value in (("/cacheClusterEnabled", "true"), ("/*/*/logging/loglevel", "INFO"), ("/tracingEnabled", "true"), ("/canarySettings/percentTraffic", "10")):
        assert error_of(gateway.update_stage, **where, patchOperations=[patch("replace", path, value)])[0] == "NotImplemented"
    assert [one["stageName"] for one in gateway.get_stages(restApiId=api, deploymentId=deployment)["item"]] == ["s"]
    assert error_of(gateway.get_stage, restApiId=api, stageName="none") == ("NotFoundException", "Invalid stage identifier specified")


def test_models_and_validators(gateway, api):
    """Lifecycles and refusals."""
    made = gateway.create_model(restApiId=api, name="Pet", contentType="application/json", schema='{"type": "object"}')
    assert made["name"] == "Pet"
    twice = {"restApiId": api, "name": "Pet", "contentType": "application/json", "schema": "{}"}
    assert error_of(gateway.create_model, **twice) == ("ConflictException", "Model name already exists for this REST API")
    empty = "Model schema must have at least 1 property or array items defined"
    assert error_of(gateway.create_model, restApiId=api, name="No", contentType="application/json") == ("BadRequestException", empty)
    assert error_of(gateway.get_model, restApiId=api, modelName="None") == ("NotFoundException", "Invalid model name specified: None")
    wrong = "Invalid patch path  '/name' specified for op 'replace'. Must be one of: [/description, /schema]"
    assert error_of(gateway.update_model, restApiId=api, modelName="Pet", patchOperations=[patch("replace", "/name", "x")]) == ("BadRequestException", wrong)
    gateway.delete_model(restApiId=api, modelName="Pet")
    validator = gateway.create_request_validator(restApiId=api, name="v")
    assert (validator["validateRequestBody"], validator["validateRequestParameters"]) == (False, False)
    where = {"restApiId": api, "requestValidatorId": validator["id"]}
    assert gateway.update_request_validator(**where, patchOperations=[patch("replace", "/validateRequestBody", "true")])["validateRequestBody"] is True
    assert [one["name"] for one in gateway.get_request_validators(restApiId=api)["items"]] == ["v"]
    gateway.delete_request_validator(**where)
    assert error_of(gateway.get_request_validator, **where) == ("NotFoundException", "Invalid Request Validator identifier specified")


def test_tags(gateway, api):
    """Tags of an API by its ARN."""
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{api}"
    gateway.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
    gateway.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert gateway.get_tags(resourceArn=arn)["tags"] == {"b": "2"}
    assert gateway.get_rest_api(restApiId=api)["tags"] == {"b": "2"}
    for tags in ({"aws:x": "1"}, {str(number): "" for number in range(51)}):
        assert error_of(gateway.tag_resource, resourceArn=arn, tags=tags)[0] == "BadRequestException"
        for create in (gateway.create_rest_api, gateway.create_api_key, gateway.create_usage_plan):
            assert error_of(create, name="tagged", tags=tags)[0] == "BadRequestException"


def test_the_account(gateway):
    """Limits are shown, the role for logs can be set."""
    assert gateway.get_account()["throttleSettings"] == {"burstLimit": 5000, "rateLimit": 10000.0}
    role = "arn:aws:iam::000000000000:role/logs"
    assert gateway.update_account(patchOperations=[patch("replace", "/cloudwatchRoleArn", role)])["cloudwatchRoleArn"] == role


def test_usage_plans(gateway):
    """Stages come and go by `api:stage`; a key is on one plan a stage."""
    api = make_api(gateway, {"/": {"GET": {"function": "f"}}})
    deploy(gateway, api)
    plan = gateway.create_usage_plan(name="p", throttle={"rateLimit": 1.0, "burstLimit": 2}, quota={"limit": 10, "period": "WEEK"})
    assert plan["quota"] == {"limit": 10, "period": "WEEK", "offset": 0}
    where = {"usagePlanId": plan["id"]}
    got = gateway.update_usage_plan(**where, patchOperations=[patch("add", "/apiStages", f"{api}:prod"), patch("replace", "/quota/limit", "20")])
    assert got["apiStages"] == [{"apiId": api, "stage": "prod"}] and got["quota"]["limit"] == 20
    assert error_of(gateway.update_usage_plan, **where, patchOperations=[patch("add", "/apiStages", f"{api}:none")]) == (
        "NotFoundException",
        f"API Stage not found: {api}:none",
    )
    assert error_of(gateway.create_usage_plan, name="q", quota={"limit": 1, "period": "DAY", "offset": 1})[1] == "Usage Plan quota offset must be zero in the DAY period"
    key = gateway.create_api_key(name="k", enabled=True)["id"]
    gateway.create_usage_plan_key(**where, keyId=key, keyType="API_KEY")
    other = gateway.create_usage_plan(name="o", apiStages=[{"apiId": api, "stage": "prod"}])["id"]
    assert error_of(gateway.create_usage_plan_key, usagePlanId=other, keyId=key, keyType="API_KEY")[0] == "ConflictException"
    assert [one["id"] for one in gateway.get_usage_plan_keys(**where)["items"]] == [key]
    found = gateway.get_usage_plan_key(**where, keyId=key)
    assert (found["id"], found["name"], found["type"]) == (key, "k", "API_KEY")
    assert [one["id"] for one in gateway.get_usage_plans(keyId=key)["items"]] == [plan["id"]]
    assert error_of(gateway.delete_usage_plan, **where)[0] == "BadRequestException"
    gateway.update_usage_plan(**where, patchOperations=[patch("remove", "/apiStages", f"{api}:prod")])
    gateway.delete_usage_plan(**where)
    assert error_of(gateway.get_usage_plan, **where) == ("NotFoundException", "Invalid Usage Plan ID specified")
    gateway.delete_api_key(apiKey=key)
    assert error_of(gateway.get_api_key, apiKey=key) == ("NotFoundException", "Invalid API Key identifier specified")


@pytest.mark.parametrize(("key", "region"), [("111111111111", "us-east-1"), ("test", "eu-west-1")])
def test_accounts_and_regions_are_apart(cloud, gateway, api, key, region):
    """Ids are found by requests to APIs everywhere, by management only at home."""
    elsewhere = cloud.client("apigateway", key=key, region=region)
    assert elsewhere.get_rest_apis()["items"] == []
    assert error_of(elsewhere.get_rest_api, restApiId=api)[0] == "NotFoundException"


def test_what_is_not_built_says_so(gateway, api):
    """By name, with 501."""
    assert error_of(gateway.get_export, restApiId=api, stageName="x", exportType="oas30")[0] == "NotImplemented"
    assert error_of(gateway.create_rest_api, name="x", endpointConfiguration={"types": ["PRIVATE"]})[0] == "NotImplemented"
    assert error_of(gateway.create_domain_name, domainName="example.com")[0] == "NotImplemented"


def test_parameters_that_are_not_honoured_are_refused(gateway, api):
    """Because who gives one counts on it; the value that is the default anyway is taken."""
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    gateway.put_method(restApiId=api, resourceId=root, httpMethod="GET", authorizationType="NONE")
    place = {"restApiId": api, "resourceId": root, "httpMethod": "GET"}
    definition = dumps({"openapi": "3.0.1", "info": {"title": "imported", "version": "1"}, "paths": {}}).encode()
    lambda_uri = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f/invocations"
    for call, wish, word in (
        (gateway.create_api_key, {"name": "k", "generateDistinctId": False}, "generateDistinctId"),
        (gateway.put_integration, {**place, "type": "MOCK", "integrationTarget": "arn:aws:elasticloadbalancing:us-east-1:000000000000:listener/app/a/b/c"}, "integrationTarget"),
        (gateway.import_rest_api, {"body": definition, "failOnWarnings": True}, "failOnWarnings"),
        (gateway.put_rest_api, {"restApiId": api, "body": definition, "failOnWarnings": True}, "failOnWarnings"),
        (gateway.create_authorizer, {"restApiId": api, "name": "a", "type": "TOKEN", "authorizerUri": lambda_uri, "providerARNs": ["arn:aws:cognito-idp:us-east-1:1:userpool/x"]}, "providerARNs"),
    ):
        code, message = error_of(call, **wish)[:2]
        assert code == "NotImplemented" and word in message
    assert gateway.create_api_key(name="k", generateDistinctId=True)["id"]
    assert gateway.import_rest_api(body=definition, failOnWarnings=False)["name"] == "imported"


def test_apis_survive_a_restart(fresh_cloud):
    """Everything lies in the store; the first request after the start finds it."""
    gateway = fresh_cloud.client("apigateway")
    api = make_api(gateway, {"/": {"GET": {"function": "f"}}})
    deploy(gateway, api)
    fresh_cloud.stop()
    fresh_cloud.start()
    fake_lambda(fresh_cloud).functions["f"] = lambda event: {"body": "still here"}
    assert send(fresh_cloud, api, "/prod").body == b"still here"
    assert fresh_cloud.client("apigateway").get_stage(restApiId=api, stageName="prod")["stageName"] == "prod"
