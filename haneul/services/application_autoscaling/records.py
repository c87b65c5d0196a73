"""What is kept: scalable targets, their policies, scheduled actions and activities. Times in nanoseconds."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from haneul.core.call import Call
from haneul.core.ports import Shape
from haneul.services.application_autoscaling.errors import invalid_token
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

TARGETS = "scaling-target"
POLICIES = "scaling-policy"
SCHEDULED = "scaling-scheduled"
ACTIVITIES = "scaling-activity"


class Place(NamedTuple):
    """Which scalable target."""

    account: str
    region: str
    namespace: str
    resource: str
    dimension: str

    def key(self, space: str, *more: str | int) -> bytes:
        return pack((space, *self, *more))

    @property
    def shape(self) -> Shape:
        return {"ServiceNamespace": self.namespace, "ResourceId": self.resource, "ScalableDimension": self.dimension}


class Target(msgspec.Struct):
    """A scalable target. `suspended` holds the members of SuspendedState; `activity` the id of the change that is under way.

    `scaled_out_from` is the capacity before it was last scaled out, and was not still cooling down.
    """

    id: str
    min: int
    max: int
    role: str
    created_at: int
    suspended: dict[str, bool]
    tags: dict[str, str] = {}
    activity: str = ""
    scaled_out_at: int = 0
    scaled_out_from: int = 0
    scaled_in_at: int = 0
    # What the last activity that scaled nothing was about, until something is scaled: it is noted once.
    not_scaled: str = ""


class Policy(msgspec.Struct):
    """A target tracking policy: `settings` is its TargetTrackingScalingPolicyConfiguration, `alarms` the names of its alarms.

    `low_at` is when its alarm last said that there is too much capacity, `low_wanted` how much it wanted then.
    """

    name: str
    arn: str
    settings: Shape
    created_at: int
    alarms: dict[str, str] = {}
    low_at: int = 0
    low_wanted: int = 0


class Scheduled(msgspec.Struct):
    """A scheduled action. `settings` are the request's members."""

    name: str
    arn: str
    settings: Shape
    created_at: int


class Activity(msgspec.Struct):
    """What was done to a target, or tried. `desired` is the capacity that it is about, `not_scaled` a NotScaledReason where nothing was scaled."""

    id: str
    description: str
    cause: str
    started_at: int
    status: str
    message: str = ""
    ended_at: int = 0
    desired: int = 0
    scales_out: bool = False
    not_scaled: Shape = {}


def place_of(call: Call, request: Shape) -> Place:
    """The target that a request names."""
    return Place(call.account, call.region, request["ServiceNamespace"], request["ResourceId"], request["ScalableDimension"])


def find_target(reader: Reader, place: Place) -> Target | None:
    value = reader.get(place.key(TARGETS))
    return decode(value, Target) if value is not None else None


def save_target(tx: Transaction, place: Place, target: Target) -> None:
    tx.put(place.key(TARGETS), encode(target))


def target_arn(place: Place, target: Target) -> str:
    return f"arn:aws:application-autoscaling:{place.region}:{place.account}:scalable-target/{target.id}"


def policies_of(reader: Reader, place: Place) -> list[Policy]:
    return [decode(value, Policy) for _, value in reader.iterate(*prefix_range(place.key(POLICIES)))]


def page_bounds(call: Call, request: Shape, space: str, position: bytes | None) -> tuple[bytes, bytes]:
    """The rows that a Describe request may show: of a namespace, a resource, or one target."""
    parts = [space, call.account, call.region, request["ServiceNamespace"]]
    if "ResourceId" in request:
        parts.append(request["ResourceId"])
        if "ScalableDimension" in request:
            parts.append(request["ScalableDimension"])
    start, end = prefix_range(pack(parts))
    if position is not None:
        if not start <= position < end:
            raise invalid_token()
        start = position
    return start, end
