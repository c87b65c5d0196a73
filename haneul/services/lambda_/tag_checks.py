"""What tags may be, on every resource that has some.

Source: AWS Lambda Developer Guide, "Using tags on Lambda functions", tag naming and usage limits.
"""

from __future__ import annotations

from collections.abc import Mapping

from haneul.services.lambda_.errors import invalid
from haneul.services.lambda_.limits import TAGS_MAX

_RESERVED = "aws:"


def check_tags(tags: Mapping[str, str]) -> None:
    """No more than fifty, and none that only AWS itself could set."""
    if len(tags) > TAGS_MAX:
        raise invalid(f"Limit of {TAGS_MAX} tags exceeded.")
    if any(name.lower().startswith(_RESERVED) for name in tags):
        raise invalid("aws: prefixed tag key names are not allowed for external use.")
