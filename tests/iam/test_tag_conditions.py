"""Permissions by tags: aws:ResourceTag/KEY, aws:RequestTag/KEY and aws:TagKeys, in every service that has tags.

IAM User Guide, "Controlling access to AWS resources using tags"; Service Authorization Reference, the page of each service.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from haneul.services.apigateway.service import ApiGateway
from haneul.services.cloudwatch.service import CloudWatch
from haneul.services.dynamodb.service import DynamoDb
from haneul.services.ecr.service import Ecr
from haneul.services.iam.service import Iam
from haneul.services.lambda_.service import Lambda
from haneul.services.logs.service import Logs
from haneul.services.s3.service import S3
from haneul.services.sqs.service import Sqs
from haneul.services.sts.service import Sts
from tests.iam.identities import User, allow, policy, trust
from tests.lambda_.build import ECHO, package
from tests.lambda_.build import role as lambda_role
from tests.support.python import PYTHON
from tests.support.running import ACCOUNT, REGION, Running

SERVICES = [Iam, Sts, Sqs, DynamoDb, Lambda, Logs, ApiGateway, Ecr, CloudWatch, S3]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with Running(services=SERVICES) as running:
        yield running


def listed(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def _table(client: Any, name: str, tags: dict[str, str]) -> Any:
    key = {"KeySchema": [{"AttributeName": "k", "KeyType": "HASH"}], "AttributeDefinitions": [{"AttributeName": "k", "AttributeType": "S"}]}
    return client.create_table(TableName=name, BillingMode="PAY_PER_REQUEST", Tags=listed(tags), **key)


def _function(client: Any, name: str, tags: dict[str, str]) -> Any:
    arn = f"arn:aws:iam::{ACCOUNT}:role/functions"
    return client.create_function(FunctionName=name, Runtime=PYTHON, Handler="index.handler", Role=arn, Code={"ZipFile": package({"index.py": ECHO})}, Tags=tags)


@dataclass
class Kind:
    """A kind of resource: how to make one with tags, what making it and tagging it are called, and an operation on what was made."""

    service: str
    create: Callable[[Any, str, dict[str, str]], Any]
    create_action: str
    tag_action: str
    use: Callable[[Any, str, Any], Any]
    use_action: str
    also: tuple[str, ...] = ()


def _alarm(client: Any, name: str, tags: dict[str, str]) -> Any:
    rule = {"MetricName": "m", "Namespace": "n", "Period": 60, "EvaluationPeriods": 1, "Threshold": 1.0, "ComparisonOperator": "GreaterThanThreshold", "Statistic": "Sum"}
    return client.put_metric_alarm(AlarmName=name, Tags=listed(tags), **rule)


KINDS = {
    "queue": Kind(
        "sqs",
        lambda sqs, name, tags: sqs.create_queue(QueueName=name, tags=tags),
        "sqs:CreateQueue",
        "sqs:TagQueue",
        lambda sqs, name, made: sqs.send_message(QueueUrl=made["QueueUrl"], MessageBody="x"),
        "sqs:SendMessage",
    ),
    "table": Kind(
        "dynamodb",
        _table,
        "dynamodb:CreateTable",
        "dynamodb:TagResource",
        lambda dynamodb, name, made: dynamodb.describe_table(TableName=name),
        "dynamodb:DescribeTable",
    ),
    "function": Kind(
        "lambda",
        _function,
        "lambda:CreateFunction",
        "lambda:TagResource",
        lambda functions, name, made: functions.get_function_configuration(FunctionName=name),
        "lambda:GetFunctionConfiguration",
        ("iam:PassRole",),
    ),
    "group": Kind(
        "logs",
        lambda logs, name, tags: logs.create_log_group(logGroupName=name, **({"tags": tags} if tags else {})),
        "logs:CreateLogGroup",
        "logs:TagResource",
        lambda logs, name, made: logs.describe_log_streams(logGroupName=name),
        "logs:DescribeLogStreams",
    ),
    "api": Kind(
        "apigateway",
        lambda gateway, name, tags: gateway.create_rest_api(name=name, tags=tags),
        "apigateway:POST",
        "",
        lambda gateway, name, made: gateway.get_resources(restApiId=made["id"]),
        "apigateway:GET",
    ),
    "repository": Kind(
        "ecr",
        lambda ecr, name, tags: ecr.create_repository(repositoryName=name, tags=listed(tags)),
        "ecr:CreateRepository",
        "ecr:TagResource",
        lambda ecr, name, made: ecr.list_images(repositoryName=name),
        "ecr:ListImages",
    ),
    "alarm": Kind(
        "cloudwatch",
        _alarm,
        "cloudwatch:PutMetricAlarm",
        "cloudwatch:TagResource",
        lambda cloudwatch, name, made: cloudwatch.disable_alarm_actions(AlarmNames=[name]),
        "cloudwatch:DisableAlarmActions",
    ),
    "role": Kind(
        "iam",
        lambda iam, name, tags: iam.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": ACCOUNT}), Tags=listed(tags)),
        "iam:CreateRole",
        "iam:TagRole",
        lambda iam, name, made: iam.get_role(RoleName=name),
        "iam:GetRole",
    ),
    "policy": Kind(
        "iam",
        lambda iam, name, tags: iam.create_policy(PolicyName=name, PolicyDocument=policy(allow("s3:*")), Tags=listed(tags)),
        "iam:CreatePolicy",
        "iam:TagPolicy",
        lambda iam, name, made: iam.get_policy(PolicyArn=made["Policy"]["Arn"]),
        "iam:GetPolicy",
    ),
}
MARKS = pytest.mark.parametrize("kind", KINDS)


def outcome(operation: Callable[..., Any], *arguments: Any) -> str:
    """`ok`, or the message of the denial."""
    try:
        operation(*arguments)
    except ClientError as error:
        assert error.response["Error"]["Code"].startswith("AccessDenied"), error
        return str(error.response["Error"]["Message"])
    return "ok"


@MARKS
def test_the_tags_of_a_resource(cloud: Running, kind: str) -> None:
    """An Allow for what has the tag, a Deny for what has it, each without regard to the case of the key."""
    lambda_role(cloud)
    one = KINDS[kind]
    root = cloud.client(one.service)
    ours, theirs = one.create(root, f"{kind}-ours", {"Team": "blue"}), one.create(root, f"{kind}-theirs", {"Team": "red"})
    user = User(cloud, f"{kind}-user", allow(one.use_action, when={"StringEquals": {"aws:ResourceTag/team": "blue"}}))
    client = user.client(one.service)
    assert outcome(one.use, client, f"{kind}-ours", ours) == "ok"
    assert "is not authorized to perform" in outcome(one.use, client, f"{kind}-theirs", theirs)
    user.may(allow("*"), allow(one.use_action, when={"StringEquals": {"aws:ResourceTag/Team": "blue"}}, effect="Deny"))
    assert outcome(one.use, client, f"{kind}-ours", ours).endswith("with an explicit deny in an identity-based policy")
    assert outcome(one.use, client, f"{kind}-theirs", theirs) == "ok"


@MARKS
def test_the_tags_of_a_request(cloud: Running, kind: str) -> None:
    """Who makes something must give it the tags that the policy wants, and no others."""
    lambda_role(cloud)
    one = KINDS[kind]
    actions = [one.create_action, *one.also, *([one.tag_action] if one.tag_action else [])]
    when = {"StringEquals": {"aws:RequestTag/team": "blue"}, "ForAllValues:StringEquals": {"aws:TagKeys": ["team", "stage"]}}
    passing = [allow(*one.also)] if one.also else []
    client = User(cloud, f"{kind}-maker", allow(*actions, when=when), *passing).client(one.service)
    assert outcome(one.create, client, f"{kind}-red", {"team": "red"}) != "ok"
    assert outcome(one.create, client, f"{kind}-more", {"team": "blue", "cost": "1"}) != "ok"
    assert outcome(one.create, client, f"{kind}-bare", {}) != "ok"
    assert outcome(one.create, client, f"{kind}-blue", {"team": "blue", "stage": "test"}) == "ok"


@pytest.mark.parametrize("kind", [name for name, one in KINDS.items() if one.tag_action])
def test_tags_at_birth_need_a_permission_of_their_own(cloud: Running, kind: str) -> None:
    """Otherwise who may make a thing could give it tags that open other doors."""
    lambda_role(cloud)
    one = KINDS[kind]
    user = User(cloud, f"{kind}-plain", allow(one.create_action, *one.also))
    client = user.client(one.service)
    assert one.tag_action.lower() in outcome(one.create, client, f"{kind}-tagged", {"team": "blue"}).lower()
    assert outcome(one.create, client, f"{kind}-untagged", {}) == "ok"
    user.may(allow(one.create_action, one.tag_action, *one.also))
    assert outcome(one.create, client, f"{kind}-tagged", {"team": "blue"}) == "ok"


def test_the_words_of_cloudwatch_logs(cloud: Running) -> None:
    """As the service writes them."""
    logs = User(cloud, "log-words", allow("logs:CreateLogGroup")).client("logs")
    assert outcome(lambda: logs.create_log_group(logGroupName="/words", tags={"a": "b"})) == (
        f'User with accountId: {ACCOUNT} is not authorized to perform CreateLogGroup with Tags. An additional permission "logs:TagResource" is required.'
    )


def test_tags_taken_away(cloud: Running) -> None:
    """aws:TagKeys are the keys to be removed, whatever the service calls them."""
    cloud.client("logs").create_log_group(logGroupName="/keys", tags={"keep": "1", "drop": "1"})
    url = cloud.client("sqs").create_queue(QueueName="keys", tags={"keep": "1", "drop": "1"})["QueueUrl"]
    actions = ["logs:UntagResource", "logs:UntagLogGroup", "sqs:UntagQueue"]
    user = User(cloud, "remover", allow(*actions), allow(*actions, when={"ForAnyValue:StringEquals": {"aws:TagKeys": "keep"}}, effect="Deny"))
    logs, sqs = user.client("logs"), user.client("sqs")
    arn = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/keys"
    removals: list[Callable[[str], Any]] = [
        lambda key: sqs.untag_queue(QueueUrl=url, TagKeys=[key]),
        lambda key: logs.untag_log_group(logGroupName="/keys", tags=[key]),
        lambda key: logs.untag_resource(resourceArn=arn, tagKeys=[key]),
    ]
    for remove in removals:
        assert outcome(remove, "keep") != "ok"
        assert outcome(remove, "drop") == "ok"


def test_stages_inherit_the_tags_of_their_api(cloud: Running) -> None:
    """A stage's own tag wins (API Gateway Developer Guide, "Tag inheritance in the Amazon API Gateway V1 API")."""
    root = cloud.client("apigateway")
    api = root.create_rest_api(name="inherited", tags={"team": "blue"})["id"]
    parent = root.get_resources(restApiId=api)["items"][0]["id"]
    root.put_method(restApiId=api, resourceId=parent, httpMethod="GET", authorizationType="NONE")
    root.put_integration(restApiId=api, resourceId=parent, httpMethod="GET", type="MOCK", requestTemplates={"application/json": '{"statusCode": 200}'})
    deployment = root.create_deployment(restApiId=api)["id"]
    root.create_stage(restApiId=api, stageName="plain", deploymentId=deployment)
    root.create_stage(restApiId=api, stageName="own", deploymentId=deployment, tags={"team": "red"})
    gateway = User(cloud, "stages", allow("apigateway:*", when={"StringEquals": {"aws:ResourceTag/team": "blue"}})).client("apigateway")
    assert outcome(lambda: gateway.get_stage(restApiId=api, stageName="plain")) == "ok"
    assert outcome(lambda: gateway.get_stage(restApiId=api, stageName="own")) != "ok"


def test_buckets(cloud: Running) -> None:
    """A new bucket's tags are in the request and need s3:TagResource; those that it has do not count until access by tags is switched on, which nobody can here."""
    user = User(cloud, "bucketeer", allow("s3:CreateBucket"))
    s3 = user.client("s3")
    made = {"Bucket": "tagged-at-birth", "CreateBucketConfiguration": {"Tags": listed({"team": "blue"})}}
    if "Tags" not in s3.meta.service_model.shape_for("CreateBucketConfiguration").members:
        pytest.skip("this botocore knows no tags of new buckets")
    assert "s3:TagResource" in outcome(lambda: s3.create_bucket(**made))
    user.may(allow("s3:CreateBucket", "s3:TagResource", when={"StringEquals": {"aws:RequestTag/team": "blue"}}), allow("s3:ListBucket", when={"StringEquals": {"aws:ResourceTag/team": "blue"}}))
    assert outcome(lambda: s3.create_bucket(**made)) == "ok"
    assert outcome(lambda: s3.list_objects_v2(Bucket="tagged-at-birth")) != "ok"


def test_roles_by_their_tags(cloud: Running) -> None:
    """AssumeRole is decided by the role's tags, also those of another account's role."""
    user = User(cloud, "tag-climber", allow("sts:AssumeRole", when={"StringEquals": {"iam:ResourceTag/team": "blue"}}))
    theirs = cloud.client("iam", key="111111111111")
    for name, team in (("blue-role", "blue"), ("red-role", "red")):
        theirs.create_role(RoleName=name, AssumeRolePolicyDocument=trust({"AWS": user.arn}), Tags=listed({"team": team}))
    sts = user.client("sts")
    assert outcome(lambda: sts.assume_role(RoleArn="arn:aws:iam::111111111111:role/blue-role", RoleSessionName="s1")) == "ok"
    assert outcome(lambda: sts.assume_role(RoleArn="arn:aws:iam::111111111111:role/red-role", RoleSessionName="s1")) != "ok"
