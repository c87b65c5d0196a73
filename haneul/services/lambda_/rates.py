"""How fast functions may be invoked, and grow.

Source: AWS Lambda Developer Guide, "Lambda quotas" and "Lambda scaling behavior". Asynchronous invocations are limited by concurrency alone.
"""

from __future__ import annotations

from haneul.clock.buckets import Buckets
from haneul.core.cloud import Cloud
from haneul.services.lambda_.functions import Resolution
from haneul.services.lambda_.limits import ACCOUNT_CONCURRENCY, GROWTH_MAX, GROWTH_SECONDS, REQUESTS_OF_AN_ENVIRONMENT

_ACCOUNT_REQUESTS = ACCOUNT_CONCURRENCY * REQUESTS_OF_AN_ENVIRONMENT
_GROWTH_A_SECOND = GROWTH_MAX / GROWTH_SECONDS


class Rates:
    """Counts synchronous requests by second and new environments by ten seconds, in this process, where the environments are."""

    def __init__(self, cloud: Cloud) -> None:
        self._requests = Buckets(cloud.clock)
        self._growth = Buckets(cloud.clock)

    def refuses(self, found: Resolution) -> str:
        """Take one synchronous request; the Reason when there are too many, else "".

        A function has ten a second for each unit of its reserved concurrency, and all functions of an account and region together ten for each
        unit of the account's.
        """
        account, region, name, _ = found.target
        reserved = found.function.reserved_concurrency
        if reserved:
            limit = reserved * REQUESTS_OF_AN_ENVIRONMENT
            if not self._requests.take((account, region, name), limit, limit):
                return "ReservedFunctionInvocationRateLimitExceeded"
        if not self._requests.take((account, region), _ACCOUNT_REQUESTS, _ACCOUNT_REQUESTS):
            return "CallerRateLimitExceeded"
        return ""

    def spills(self, fleet: str, provisioned: int) -> bool:
        """Whether a request goes to other environments than those that are kept ready, which have their ten requests a second."""
        limit = provisioned * REQUESTS_OF_AN_ENVIRONMENT
        return not self._requests.take((fleet,), limit, limit)

    def refuses_growth(self, found: Resolution) -> str:
        """Take one new environment of a function; the Reason when it grows too fast, else ""."""
        if self._growth.take(found.target[:3], _GROWTH_A_SECOND, GROWTH_MAX):
            return ""
        return "FunctionInvocationRateLimitExceeded" if found.function.reserved_concurrency is None else "ReservedFunctionInvocationRateLimitExceeded"
