"""Who gets in: resource policies, IAM, Lambda authorizers, API keys and usage plans."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from haneul.services.apigateway.service import ApiGateway
from haneul.services.iam.service import Iam
from haneul.services.sts.service import Sts
from tests.apigateway.fakes import FakeLambda, FunctionError, function_arn
from tests.apigateway.support import deploy, error_of, fake_lambda, make_api, proxy_uri, send
from tests.support.running import Running


@pytest.fixture
def cloud() -> Iterator[Running]:
    with Running(services=[ApiGateway, FakeLambda, Iam, Sts]) as running:
        fake_lambda(running).functions["f"] = lambda event: {"statusCode": 200, "body": json.dumps(event["requestContext"])}
        yield running


@pytest.fixture
def gateway(cloud):
    return cloud.client("apigateway")


def signed(cloud, api, path, key, secret, *, body=b"", service="execute-api", token=None):
    """A request signed as SDKs and curl --aws-sigv4 do it."""
    url = f"http://{api}.execute-api.us-east-1.amazonaws.com{path}"
    request = AWSRequest("GET", url, data=body, headers={"Host": f"{api}.execute-api.us-east-1.amazonaws.com"})
    SigV4Auth(Credentials(key, secret, token), service, "us-east-1").add_auth(request)
    return send(cloud, api, path, "GET", dict(request.headers.items()), body or None)


def policy(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def user(cloud, name, *statements):
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=policy(*statements))
    made = iam.create_access_key(UserName=name)["AccessKey"]
    return made["AccessKeyId"], made["SecretAccessKey"]


# ---- IAM


def test_iam_authorization(cloud, gateway):
    """The method's ARN is what permissions are about; the function learns who called."""
    api = make_api(gateway, {"/a": {"GET": {"function": "f", "authorizationType": "AWS_IAM"}}, "/b": {"GET": {"function": "f", "authorizationType": "AWS_IAM"}}})
    deploy(gateway, api)
    resource = f"arn:aws:execute-api:us-east-1:000000000000:{api}/prod/GET/a"
    keys = user(cloud, "ann", {"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": resource})
    answer = signed(cloud, api, "/prod/a", *keys)
    assert answer.status == 200
    identity = answer.json["identity"]
    assert identity["userArn"] == "arn:aws:iam::000000000000:user/ann" and identity["accessKey"] == keys[0] and identity["accountId"] == "000000000000"
    denied = signed(cloud, api, "/prod/b", *keys)
    assert denied.status == 403 and denied.header("x-amzn-ErrorType") == "AccessDeniedException"
    assert denied.json["Message"].startswith(
        f"User: arn:aws:iam::000000000000:user/ann is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:********0000:{api}/prod/GET/b"
    )
    anonymous = send(cloud, api, "/prod/a")
    assert (anonymous.status, anonymous.json) == (403, {"message": "Missing Authentication Token"})
    assert signed(cloud, api, "/prod/a", "test", "test").status == 200


def test_bad_signatures(cloud, gateway):
    """A wrong secret, an unknown key, another service's signature: each is refused with its own error type."""
    api = make_api(gateway, {"/": {"GET": {"function": "f", "authorizationType": "AWS_IAM"}}})
    deploy(gateway, api)
    wrong = signed(cloud, api, "/prod", "test", "wrong")
    assert (wrong.status, wrong.header("x-amzn-ErrorType")) == (403, "InvalidSignatureException")
    unknown = signed(cloud, api, "/prod", "AKIAIOSFODNN7EXAMPLE", "x")
    assert (unknown.status, unknown.header("x-amzn-ErrorType")) == (403, "UnrecognizedClientException")
    assert signed(cloud, api, "/prod", "test", "test", service="s3").status == 403
    tampered = send(cloud, api, "/prod", headers={"Authorization": "nonsense"})
    assert tampered.status == 403


def test_tokens_where_signatures_are_meant(cloud, gateway):
    """A token of somebody else's is no signature, which is said of methods that want one and of paths that are not there; it is not repeated."""
    api = make_api(gateway, {"/": {"GET": {"function": "f", "authorizationType": "AWS_IAM"}}})
    deploy(gateway, api)
    for path in ("/prod", "/prod/nothing"):
        bearer = send(cloud, api, path, headers={"Authorization": "Bearer abc"})
        assert (bearer.status, bearer.header("x-amzn-ErrorType")) == (403, "IncompleteSignatureException")
        assert bearer.json["message"] == (
            "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with Base64): "
            f"'{base64.b64encode(hashlib.sha256(b'Bearer abc').digest()).decode()}'."
        )
        for token in ("eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "Basic dXNlcjpwYXNz="):
            bare = send(cloud, api, path, headers={"Authorization": token})
            assert bare.status == 403
            assert bare.json["message"] == (
                "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. "
                "Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header. "
                f"(Hashed with SHA-256 and encoded with Base64) Authorization={base64.b64encode(hashlib.sha256(token.encode()).digest()).decode()}"
            )
    assert send(cloud, api, "/prod/nothing").json["message"] == "Missing Authentication Token"


def test_resource_policies(cloud, gateway):
    """With a policy, everybody who is not let in by it stays out; `execute-api:/` stands for the API's own ARN. It counts once deployed."""
    allow = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/prod/GET/open"}
    api = make_api(gateway, {"/open": {"GET": {"function": "f"}}, "/closed": {"GET": {"function": "f"}}})
    deploy(gateway, api)
    gateway.update_rest_api(restApiId=api, patchOperations=[{"op": "replace", "path": "/policy", "value": policy(allow)}])
    assert send(cloud, api, "/prod/closed").status == 200
    deploy(gateway, api)
    assert send(cloud, api, "/prod/open").status == 200
    answer = send(cloud, api, "/prod/closed")
    assert answer.status == 403
    assert answer.json["Message"].startswith(
        f"User: anonymous is not authorized to perform: execute-api:Invoke on resource: arn:aws:execute-api:us-east-1:********0000:{api}/prod/GET/closed"
    )
    kept = json.loads(gateway.get_rest_api(restApiId=api)["policy"].replace('\\"', '"'))
    assert kept["Statement"][0]["Resource"] == f"arn:aws:execute-api:us-east-1:000000000000:{api}/prod/GET/open"
    assert error_of(gateway.update_rest_api, restApiId=api, patchOperations=[{"op": "replace", "path": "/policy", "value": "{"}])[0] == "BadRequestException"


def test_principals_of_a_resource_policy(cloud, gateway):
    """They must exist, and are kept by their unique ids: what is shown follows who is meant."""
    iam = cloud.client("iam")
    arn = iam.create_user(UserName="ann")["User"]["Arn"]
    unique_id = iam.get_user(UserName="ann")["User"]["UserId"]
    allow = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
    api = gateway.create_rest_api(name="kept", policy=policy(allow))["id"]

    def principal():
        return json.loads(gateway.get_rest_api(restApiId=api)["policy"].replace('\\"', '"'))["Statement"][0]["Principal"]["AWS"]

    assert principal() == arn
    iam.delete_user(UserName="ann")
    assert principal() == unique_id
    code, message = error_of(gateway.create_rest_api, name="other", policy=policy(allow))
    assert (code, message) == ("BadRequestException", "Invalid policy document. Please check the policy syntax and ensure that Principals are valid.")


def test_policies_by_address(cloud, gateway):
    """The usual allow list of addresses."""
    allow = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}
    for address, status in (("127.0.0.0/8", 200), ("10.0.0.0/8", 403)):
        api = make_api(gateway, {"/": {"GET": {"function": "f"}}}, policy=policy({**allow, "Condition": {"IpAddress": {"aws:SourceIp": address}}}))
        deploy(gateway, api)
        assert send(cloud, api, "/prod").status == status


# ---- Lambda authorizers


def authorized(gateway, **settings):
    """An API whose only method asks an authorizer called `auth`."""
    api = gateway.create_rest_api(name="authorized", apiKeySource=settings.pop("apiKeySource", "HEADER"))
    authorizer = gateway.create_authorizer(restApiId=api["id"], name="a", authorizerUri=proxy_uri("auth"), **settings)
    resource = gateway.create_resource(restApiId=api["id"], parentId=api["rootResourceId"], pathPart="x")["id"]
    for name in ("GET", "POST"):
        gateway.put_method(restApiId=api["id"], resourceId=resource, httpMethod=name, authorizationType="CUSTOM", authorizerId=authorizer["id"])
        gateway.put_integration(restApiId=api["id"], resourceId=resource, httpMethod=name, type="AWS_PROXY", integrationHttpMethod="POST", uri=proxy_uri("f"))
    deploy(gateway, api["id"])
    return api["id"], authorizer["id"]


def decision(effect="Allow", resource="*", **more):
    document = {"Version": "2012-10-17", "Statement": [{"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}]}
    return {"principalId": "ann", "policyDocument": document, **more}


TOKEN = {"type": "TOKEN", "identitySource": "method.request.header.Authorization"}


def test_token_authorizers(cloud, gateway):
    """The token and the method's ARN go to the authorizer, its context goes to the function, as text."""
    fake = fake_lambda(cloud)
    fake.functions["auth"] = lambda event: decision(context={"number": 1, "flag": True, "text": "t"})
    api, authorizer = authorized(gateway, **TOKEN)
    answer = send(cloud, api, "/prod/x", headers={"Authorization": "secret"})
    assert answer.status == 200
    given = answer.json["authorizer"]
    assert given == {"number": "1", "flag": "true", "text": "t", "principalId": "ann", "integrationLatency": 0}
    asked = fake.events[0]
    arn = f"arn:aws:execute-api:us-east-1:000000000000:{api}/prod/GET/x"
    assert asked["event"] == {"type": "TOKEN", "methodArn": arn, "authorizationToken": "secret"}
    assert asked["context"]["aws:SourceArn"] == f"arn:aws:execute-api:us-east-1:000000000000:{api}/authorizers/{authorizer}"
    missing = send(cloud, api, "/prod/x")
    assert (missing.status, missing.json, missing.header("x-amzn-ErrorType")) == (401, {"message": "Unauthorized"}, "UnauthorizedException")


@pytest.mark.parametrize(
    ("answer", "status", "body"),
    [
        (decision("Deny"), 403, {"Message": "User is not authorized to access this resource with an explicit deny"}),
        (decision(resource="arn:aws:execute-api:us-east-1:000000000000:other/*"), 403, {"Message": "User is not authorized to access this resource"}),
        (FunctionError("Unauthorized"), 401, {"message": "Unauthorized"}),
        (FunctionError("crashed"), 500, {"message": None}),
        ({"principalId": "ann"}, 500, {"message": None}),
        ({"policyDocument": {}}, 500, {"message": None}),
        (decision(context={"nested": {}}), 500, {"message": None}),
        ("allow", 500, {"message": None}),
        (b"{", 500, {"message": None}),
    ],
)
def test_what_authorizers_answer(cloud, gateway, answer, status, body):
    """No, no with reasons, failures and nonsense: none of them lets anybody in."""

    def function(event):
        if isinstance(answer, Exception):
            raise answer
        return answer

    fake_lambda(cloud).functions["auth"] = function
    api, _ = authorized(gateway, **TOKEN)
    got = send(cloud, api, "/prod/x", headers={"Authorization": "t"})
    assert (got.status, got.json) == (status, body)


@pytest.mark.parametrize(
    ("own", "decided", "status"),
    [
        ("Deny", decision(), 403),
        (None, decision(), 200),
        ("Allow", decision(resource="arn:aws:execute-api:us-east-1:000000000000:other/*"), 200),
        (None, decision(resource="arn:aws:execute-api:us-east-1:000000000000:other/*"), 403),
        ("Allow", decision("Deny"), 403),
    ],
)
def test_authorizers_beside_a_resource_policy(cloud, gateway, own, decided, status):
    """One of the two must allow and neither deny; only what the API's own policy denies is refused without asking the authorizer."""
    fake = fake_lambda(cloud)
    fake.functions["auth"] = lambda event: decided
    api, _ = authorized(gateway, **TOKEN)
    elsewhere = {"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/prod/GET/elsewhere"}
    statements = [elsewhere, {**elsewhere, "Effect": own, "Resource": "execute-api:/*"}] if own else [elsewhere]
    gateway.update_rest_api(restApiId=api, patchOperations=[{"op": "replace", "path": "/policy", "value": policy(*statements)}])
    deploy(gateway, api)
    assert send(cloud, api, "/prod/x", headers={"Authorization": "t"}).status == status
    assert ("authorizationToken" in str(fake.events)) is (own != "Deny")


def test_decisions_are_remembered_by_the_clock(cloud, gateway):
    """One question per identity and time to live, for all methods; flushing asks anew."""
    fake = fake_lambda(cloud)
    asked = []
    fake.functions["auth"] = lambda event: asked.append(event["authorizationToken"]) or decision()
    api, _ = authorized(gateway, **TOKEN, authorizerResultTtlInSeconds=60)
    for token in ("a", "a", "b"):
        assert send(cloud, api, "/prod/x", headers={"Authorization": token}).status == 200
    assert send(cloud, api, "/prod/x", "POST", headers={"Authorization": "a"}).status == 200
    assert asked == ["a", "b"]
    cloud.advance("61s")
    send(cloud, api, "/prod/x", headers={"Authorization": "a"})
    assert asked == ["a", "b", "a"]
    gateway.flush_stage_authorizers_cache(restApiId=api, stageName="prod")
    send(cloud, api, "/prod/x", headers={"Authorization": "a"})
    assert asked == ["a", "b", "a", "a"]


def test_tokens_are_checked_before_the_function(cloud, gateway):
    """A token that does not look like one costs no invocation."""
    fake_lambda(cloud).functions["auth"] = lambda event: decision()
    api, _ = authorized(gateway, **TOKEN, identityValidationExpression="Bearer [a-z]+")
    assert send(cloud, api, "/prod/x", headers={"Authorization": "nope"}).status == 401
    assert fake_lambda(cloud).events == []
    assert send(cloud, api, "/prod/x", headers={"Authorization": "Bearer abc"}).status == 200


def test_request_authorizers(cloud, gateway):
    """They see the whole request; every identity source must be there."""
    fake = fake_lambda(cloud)
    fake.functions["auth"] = lambda event: decision()
    sources = "method.request.header.X-User, method.request.querystring.q"
    api, _ = authorized(gateway, type="REQUEST", identitySource=sources)
    assert send(cloud, api, "/prod/x?q=1", headers={"X-User": "ann"}).status == 200
    event = fake.events[0]["event"]
    assert event["type"] == "REQUEST" and event["queryStringParameters"] == {"q": "1"} and event["headers"]["X-User"] == "ann"
    assert event["requestContext"]["resourcePath"] == "/x" and "body" not in event
    assert send(cloud, api, "/prod/x", headers={"X-User": "ann"}).status == 401


def test_life_of_an_authorizer(gateway):
    """Found, listed, changed piece by piece, deleted."""
    api = gateway.create_rest_api(name="x")["id"]
    made = gateway.create_authorizer(restApiId=api, name="a", authorizerUri=proxy_uri("auth"), **TOKEN)
    where = {"restApiId": api, "authorizerId": made["id"]}
    assert gateway.get_authorizer(**where)["name"] == "a"
    changes = [{"op": "replace", "path": "/authorizerResultTtlInSeconds", "value": "0"}, {"op": "replace", "path": "/name", "value": "b"}]
    changed = gateway.update_authorizer(**where, patchOperations=changes)
    assert (changed["authorizerResultTtlInSeconds"], changed["name"]) == (0, "b")
    assert [one["name"] for one in gateway.get_authorizers(restApiId=api)["items"]] == ["b"]
    gateway.delete_authorizer(**where)
    assert error_of(gateway.get_authorizer, **where) == ("NotFoundException", "Invalid Authorizer identifier specified")


def test_authorizers_that_cannot_be(gateway):
    """What would never work is refused when it is made."""
    api = gateway.create_rest_api(name="x")["id"]
    cognito = {"type": "COGNITO_USER_POOLS", "providerARNs": ["arn:aws:cognito-idp:us-east-1:000000000000:userpool/x"], "identitySource": "method.request.header.A"}
    assert error_of(gateway.create_authorizer, restApiId=api, name="c", **cognito)[0] == "NotImplemented"
    assert error_of(gateway.create_authorizer, restApiId=api, name="t", **TOKEN, authorizerUri="arn:aws:lambda:x")[0] == "BadRequestException"
    assert error_of(gateway.create_authorizer, restApiId=api, name="r", type="REQUEST", authorizerUri=proxy_uri("f"))[0] == "BadRequestException"
    root = gateway.get_resources(restApiId=api)["items"][0]["id"]
    code, message = error_of(gateway.put_method, restApiId=api, resourceId=root, httpMethod="GET", authorizationType="CUSTOM", authorizerId="nope")
    assert (code, message.split(".")[0]) == ("BadRequestException", "Invalid authorizer ID specified")


# ---- API keys and usage plans


@pytest.fixture
def keyed(cloud, gateway):
    """An API whose method wants a key."""
    api = make_api(gateway, {"/": {"GET": {"function": "f", "apiKeyRequired": True}}})
    deploy(gateway, api)
    return api


def test_keys_open_the_stages_of_their_plan(cloud, gateway, keyed):
    """Missing, wrong, planless and disabled keys are all forbidden; the function learns the key."""
    key = gateway.create_api_key(name="ann", enabled=True)
    assert len(key["value"]) == 40

    def status(value=key["value"]):
        return send(cloud, keyed, "/prod", headers={"X-API-Key": value} if value else {}).status

    assert (status(""), status("x" * 40), status()) == (403, 403, 403)
    plan = gateway.create_usage_plan(name="p", apiStages=[{"apiId": keyed, "stage": "prod"}])["id"]
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    answer = send(cloud, keyed, "/prod", headers={"x-api-key": key["value"]})
    assert answer.json["identity"]["apiKey"] == key["value"] and answer.json["identity"]["apiKeyId"] == key["id"]
    gateway.update_api_key(apiKey=key["id"], patchOperations=[{"op": "replace", "path": "/enabled", "value": "false"}])
    answer = send(cloud, keyed, "/prod", headers={"x-api-key": key["value"]})
    assert (answer.status, answer.json) == (403, {"message": "Forbidden"})
    gateway.update_api_key(apiKey=key["id"], patchOperations=[{"op": "replace", "path": "/enabled", "value": "true"}])
    assert status() == 200
    gateway.delete_usage_plan_key(usagePlanId=plan, keyId=key["id"])
    assert status() == 403


def plan_with_key(gateway, api, **limits):
    plan = gateway.create_usage_plan(name="p", apiStages=[{"apiId": api, "stage": "prod"}], **limits)["id"]
    key = gateway.create_api_key(name="k", enabled=True)
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    return plan, key["id"], {"x-api-key": key["value"]}


def test_quotas_count_by_the_calendar(cloud, gateway, keyed):
    """When the quota is used up there is nothing until the next day, restarts included."""
    plan, key, headers = plan_with_key(gateway, keyed, quota={"limit": 2, "period": "DAY"})
    assert [send(cloud, keyed, "/prod", headers=headers).status for _ in range(3)] == [200, 200, 429]
    answer = send(cloud, keyed, "/prod", headers=headers)
    assert (answer.json, answer.header("x-amzn-ErrorType")) == ({"message": "Limit Exceeded"}, "LimitExceededException")
    cloud.stop()
    cloud.start()
    fake_lambda(cloud).functions["f"] = lambda event: {"statusCode": 200}
    assert send(cloud, keyed, "/prod", headers=headers).status == 429
    cloud.advance("24h")
    assert send(cloud, keyed, "/prod", headers=headers).status == 200
    cloud.advance("2s")
    gateway = cloud.client("apigateway")
    today = datetime.fromtimestamp(cloud.clock.seconds(), UTC)
    start = (today - timedelta(days=1)).strftime("%Y-%m-%d")
    usage = gateway.get_usage(usagePlanId=plan, startDate=start, endDate=today.strftime("%Y-%m-%d"))
    assert usage["items"][key] == [[2, 0], [1, 1]]


def test_plans_limit_the_rate(cloud, gateway, keyed):
    """A burst empties the bucket, time fills it."""
    _, _, headers = plan_with_key(gateway, keyed, throttle={"rateLimit": 0.5, "burstLimit": 2})
    assert [send(cloud, keyed, "/prod", headers=headers).status for _ in range(3)] == [200, 200, 429]
    answer = send(cloud, keyed, "/prod", headers=headers)
    assert (answer.json, answer.header("x-amzn-ErrorType")) == ({"message": "Too Many Requests"}, "TooManyRequestsException")
    cloud.advance("2s")
    assert [send(cloud, keyed, "/prod", headers=headers).status for _ in range(2)] == [200, 429]


def test_stages_limit_the_rate_of_methods(cloud, gateway):
    """Set by patching the stage, for all methods or for one."""
    api = make_api(gateway, {"/a": {"GET": {"function": "f"}}, "/b": {"GET": {"function": "f"}}})
    deploy(gateway, api)
    patches = [
        {"op": "replace", "path": "/~1a/GET/throttling/burstLimit", "value": "1"},
        {"op": "replace", "path": "/~1a/GET/throttling/rateLimit", "value": "1"},
    ]
    stage = gateway.update_stage(restApiId=api, stageName="prod", patchOperations=patches)
    assert stage["methodSettings"]["a/GET"]["throttlingBurstLimit"] == 1
    assert [send(cloud, api, "/prod/a").status for _ in range(2)] == [200, 429]
    assert [send(cloud, api, "/prod/b").status for _ in range(2)] == [200, 200]


def test_authorizers_can_name_the_key(cloud, gateway):
    """With the key source AUTHORIZER the header does not count."""
    fake = fake_lambda(cloud)
    key = gateway.create_api_key(name="k", enabled=True, value="0123456789abcdefghij")
    fake.functions["auth"] = lambda event: decision(usageIdentifierKey=key["value"])
    api, _ = authorized(gateway, **TOKEN, apiKeySource="AUTHORIZER")
    resource = next(one["id"] for one in gateway.get_resources(restApiId=api)["items"] if one["path"] == "/x")
    gateway.update_method(restApiId=api, resourceId=resource, httpMethod="GET", patchOperations=[{"op": "replace", "path": "/apiKeyRequired", "value": "true"}])
    deploy(gateway, api)
    headers = {"Authorization": "t"}
    assert send(cloud, api, "/prod/x", headers=headers).status == 403
    plan = gateway.create_usage_plan(name="p", apiStages=[{"apiId": api, "stage": "prod"}])["id"]
    gateway.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    assert send(cloud, api, "/prod/x", headers=headers).status == 200


def test_key_values_are_sealed(cloud, gateway):
    """A stolen data directory shows no key."""
    value = gateway.create_api_key(name="secret", value="this-is-a-secret-value")["value"]
    store = cloud.app.cloud.store
    rows = store.range(b"\x02", b"\x03")
    assert not [row for row in rows if value.encode() in row[0] + row[1]]
    assert gateway.get_api_keys(nameQuery="sec", includeValues=True)["items"][0]["value"] == value


# ---- the control plane's own permissions


def test_managing_apis_needs_permission(cloud, gateway):
    """Actions are HTTP methods, resources are paths."""
    api = gateway.create_rest_api(name="x")["id"]
    read = {"Effect": "Allow", "Action": "apigateway:GET", "Resource": "arn:aws:apigateway:us-east-1::/restapis/*"}
    key, secret = user(cloud, "reader", read)
    client = cloud.client("apigateway", key=key, secret=secret)
    assert client.get_rest_api(restApiId=api)["name"] == "x"
    code, message = error_of(client.delete_rest_api, restApiId=api)
    assert code == "AccessDeniedException"
    assert f"is not authorized to perform: apigateway:DELETE on resource: arn:aws:apigateway:us-east-1::/restapis/{api}" in message
    assert error_of(client.create_rest_api, name="y")[0] == "AccessDeniedException"


def test_integrations_with_a_role(cloud, gateway):
    """A role in the integration invokes the function instead of the gateway: its policies decide, not the function's."""
    iam = cloud.client("iam")
    trust = policy({"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"}, "Action": "sts:AssumeRole"})
    role = iam.create_role(RoleName="invoker", AssumeRolePolicyDocument=trust)["Role"]["Arn"]
    fake_lambda(cloud).policy = None
    api = make_api(gateway, {"/": {"GET": {"function": "f", "integration": {"credentials": role}}}})
    deploy(gateway, api)
    assert send(cloud, api, "/prod").status == 500
    allow = policy({"Effect": "Allow", "Action": "lambda:InvokeFunction", "Resource": function_arn("f")})
    iam.put_role_policy(RoleName="invoker", PolicyName="p", PolicyDocument=allow)
    assert send(cloud, api, "/prod").status == 200
