"""What an account has once: its alias, its password policy, its summary, and which tokens the global STS endpoint issues."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape
from haneul.services.iam import limits
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of
from haneul.services.iam.errors import already_exists, no_such_entity
from haneul.services.iam.pages import page_of_list
from haneul.services.iam.records import PasswordPolicy
from haneul.services.iam.resources import iam_operation
from haneul.store.keys import pack
from haneul.store.port import Transaction


def _alias_row(alias: str) -> bytes:
    """Aliases are unique among all accounts."""
    return pack(("iam-alias", alias))


@iam_operation("CreateAccountAlias")
async def create_account_alias(call: Call, request: Shape) -> Shape:
    """Name the account; a name that it had before is given up."""
    alias = request["AccountAlias"]

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        if tx.get(_alias_row(alias)) is not None:
            raise already_exists(f"The account alias {alias} already exists.")
        account = directory.account_record()
        if account.alias:
            tx.delete(_alias_row(account.alias))
        account.alias = alias
        directory.save_account(account)
        tx.put(_alias_row(alias), call.account.encode())

    await call.cloud.store.transact(work)
    return {}


@iam_operation("ListAccountAliases")
async def list_account_aliases(call: Call, request: Shape) -> Shape:
    """The account's alias, if it has one."""
    alias = directory_of(call).account_record().alias
    page, more = page_of_list([alias] if alias else [], request)
    return {"AccountAliases": page, **more}


@iam_operation("DeleteAccountAlias")
async def delete_account_alias(call: Call, request: Shape) -> Shape:
    """Give the account's name up."""
    alias = request["AccountAlias"]

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        account = directory.account_record()
        if account.alias != alias:
            raise no_such_entity(f"The account alias {alias} cannot be found.")
        account.alias = ""
        directory.save_account(account)
        tx.delete(_alias_row(alias))

    await call.cloud.store.transact(work)
    return {}


@iam_operation("UpdateAccountPasswordPolicy")
async def update_account_password_policy(call: Call, request: Shape) -> Shape:
    """Set the rules for passwords. What a request leaves out goes back to its default."""
    policy = PasswordPolicy(
        minimum_length=request.get("MinimumPasswordLength", 6),
        symbols=request.get("RequireSymbols", False),
        numbers=request.get("RequireNumbers", False),
        uppercase=request.get("RequireUppercaseCharacters", False),
        lowercase=request.get("RequireLowercaseCharacters", False),
        users_may_change=request.get("AllowUsersToChangePassword", False),
        max_age_days=request.get("MaxPasswordAge", 0),
        reuse_prevention=request.get("PasswordReusePrevention", 0),
        hard_expiry=request.get("HardExpiry"),
    )

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        account = directory.account_record()
        account.password_policy = policy
        directory.save_account(account)

    await call.cloud.store.transact(work)
    return {}


@iam_operation("GetAccountPasswordPolicy")
async def get_account_password_policy(call: Call, request: Shape) -> Shape:
    """The rules for passwords, where they have been set."""
    policy = directory_of(call).account_record().password_policy
    if policy is None:
        raise no_such_entity(f"The Password Policy with domain name {call.account} cannot be found.")
    shape: Shape = {
        "MinimumPasswordLength": policy.minimum_length,
        "RequireSymbols": policy.symbols,
        "RequireNumbers": policy.numbers,
        "RequireUppercaseCharacters": policy.uppercase,
        "RequireLowercaseCharacters": policy.lowercase,
        "AllowUsersToChangePassword": policy.users_may_change,
        "ExpirePasswords": policy.max_age_days > 0,
    }
    if policy.max_age_days:
        shape["MaxPasswordAge"] = policy.max_age_days
    if policy.reuse_prevention:
        shape["PasswordReusePrevention"] = policy.reuse_prevention
    if policy.hard_expiry is not None:
        shape["HardExpiry"] = policy.hard_expiry
    return {"PasswordPolicy": shape}


@iam_operation("DeleteAccountPasswordPolicy")
async def delete_account_password_policy(call: Call, request: Shape) -> Shape:
    """Go back to IAM's own rules."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        account = directory.account_record()
        if account.password_policy is None:
            raise no_such_entity("The account policy with name PasswordPolicy cannot be found.")
        account.password_policy = None
        directory.save_account(account)

    await call.cloud.store.transact(work)
    return {}


@iam_operation("SetSecurityTokenServicePreferences")
async def set_security_token_service_preferences(call: Call, request: Shape) -> Shape:
    """Which version of tokens the account prefers. Haneul's tokens are valid in every region either way; the choice is kept for the summary."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        account = directory.account_record()
        account.token_version = 2 if request["GlobalEndpointTokenVersion"] == "v2Token" else 1
        directory.save_account(account)

    await call.cloud.store.transact(work)
    return {}


@iam_operation("GetAccountSummary")
async def get_account_summary(call: Call, request: Shape) -> Shape:
    """How many of everything there are, and how many there may be."""
    directory = directory_of(call)
    counts = directory.counts()
    summary = {
        "Users": counts.users,
        "UsersQuota": limits.USERS_MAX,
        "Groups": counts.groups,
        "GroupsQuota": limits.GROUPS_MAX,
        "Roles": counts.roles,
        "RolesQuota": limits.ROLES_MAX,
        "Policies": counts.policies,
        "PoliciesQuota": limits.POLICIES_MAX,
        "PolicyVersionsInUse": counts.policy_versions,
        "PolicyVersionsInUseQuota": limits.POLICY_VERSIONS_IN_USE_MAX,
        "InstanceProfiles": counts.instance_profiles,
        "InstanceProfilesQuota": limits.INSTANCE_PROFILES_MAX,
        "Providers": counts.providers,
        "MFADevices": counts.mfa_devices,
        "MFADevicesInUse": counts.mfa_devices_in_use,
        "ServerCertificates": counts.server_certificates,
        "ServerCertificatesQuota": limits.SERVER_CERTIFICATES_MAX,
        "SigningCertificatesPerUserQuota": 2,
        "AccountMFAEnabled": 0,
        "AccountAccessKeysPresent": 1,
        "AccountPasswordPresent": 0,
        "AccountSigningCertificatesPresent": 0,
        "AccessKeysPerUserQuota": limits.ACCESS_KEYS_PER_USER_MAX,
        "GroupsPerUserQuota": limits.GROUPS_PER_USER_MAX,
        "AttachedPoliciesPerUserQuota": limits.ATTACHED_POLICIES_MAX,
        "AttachedPoliciesPerGroupQuota": limits.ATTACHED_POLICIES_MAX,
        "AttachedPoliciesPerRoleQuota": limits.ATTACHED_POLICIES_MAX,
        "VersionsPerPolicyQuota": limits.VERSIONS_PER_POLICY_MAX,
        "PolicySizeQuota": limits.MANAGED_POLICY_CHARACTERS_MAX,
        "UserPolicySizeQuota": limits.INLINE_POLICIES_CHARACTERS_MAX["user"],
        "GroupPolicySizeQuota": limits.INLINE_POLICIES_CHARACTERS_MAX["group"],
        "RolePolicySizeQuota": limits.INLINE_POLICIES_CHARACTERS_MAX["role"],
        "AssumeRolePolicySizeQuota": limits.TRUST_POLICY_CHARACTERS_MAX,
        "GlobalEndpointTokenVersion": directory.account_record().token_version,
    }
    return {"SummaryMap": summary}
