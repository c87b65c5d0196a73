"""Where Lambda differs from its model."""

from __future__ import annotations

from haneul.core.quirks import Quirks
from haneul.services.lambda_.limits import API_BODY_BYTES_MAX

QUIRKS = Quirks(
    access_denied_status=403,
    # An invocation without credentials is decided by the function's policy, as any other.
    body_bytes_max=API_BODY_BYTES_MAX,
)
