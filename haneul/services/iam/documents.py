"""Policy documents: checked on the way in, percent-encoded on the way out."""

from __future__ import annotations

from urllib.parse import quote

from haneul.core.call import Call
from haneul.services.iam.delegation_templates import check_template
from haneul.services.iam.errors import quota_exceeded
from haneul.services.iam.limits import MANAGED_POLICY_CHARACTERS_MAX, TRUST_POLICY_CHARACTERS_MAX
from haneul.services.iam.records import ManagedPolicy


def shown(document: str) -> str:
    """A document as answers carry it: percent-encoded as RFC 3986 has it."""
    return quote(document, safe="")


def characters(document: str) -> int:
    """A document's size as the quotas count it: white space is free."""
    return len("".join(document.split()))


def check_managed(call: Call, policy: ManagedPolicy, document: str) -> None:
    """Raise unless this may be a managed policy's document."""
    if policy.is_template:
        check_template(call, document)
    else:
        call.cloud.authority.compile_policy(document, "identity", current_version_required=True)
    if characters(document) > MANAGED_POLICY_CHARACTERS_MAX:
        raise quota_exceeded("PolicySize", MANAGED_POLICY_CHARACTERS_MAX)


def checked_trust(call: Call, document: str) -> str:
    """A role's trust policy as it is kept; raises what keeps it from being one."""
    call.cloud.authority.compile_policy(document, "trust")
    if characters(document) > TRUST_POLICY_CHARACTERS_MAX:
        raise quota_exceeded("ACLSizePerRole", TRUST_POLICY_CHARACTERS_MAX)
    return call.cloud.authority.bind_principals(document)
