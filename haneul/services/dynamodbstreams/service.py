"""DynamoDB Streams: the API by which changes of tables are read. What it reads belongs to DynamoDB."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol, cast

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.core.quirks import Quirks
from haneul.core.rates import RequestRates
from haneul.core.service import Service
from haneul.metering.prices import PriceList
from haneul.services.dynamodbstreams.quirks import STREAMS
from haneul.services.dynamodbstreams.readers import Readers

Shape = dict[str, Any]


class StreamSource(Protocol):
    """Streams as the service that writes them gives them out: descriptions by place, records by internal sequence number."""

    def find(self, account: str, region: str, table: str, label: str) -> Shape | None: ...

    def page(self, account: str, region: str, table: str | None, after_place: tuple[str, str] | None, limit: int) -> list[Shape]: ...

    def shards(self, stream: Shape, start: str, parent: str | None, limit: int) -> list[Shape]: ...

    def named_shard(self, stream: Shape, shard_id: str) -> Shape | None: ...

    def shard(self, stream: Shape, lane: int, number: int) -> Shape | None: ...

    def newest(self, stream: Shape, shard: Shape) -> int: ...

    def count_read(self, account: str, region: str, table: str) -> None: ...

    def trimmed(self, sequence: int) -> bool: ...

    def lost(self, stream: Shape, shard: Shape, sequence: int, since: int) -> bool: ...

    def since(self, stream: Shape, shard: Shape, time: int) -> int | None: ...

    async def ended(self, stream: Shape, shard: Shape, sequence: int) -> bool: ...

    def records(self, stream: Shape, shard: Shape, first: int, limit: int, bytes_max: int) -> list[tuple[int, int, bytes]]: ...

    def text(self, sequence: int) -> str: ...

    def number(self, text: str) -> int | None: ...

    def parsed(self, body: bytes) -> Shape: ...


class DynamoDbStreams(Service):
    """Reads streams. It keeps nothing itself but who is reading just now."""

    name = "dynamodbstreams"
    quirks: ClassVar[Quirks] = STREAMS
    # Reads are paid for with the tables; requests cost nothing by themselves.
    prices: ClassVar[PriceList | None] = PriceList({}, frozenset(("Requests", "Errors")), "")

    def __init__(self, cloud: Cloud) -> None:
        super().__init__(cloud)
        self.readers = Readers()
        self.rates = RequestRates(cloud)

    def refused(self, call: Call, error: ServiceError) -> None:
        """What readers of streams do wrong counts with what is done wrong at tables (Developer Guide: "DynamoDB metrics", UserErrors)."""
        if error.status in (None, 400):
            self.cloud.metrics.add(call.account, call.region, "AWS/DynamoDB", "UserErrors")

    @property
    def source(self) -> StreamSource:
        """The running DynamoDB's streams. The two are one service with two APIs, and meet here only."""
        return cast("StreamSource", self.cloud.services["dynamodb"].streams)  # type: ignore[attr-defined]

    def resource_policy(self, call: Call, arn: str) -> str | None:
        """Streams have policies of their own, which DynamoDB keeps."""
        return self.cloud.services["dynamodb"].resource_policy(call, arn)


def stream_arn(call: Call, request: Shape) -> str:
    """The stream of a request with a StreamArn."""
    return str(request["StreamArn"])


def place_of(call: Call, arn: str) -> tuple[str, str, str, str]:
    """Account, region, table and label in a stream's ARN; ValidationException for what is none."""
    found = parse_arn(arn)
    parts = found.resource.split("/") if found is not None else []
    if found is None or found.service != "dynamodb" or len(parts) != 4 or parts[0] != "table" or parts[2] != "stream":
        raise ServiceError("ValidationException", "Invalid StreamArn", 400)
    if found.region != call.region:
        raise not_found(arn)
    return found.account, found.region, parts[1], parts[3]


def not_found(arn: str) -> ServiceError:
    return ServiceError("ResourceNotFoundException", f"Requested resource not found: Stream: {arn} not found", 400)


def find_stream(call: Call, arn: str) -> Shape:
    """A stream's description; ResourceNotFoundException when there is none."""
    stream = call.service(DynamoDbStreams).source.find(*place_of(call, arn))
    if stream is None:
        raise not_found(arn)
    return stream


def trimmed() -> ServiceError:
    """What is said of records that are older than a day."""
    return ServiceError("TrimmedDataAccessException", "The data you are trying to access has been trimmed", 400)
