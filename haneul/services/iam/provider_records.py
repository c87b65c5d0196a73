"""Where identity providers stand in the store."""

from __future__ import annotations

from haneul.core.arn import parse_arn
from haneul.services.iam.directory import Directory
from haneul.services.iam.errors import no_such_entity
from haneul.services.iam.records import OidcProvider, SamlProvider


def oidc_arn(account: str, url: str) -> str:
    return f"arn:aws:iam::{account}:oidc-provider/{url}"


def saml_arn(account: str, name: str) -> str:
    return f"arn:aws:iam::{account}:saml-provider/{name}"


def _name_in(directory: Directory, arn: str, space: str) -> str:
    parsed = parse_arn(arn)
    if parsed is None or parsed.service != "iam" or parsed.account != directory.account:
        return ""
    kind, _, name = parsed.resource.partition("/")
    return name if kind == space else ""


def oidc_provider(directory: Directory, arn: str, missing: str = "OpenIDConnect Provider not found for arn {}") -> tuple[OidcProvider, bytes]:
    """The provider of an ARN and its key; NoSuchEntity with the message `missing`."""
    key = directory.key("oidc-provider", _name_in(directory, arn, "oidc-provider"))
    found = directory.get(key, OidcProvider)
    if found is None:
        raise no_such_entity(missing.format(arn))
    return found, key


def saml_provider(directory: Directory, arn: str) -> tuple[SamlProvider, bytes]:
    """The provider of an ARN and its key; NoSuchEntity without one."""
    key = directory.key("saml-provider", _name_in(directory, arn, "saml-provider").lower())
    found = directory.get(key, SamlProvider)
    if found is None:
        raise no_such_entity(f"Manifest not found for arn {arn}")
    return found, key
