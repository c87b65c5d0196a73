"""Service-linked roles come with the policy that lets the service do its work."""

from __future__ import annotations

from tests.support.running import Running


def test_a_linked_role_has_its_services_policy(fresh_cloud: Running) -> None:
    """Because Application Auto Scaling acts on tables with this role's permissions, and nobody else can attach them."""
    iam = fresh_cloud.client("iam")
    name = iam.create_service_linked_role(AWSServiceName="dynamodb.application-autoscaling.amazonaws.com")["Role"]["RoleName"]
    (policy,) = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    assert policy["PolicyArn"] == "arn:aws:iam::aws:policy/aws-service-role/AWSApplicationAutoscalingDynamoDBTablePolicy"
    iam.delete_service_linked_role(RoleName=name)
    assert iam.list_entities_for_policy(PolicyArn=policy["PolicyArn"])["PolicyRoles"] == []
