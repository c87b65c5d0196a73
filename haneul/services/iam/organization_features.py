"""Centralized root access: Enable…, DisableOrganizationsRootSessions, Enable…, DisableOrganizationsRootCredentialsManagement, ListOrganizationsFeatures.

These are features of an organization in AWS Organizations. No account here is in one, and the documented answer to such an account is an error.
"""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape
from haneul.services.iam.resources import iam_operation


@iam_operation(
    "DisableOrganizationsRootCredentialsManagement",
    "DisableOrganizationsRootSessions",
    "EnableOrganizationsRootCredentialsManagement",
    "EnableOrganizationsRootSessions",
    "ListOrganizationsFeatures",
    partial="organizations (accounts are in none, which is the answer)",
)
async def organizations_feature(call: Call, request: Shape) -> Shape:
    """Change or list what an organization allows for its members' root users. Errors: OrganizationNotFoundException."""
    raise ServiceError("OrganizationNotFoundException", "No organization is associated with your account.", 400)
