"""Operations of SNS that stay absent, and why."""

from __future__ import annotations

_SMS = "text messages need a carrier, which a machine of one's own is not"
_MOBILE = "notifications to mobile devices go through the push services of their makers, with keys of an app"
_PROTECTION = "AWS itself offers message data protection to no new customers any more"

ABSENT = {
    **dict.fromkeys(("CheckIfPhoneNumberIsOptedOut", "GetSMSAttributes", "ListOriginationNumbers", "ListPhoneNumbersOptedOut", "OptInPhoneNumber", "SetSMSAttributes"), _SMS),
    **dict.fromkeys(("CreateSMSSandboxPhoneNumber", "DeleteSMSSandboxPhoneNumber", "GetSMSSandboxAccountStatus", "ListSMSSandboxPhoneNumbers", "VerifySMSSandboxPhoneNumber"), _SMS),
    **dict.fromkeys(("CreatePlatformApplication", "DeletePlatformApplication", "GetPlatformApplicationAttributes", "ListPlatformApplications", "SetPlatformApplicationAttributes"), _MOBILE),
    **dict.fromkeys(("CreatePlatformEndpoint", "DeleteEndpoint", "GetEndpointAttributes", "ListEndpointsByPlatformApplication", "SetEndpointAttributes"), _MOBILE),
    **dict.fromkeys(("GetDataProtectionPolicy", "PutDataProtectionPolicy"), _PROTECTION),
}
