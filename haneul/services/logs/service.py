"""CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import ClassVar

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.quirks import Quirks
from haneul.core.service import Service
from haneul.services.logs.delivery import DELIVER, METRIC, deliver, send_metric
from haneul.services.logs.errors import invalid_parameter
from haneul.services.logs.patterns import Pattern, PatternError, parse_pattern
from haneul.services.logs.quirks import QUIRKS
from haneul.services.logs.records import Group, Place, group_key
from haneul.services.logs.retention import EXPIRE, PURGE, expire, purge
from haneul.store.records import decode

_PATTERNS_CACHED = 1024


class Logs(Service):
    """Groups, streams and events, filters over them, and their end by retention."""

    name = "logs"
    quirks: ClassVar[Quirks] = QUIRKS

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self._patterns = lru_cache(maxsize=_PATTERNS_CACHED)(parse_pattern)
        for kind, handler in ((EXPIRE, expire), (PURGE, purge), (DELIVER, deliver), (METRIC, send_metric)):
            cloud.outbox.handle(kind, partial(handler, cloud))

    def resource_tags(self, call: Call, arn: str) -> Mapping[str, str] | None:
        """The tags of a group. Streams have none: only groups are taggable (Service Authorization Reference)."""
        found = parse_arn(arn)
        name = found.resource.removeprefix("log-group:").removesuffix(":log-stream:") if found is not None else ""
        if found is None or not name or ":" in name:
            return None
        value = self.cloud.store.get(group_key(Place(found.account, found.region), name))
        return decode(value, Group).tags if value is not None else None

    def pattern(self, text: str) -> Pattern:
        """A compiled filter pattern; InvalidParameterException for a text that is none."""
        try:
            return self._patterns(text)
        except PatternError as error:
            raise invalid_parameter(str(error)) from None
