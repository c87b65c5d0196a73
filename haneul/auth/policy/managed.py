"""The AWS managed policies that exist in every account, by name and by ARN.

The table has those that functions, their deployers and the people around them commonly use; statements follow the AWS Managed Policy Reference Guide.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from haneul.auth.policy.managed_backups import BACKUP_POLICIES
from haneul.auth.policy.managed_functions import FUNCTION_POLICIES
from haneul.auth.policy.managed_people import PEOPLE_POLICIES
from haneul.auth.policy.managed_policy import ManagedPolicy
from haneul.auth.policy.managed_services import SERVICE_POLICIES

__all__ = ["MANAGED_POLICIES", "ManagedPolicy", "managed_policy"]

MANAGED_POLICIES: Mapping[str, ManagedPolicy] = MappingProxyType(
    {policy.name: policy for policy in sorted((*BACKUP_POLICIES, *FUNCTION_POLICIES, *SERVICE_POLICIES, *PEOPLE_POLICIES), key=lambda policy: policy.name)}
)
"""Name → policy, in the order of names."""


def managed_policy(arn: str) -> ManagedPolicy | None:
    """The policy of an ARN such as `arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole`; None when there is none."""
    policy = MANAGED_POLICIES.get(arn.rpartition("/")[2])
    return policy if policy is not None and policy.arn == arn else None
