"""What tests of functions need: packages, roles, functions."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from typing import Any

from tests.support.python import PYTHON
from tests.support.running import Running

TRUST = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]})
ECHO = "def handler(event, context):\n    return event\n"
# The beginning of a function that is an extension, too: `call(method, path, body, headers)` of the Extensions API, and `me`, by which it is known there.
REGISTERED = """
import http.client, json, os, threading, time
def call(method, path, body=None, headers={}):
    own = http.client.HTTPConnection(os.environ['AWS_LAMBDA_RUNTIME_API'])
    own.request(method, '/2020-01-01/extension/' + path, body, headers)
    answer = own.getresponse()
    answer.read()
    return answer
me = {'Lambda-Extension-Identifier': call('POST', 'register', '{"events": ["INVOKE"]}', {'Lambda-Extension-Name': 'int'}).headers['Lambda-Extension-Identifier']}
"""


def package(files: dict[str, str | bytes], *, mode: int = 0o644) -> bytes:
    """A zip file of the given files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFREG | mode) << 16
            archive.writestr(info, text)
    return out.getvalue()


def role(cloud: Running, name: str = "functions", policy: list[dict[str, Any]] | None = None) -> str:
    """A role that Lambda may assume; by default it may do everything."""
    iam = cloud.client("iam")
    try:
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=TRUST)["Role"]["Arn"]
    except iam.exceptions.EntityAlreadyExistsException:
        return str(iam.get_role(RoleName=name)["Role"]["Arn"])
    statements = [{"Effect": "Allow", "Action": "*", "Resource": "*"}] if policy is None else policy
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="inline", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}))
    return arn


def function(cloud: Running, name: str, code: str = ECHO, **settings: Any) -> dict[str, Any]:
    """Create a Python function whose handler is `handler` in `code`."""
    settings.setdefault("Role", role(cloud))
    made: dict[str, Any] = cloud.client("lambda").create_function(
        **{"FunctionName": name, "Runtime": PYTHON, "Handler": "index.handler", "Code": {"ZipFile": package({"index.py": code})}, **settings}
    )
    return made


def open_url(client: Any, name: str, auth_type: str = "NONE") -> None:
    """Let everybody use a function's URL: two permissions, of which the second holds for no other way to invoke it."""
    client.add_permission(FunctionName=name, StatementId="url", Action="lambda:InvokeFunctionUrl", Principal="*", FunctionUrlAuthType=auth_type)
    client.add_permission(FunctionName=name, StatementId="url-invoke", Action="lambda:InvokeFunction", Principal="*", InvokedViaFunctionUrl=True)


def invoke(cloud: Running, name: str, event: Any = None, **options: Any) -> Any:
    """What a function returns."""
    answer = cloud.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event if event is not None else {}), **options)
    return json.loads(answer["Payload"].read())
