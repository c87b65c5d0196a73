"""Deploys the photo application with nothing but public AWS API calls, one resource after another."""

from __future__ import annotations

import io
import json
import sys
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
STAGE = "prod"
PYTHON = f"python3.{sys.version_info.minor}"  # The runtime for which this environment has Pillow, which becomes the layer.
LOGGING = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
STREAM_READING = "arn:aws:iam::aws:policy/service-role/AWSLambdaDynamoDBExecutionRole"
TRUST = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]}


@dataclass
class Function:
    """One function: where its code is, what it runs on, and what its role allows."""

    name: str
    runtime: str
    handler: str
    managed: list[str]
    allows: list[dict[str, Any]]
    layers: tuple[str, ...] = ()


def allow(action: str, resource: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource}


class Photos:
    """The application in one account. `client(service)` gives boto3 clients; `say` tells of each step."""

    def __init__(self, client: Callable[[str], Any], say: Callable[[str, str], None], region: str) -> None:
        self.client = client
        self.say = say
        self.region = region
        self.account = client("sts").get_caller_identity()["Account"]
        self.photos_bucket = f"photos-{self.account}"
        self.thumbnails_bucket = f"thumbnails-{self.account}"
        self.table = "photos"
        self.queue = "photos-indexed"
        self.queue_url = ""
        self.api = ""

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"

    def functions(self) -> list[Function]:
        """The four functions. `index` is not yet allowed to send to the queue: the demonstration shows what happens then."""
        table = self.arn("dynamodb", f"table/{self.table}")
        photos, thumbnails = f"arn:aws:s3:::{self.photos_bucket}/*", f"arn:aws:s3:::{self.thumbnails_bucket}/*"
        return [
            Function("upload", PYTHON, "app.handler", [LOGGING], [allow("s3:PutObject", photos)]),
            Function(
                "thumbnail",
                PYTHON,
                "app.handler",
                [LOGGING],
                [allow("s3:GetObject", photos), allow("s3:PutObject", thumbnails), allow("dynamodb:PutItem", table)],
                ("pillow",),
            ),
            Function("index", "nodejs24.x", "index.handler", [LOGGING, STREAM_READING], []),
            Function("list", PYTHON, "app.handler", [LOGGING], [allow("dynamodb:Query", table)]),
        ]

    def deploy(self) -> None:
        """Make everything, in the order in which it depends on each other."""
        self._storage()
        layers = {"pillow": self._pillow_layer()}
        for function in self.functions():
            self._function(function, layers)
        self._wait_active()
        self._connect_bucket()
        self._connect_stream()
        self._api()

    def allow_index_to_send(self) -> None:
        """The missing permission."""
        policy = {"Version": "2012-10-17", "Statement": [allow("sqs:SendMessage", self.arn("sqs", self.queue))]}
        self.client("iam").put_role_policy(RoleName="photos-index", PolicyName="send", PolicyDocument=json.dumps(policy))

    def _storage(self) -> None:
        s3 = self.client("s3")
        for bucket in (self.photos_bucket, self.thumbnails_bucket):
            s3.create_bucket(Bucket=bucket)
            self.say("s3", f"bucket {bucket}")
        self.client("dynamodb").create_table(
            TableName=self.table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "album", "AttributeType": "S"}, {"AttributeName": "photo", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "album", "KeyType": "HASH"}, {"AttributeName": "photo", "KeyType": "RANGE"}],
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.client("dynamodb").get_waiter("table_exists").wait(TableName=self.table, WaiterConfig={"Delay": 1, "MaxAttempts": 30})
        self.say("dynamodb", f"table {self.table} with its stream")
        self.queue_url = self.client("sqs").create_queue(QueueName=self.queue)["QueueUrl"]
        self.say("sqs", f"queue {self.queue}")

    def _pillow_layer(self) -> str:
        spec = find_spec("PIL")
        if spec is None or spec.origin is None:
            raise SystemExit("Pillow is missing from this environment: run `make setup`")
        site = Path(spec.origin).parent.parent
        files = {f"python/{file.relative_to(site)}": file.read_bytes() for part in ("PIL", "pillow.libs") for file in (site / part).rglob("*") if _wanted(file)}
        answer = self.client("lambda").publish_layer_version(
            LayerName="pillow", Content={"ZipFile": make_zip(files)}, CompatibleRuntimes=[PYTHON]
        )
        self.say("lambda", f"layer pillow, {answer['Content']['CodeSize'] // 1024} KB")
        return str(answer["LayerVersionArn"])

    def _function(self, function: Function, layers: dict[str, str]) -> None:
        iam = self.client("iam")
        role = f"photos-{function.name}"
        role_arn = iam.create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
        for policy in function.managed:
            iam.attach_role_policy(RoleName=role, PolicyArn=policy)
        if function.allows:
            iam.put_role_policy(RoleName=role, PolicyName="work", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": function.allows}))
        folder = HERE / function.name
        code = make_zip({str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if _wanted(file)})
        self.client("lambda").create_function(
            FunctionName=function.name,
            Runtime=function.runtime,
            Handler=function.handler,
            Role=role_arn,
            Code={"ZipFile": code},
            MemorySize=256,
            Timeout=10,
            Layers=[layers[name] for name in function.layers],
            Environment={
                "Variables": {
                    "PHOTOS_BUCKET": self.photos_bucket,
                    "THUMBNAILS_BUCKET": self.thumbnails_bucket,
                    "TABLE": self.table,
                    "QUEUE_URL": self.queue_url,
                }
            },
        )
        self.say("lambda", f"function {function.name} ({function.runtime}) with role {role}")

    def _wait_active(self) -> None:
        for function in self.functions():
            self.client("lambda").get_waiter("function_active_v2").wait(FunctionName=function.name, WaiterConfig={"Delay": 1, "MaxAttempts": 60})

    def _connect_bucket(self) -> None:
        self.client("lambda").add_permission(
            FunctionName="thumbnail",
            StatementId="s3",
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
            SourceArn=f"arn:aws:s3:::{self.photos_bucket}",
            SourceAccount=self.account,
        )
        self.client("s3").put_bucket_notification_configuration(
            Bucket=self.photos_bucket,
            NotificationConfiguration={"LambdaFunctionConfigurations": [{"LambdaFunctionArn": self.arn("lambda", "function:thumbnail"), "Events": ["s3:ObjectCreated:*"]}]},
        )
        self.say("s3", f"{self.photos_bucket} tells thumbnail of every new object")

    def _connect_stream(self) -> None:
        stream = self.client("dynamodb").describe_table(TableName=self.table)["Table"]["LatestStreamArn"]
        mapping = self.client("lambda").create_event_source_mapping(
            EventSourceArn=stream, FunctionName="index", StartingPosition="TRIM_HORIZON", BatchSize=10, MaximumRetryAttempts=100
        )
        while self.client("lambda").get_event_source_mapping(UUID=mapping["UUID"])["State"] != "Enabled":
            time.sleep(0.1)
        self.say("lambda", f"the stream of {self.table} drives index")

    def _api(self) -> None:
        gateway = self.client("apigateway")
        self.api = gateway.create_rest_api(name="photos", binaryMediaTypes=["image/jpeg", "image/png"])["id"]
        root = gateway.get_resources(restApiId=self.api)["items"][0]["id"]
        resource = gateway.create_resource(restApiId=self.api, parentId=root, pathPart="photos")["id"]
        for method, function in (("POST", "upload"), ("GET", "list")):
            gateway.put_method(restApiId=self.api, resourceId=resource, httpMethod=method, authorizationType="NONE")
            target = self.arn("lambda", f"function:{function}")
            gateway.put_integration(
                restApiId=self.api,
                resourceId=resource,
                httpMethod=method,
                type="AWS_PROXY",
                integrationHttpMethod="POST",
                uri=f"arn:aws:apigateway:{self.region}:lambda:path/2015-03-31/functions/{target}/invocations",
            )
            self.client("lambda").add_permission(
                FunctionName=function,
                StatementId="api",
                Action="lambda:InvokeFunction",
                Principal="apigateway.amazonaws.com",
                SourceArn=f"arn:aws:execute-api:{self.region}:{self.account}:{self.api}/*/{method}/photos",
            )
        gateway.create_deployment(restApiId=self.api, stageName=STAGE)
        self.say("apigateway", f"REST API {self.api}: POST /photos -> upload, GET /photos -> list, stage {STAGE}")


def _wanted(file: Path) -> bool:
    return file.is_file() and "__pycache__" not in file.parts and "tests" not in file.parts


def make_zip(files: dict[str, bytes]) -> bytes:
    """A deployment package in memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in sorted(files.items()):
            info = zipfile.ZipInfo(name)
            info.external_attr = 0o644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return buffer.getvalue()
