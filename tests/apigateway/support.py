"""What several tests of API Gateway need."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tests.apigateway.fakes import FakeLambda, function_arn
from tests.support.running import Running


@dataclass
class Answer:
    """A response as it came over the wire."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]


def fake_lambda(cloud: Running) -> FakeLambda:
    found = cloud.app.cloud.services["lambda"]
    assert isinstance(found, FakeLambda)
    return found


def send(cloud: Running, api: str, path: str, method: str = "GET", headers: dict[str, str] | list[tuple[str, str]] | None = None, body: bytes | None = None) -> Answer:
    """One request to a deployed API by its host name."""
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=20)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        given = list(headers.items()) if isinstance(headers, dict) else list(headers or [])
        if not any(name.lower() == "host" for name, _ in given):
            given.insert(0, ("Host", f"{api}.execute-api.us-east-1.amazonaws.com"))
        for name, value in given:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, response.getheaders(), response.read())
    finally:
        connection.close()


def proxy_uri(function: str) -> str:
    return f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function_arn(function)}/invocations"


def make_api(client: Any, paths: dict[str, dict[str, dict[str, Any]]], **settings: Any) -> str:
    """An API with resources and methods: `{"/pets/{id}": {"GET": {"function": "f", ...put_method parameters}}}`. Returns its id."""
    api = client.create_rest_api(name="test", **settings)
    ids = {"/": api["rootResourceId"]}
    for path, methods in paths.items():
        resource = add_resource(client, api["id"], ids, path)
        for name, method in methods.items():
            given = dict(method)
            function, integration = given.pop("function", None), given.pop("integration", {})
            client.put_method(restApiId=api["id"], resourceId=resource, httpMethod=name, **{"authorizationType": "NONE", **given})
            if function is not None:
                integration = {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": proxy_uri(function), **integration}
            client.put_integration(restApiId=api["id"], resourceId=resource, httpMethod=name, **integration)
    return api["id"]


def add_resource(client: Any, api: str, ids: dict[str, str], path: str) -> str:
    walked = ""
    parent = ids["/"]
    for part in [step for step in path.split("/") if step]:
        walked += f"/{part}"
        if walked not in ids:
            ids[walked] = client.create_resource(restApiId=api, parentId=parent, pathPart=part)["id"]
        parent = ids[walked]
    return parent


def deploy(client: Any, api: str, stage: str = "prod", **settings: Any) -> str:
    return client.create_deployment(restApiId=api, stageName=stage, **settings)["id"]


def error_of(call: Any, **params: Any) -> tuple[str, str]:
    try:
        call(**params)
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["Error"]["Message"]
    raise AssertionError("the call succeeded")
