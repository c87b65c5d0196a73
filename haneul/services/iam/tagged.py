"""The tags of whatever in IAM has an ARN, for policies that ask for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haneul.core.arn import parse_arn
from haneul.core.errors import ServiceError
from haneul.services.iam.directory import Directory
from haneul.services.iam.mfa_records import mfa_device
from haneul.services.iam.provider_records import oidc_provider, saml_provider
from haneul.services.iam.records import INSTANCE_PROFILE, POLICY, ROLE, SERVER_CERTIFICATE, USER, Kind

_KINDS: dict[str, Kind[Any]] = {kind.space: kind for kind in (USER, ROLE, POLICY, INSTANCE_PROFILE, SERVER_CERTIFICATE)}


def tags_of(directory: Directory, arn: str) -> Mapping[str, str] | None:
    """The tags of what an ARN names; None when there is no such thing, or it has none."""
    parsed = parse_arn(arn)
    space = parsed.resource.partition("/")[0] if parsed is not None else ""
    if space in _KINDS:
        found = directory.by_arn(_KINDS[space], arn)
        return found.tags if found is not None else None
    try:
        if space == "oidc-provider":
            return oidc_provider(directory, arn)[0].tags
        if space == "saml-provider":
            return saml_provider(directory, arn)[0].tags
        return mfa_device(directory, arn)[0].tags if space == "mfa" else None
    except ServiceError:
        return None
