"""The sts service: temporary credentials. It stores nothing; a session's token carries all that the session is."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.service import Service
from haneul.services.sts.issuer_keys import IssuerKeys
from haneul.services.sts.quirks import STS_QUIRKS


class Sts(Service):
    """AWS Security Token Service."""

    name = "sts"
    quirks = STS_QUIRKS

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.issuer_keys = IssuerKeys(cloud.clock)

    def resource_account(self, call: Call, arn: str) -> str | None:
        return call.account
