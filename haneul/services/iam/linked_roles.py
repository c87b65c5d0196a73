"""Service-linked roles: CreateServiceLinkedRole, DeleteServiceLinkedRole, GetServiceLinkedRoleDeletionStatus."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType

from haneul.core.call import Call
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of, shown_role
from haneul.services.iam.errors import invalid_input, no_such_entity
from haneul.services.iam.identifiers import unique_id
from haneul.services.iam.records import ROLE, Role
from haneul.services.iam.resources import iam_operation
from haneul.services.iam.roles import remove_role
from haneul.store.port import Transaction

# Service → the end of its role's name, where it is not the service's own name (IAM User Guide, "AWS services that work with IAM").
_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "apigateway": "APIGateway",
        "ops.apigateway": "APIGateway",
        "application-autoscaling": "ApplicationAutoScaling",
        "autoscaling": "AutoScaling",
        "dynamodb.application-autoscaling": "ApplicationAutoScaling_DynamoDBTable",
        "lambda.application-autoscaling": "ApplicationAutoScaling_LambdaConcurrency",
        "custom-resource.application-autoscaling": "ApplicationAutoScaling_CustomResource",
        "ecs": "ECS",
        "eks": "AmazonEKS",
        "elasticache": "ElastiCache",
        "elasticloadbalancing": "ElasticLoadBalancing",
        "email.cognito-idp": "AmazonCognitoIdpEmailService",
        "cognito-idp": "AmazonCognitoIdp",
        "es": "AmazonElasticsearchService",
        "opensearchservice": "AmazonOpenSearchService",
        "events": "CloudWatchEvents",
        "kafka": "Kafka",
        "lex": "LexBots",
        "logger.cloudfront": "CloudFrontLogger",
        "ops.emr-serverless": "AmazonEMRServerless",
        "organizations": "Organizations",
        "rds": "RDS",
        "replication.dynamodb": "DynamoDBReplication",
        "kinesisreplication.dynamodb": "DynamoDBKinesisDataStreamsReplication",
        "replicator.lambda": "LambdaReplicator",
        "spot": "EC2Spot",
        "sso": "SSO",
        "support": "Support",
        "trustedadvisor": "TrustedAdvisor",
    }
)
# The managed policy that a service's role comes with.
_POLICIES: Mapping[str, str] = MappingProxyType(
    {
        "dynamodb.application-autoscaling": "AWSApplicationAutoscalingDynamoDBTablePolicy",
        "lambda.application-autoscaling": "AWSApplicationAutoscalingLambdaConcurrencyPolicy",
    }
)
_SUFFIXED = frozenset({"autoscaling", "lex", "kafka"})
_SERVICE = re.compile(r"[a-z0-9.-]+\.amazonaws\.com\Z")


@iam_operation("CreateServiceLinkedRole")
async def create_service_linked_role(call: Call, request: Shape) -> Shape:
    """Make the role that a service uses for its own work; only the service can assume it, and it cannot be changed."""
    service = request["AWSServiceName"]
    if _SERVICE.match(service) is None:
        raise invalid_input(f"Service Name {service} is not valid.")
    short = service.removesuffix(".amazonaws.com")
    suffix = request.get("CustomSuffix")
    if suffix is not None and short not in _SUFFIXED:
        raise invalid_input(f"Custom suffix is not allowed for {service}")
    name = "AWSServiceRoleFor" + (_NAMES.get(short) or "".join(part.capitalize() for part in re.split(r"[.-]", short)))
    if suffix is not None:
        name += f"_{suffix}"
    trust = {"Version": "2012-10-17", "Statement": [{"Action": ["sts:AssumeRole"], "Principal": {"Service": [service]}, "Effect": "Allow"}]}
    role = Role(
        name=name,
        id=unique_id(call.cloud.ids, ROLE.id_prefix),
        path=f"/aws-service-role/{service}/",
        created_at=call.now,
        trust=json.dumps(trust),
        description=request.get("Description"),
        linked_service=service,
        attached=[f"arn:aws:iam::aws:policy/aws-service-role/{_POLICIES[short]}"] if short in _POLICIES else [],
    )

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        if directory.find(ROLE, name) is not None:
            raise invalid_input(f"Service role name {name} has been taken in this account, please try a different suffix.")
        directory.add(ROLE, role)
        for arn in role.attached:
            directory.note_use(arn, role.id, bounding=False, begins=True)

    await call.cloud.store.transact(work)
    return {"Role": shown_role(call, role, settings=False)}


@iam_operation("DeleteServiceLinkedRole")
async def delete_service_linked_role(call: Call, request: Shape) -> Shape:
    """Remove a service-linked role. It is gone when this returns; the task that answers for it says so."""

    def work(tx: Transaction) -> str:
        directory = Directory(tx, call.account)
        role = directory.named(ROLE, request["RoleName"])
        if not role.linked_service:
            raise no_such_entity(ROLE.missing.format(role.name))
        remove_role(directory, role)
        task = f"task{role.path}{role.name}/{task_id}"
        tx.put(directory.key("deletion", task), b"")
        return task

    task_id = call.cloud.ids.uuid()
    return {"DeletionTaskId": await call.cloud.store.transact(work)}


@iam_operation("GetServiceLinkedRoleDeletionStatus")
async def get_service_linked_role_deletion_status(call: Call, request: Shape) -> Shape:
    """How far a deletion has come: always to its end."""
    task = request["DeletionTaskId"]
    if not task.startswith("task/"):
        raise invalid_input("Invalid DeletionTaskId")
    if call.cloud.store.get(directory_of(call).key("deletion", task)) is None:
        raise no_such_entity(f"Deletion task {task} cannot be found.")
    return {"Status": "SUCCEEDED"}
