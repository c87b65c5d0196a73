"""The iam service: identities and what they may do. Global: an account's identities are the same in every region."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.caller import Caller
from haneul.core.cloud import Cloud
from haneul.core.ports import Credential, Delegation, IdentityPolicies, TrustedRole, TrustedSamlProvider
from haneul.core.service import Service
from haneul.services.iam.delegation_access import default_policy, owner_account
from haneul.services.iam.delegation_notices import DelegationNotices
from haneul.services.iam.directory import Directory
from haneul.services.iam.errors import invalid_token
from haneul.services.iam.identities import Identities
from haneul.services.iam.last_uses import LastUses
from haneul.services.iam.quirks import IAM_QUIRKS
from haneul.services.iam.tagged import tags_of


class Iam(Service):
    """AWS Identity and Access Management; also the identity source of auth (`auth.ports.IdentitySource`)."""

    name = "iam"
    resource_tag_prefix = "iam"
    quirks = IAM_QUIRKS
    absent = {"GetHumanReadableSummary": "a language model writes the summaries, and there is none here"}

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.identities = Identities(cloud)
        self.last_uses = LastUses(cloud)
        DelegationNotices(cloud)

    async def start(self) -> None:
        self.identities.start()

    async def stop(self) -> None:
        self.identities.stop()
        await self.last_uses.stop()

    async def follow(self) -> None:
        self.identities.start()

    def collect(self) -> Any:
        return self.last_uses.collect()

    def take_in(self, collected: Any) -> None:
        self.last_uses.take_in(collected)

    def resource_account(self, call: Call, arn: str) -> str | None:
        """Everything belongs to the caller's account, the policies of AWS (whose ARNs name the account `aws`) too; only delegation requests may be others'."""
        return owner_account(call, arn) or call.account

    def resource_policy(self, call: Call, arn: str) -> str | None:
        return default_policy(call, arn)

    def resource_tags(self, call: Call, arn: str) -> Mapping[str, str] | None:
        parsed = parse_arn(arn)
        return tags_of(Directory(self.cloud.store, parsed.account), arn) if parsed is not None else None

    def admit(self, call: Call) -> None:
        """Sessions of users need a multi-factor code, those of federated users may never (IAM User Guide, "Compare AWS STS credentials"). Product providers
        who act for a user may: roles are what they are to make."""
        if not call.caller.mfa and not call.caller.delegate:
            raise invalid_token()

    # ---- what auth asks

    def credential(self, access_key_id: str) -> Credential | None:
        return self.identities.credential(access_key_id)

    def used(self, caller: Caller, service: str, region: str) -> None:
        self.last_uses.note(caller, service, region)

    def policies(self, caller: Caller) -> IdentityPolicies:
        return self.identities.policies(caller)

    def managed_policy(self, arn: str) -> str | None:
        return self.identities.managed_policy(arn)

    def bound_principal(self, principal: str) -> str | None:
        return self.identities.bound_principal(principal)

    def shown_principal(self, unique_id: str) -> str | None:
        return self.identities.shown_principal(unique_id)

    def role(self, role_arn: str) -> TrustedRole | None:
        return self.identities.role(role_arn)

    def saml_provider(self, arn: str) -> TrustedSamlProvider | None:
        return self.identities.saml_provider(arn)

    def delegation(self, token: str) -> Delegation | None:
        return self.identities.delegation(token)

    async def take_one_time_password(self, caller: Caller, serial_number: str, code: str) -> bool:
        return await self.identities.take_one_time_password(caller, serial_number, code)
