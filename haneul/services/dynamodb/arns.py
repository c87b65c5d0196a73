"""What a request is about, as IAM sees it: the ARNs of its tables and indexes, and DynamoDB's condition keys.

(Service Authorization Reference: "Actions, resources, and condition keys for Amazon DynamoDB"; Developer Guide: "Using IAM policy conditions for
fine-grained access control".)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from haneul.core.arn import Arn, parse_arn
from haneul.core.call import Call
from haneul.services.dynamodb.errors import invalid

Shape = dict[str, Any]


def named_table_arn(call: Call, name: str) -> str:
    """The ARN of a table that a request names by its name or by its ARN."""
    return name if name.startswith("arn:") else f"arn:aws:dynamodb:{call.region}:{call.account}:table/{name}"


def plain_name(name: str) -> str:
    """The name of a table that a request names by its name or by its ARN."""
    return name.rpartition("/")[2] if name.startswith("arn:") else name


def table_arn(call: Call, request: Shape) -> str:
    """The table of a request with a TableName."""
    name: str = request["TableName"]
    return name if name.startswith("arn:") else f"arn:aws:dynamodb:{call.region}:{call.account}:table/{name}"


def index_or_table_arn(call: Call, request: Shape) -> str:
    """The index of a Query or Scan, or its table."""
    arn = table_arn(call, request)
    index = request.get("IndexName")
    return f"{arn}/index/{index}" if index else arn


def resource_arn(call: Call, request: Shape) -> str:
    """The resource of a request with a ResourceArn."""
    return str(request["ResourceArn"])


def table_or_stream(arn: str) -> tuple[Arn, list[str]]:
    """An ARN of a table or stream and the parts of its resource; ValidationException for another one."""
    if not arn.startswith("arn:"):
        raise invalid(f"ARNs must start with 'arn:': {arn}")
    found = parse_arn(arn)
    parts = found.resource.split("/") if found is not None else []
    if found is None or found.service != "dynamodb" or parts[0] != "table" or not (len(parts) == 2 or (len(parts) == 4 and parts[2] in ("index", "stream"))):
        raise invalid(f"Provided Arn is not a DynamoDB resource arn: {arn}")
    if parts[2:3] == ["index"]:
        raise invalid(f"Invalid resource arn provided, only table or stream is accepted. Provided resource arn: {arn}")
    return found, parts


class Conditions(Mapping[str, Any]):
    """Condition keys that are only worked out when a policy asks for any."""

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], dict[str, Any]]) -> None:
        self._make = make
        self._made: dict[str, Any] | None = None

    def _all(self) -> dict[str, Any]:
        if self._made is None:
            self._made = self._make()
        return self._made

    def __getitem__(self, key: str) -> Any:
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def __bool__(self) -> bool:
        """Said without working anything out."""
        return True
