"""Where Lambda differs from its model."""

from __future__ import annotations

from haneul.core.quirks import Quirks
from haneul.services.lambda_.limits import API_BODY_BYTES_MAX

# Versions that Lambda has left out and a machine may have all the same (Debian 12's Ruby is 3.1): which of them it has, `check_runtime` knows.
_LEFT_OUT = frozenset(
    [f"nodejs{major}.x" for major in (19, 21, 23, 25, 27)] + [f"ruby3.{minor}" for minor in (0, 1, 5)] + [f"java{major}" for major in range(12, 30) if major not in (17, 21, 25)]
)

QUIRKS = Quirks(
    enum_values={"Runtime": _LEFT_OUT},
    access_denied_status=403,
    internal_error="ServiceException",
    internal_message="An error occurred and the request cannot be processed.",
    # An invocation without credentials is decided by the function's policy, as any other.
    body_bytes_max=API_BODY_BYTES_MAX,
)
