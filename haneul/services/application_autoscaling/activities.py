"""What was done to targets: kept for six weeks. DescribeScalingActivities."""

from __future__ import annotations

from haneul.clock import DAY
from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token, read_token
from haneul.services.application_autoscaling.errors import invalid, invalid_token
from haneul.services.application_autoscaling.pages import page_limit
from haneul.services.application_autoscaling.records import ACTIVITIES, Activity, Place, page_bounds
from haneul.store.keys import prefix_range, unpack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

_KEPT = 42 * DAY
_REMOVED_AT_ONCE = 20


def save_activity(tx: Transaction, place: Place, activity: Activity) -> None:
    """Keep an activity, and forget some that are too old."""
    start, _ = prefix_range(place.key(ACTIVITIES))
    for key, _ in tx.range(start, place.key(ACTIVITIES, activity.started_at - _KEPT), _REMOVED_AT_ONCE):
        tx.delete(key)
    tx.put(place.key(ACTIVITIES, activity.started_at, activity.id), encode(activity))


def find_activity(reader: Reader, place: Place, started_at: int, activity_id: str) -> Activity | None:
    value = reader.get(place.key(ACTIVITIES, started_at, activity_id))
    return decode(value, Activity) if value is not None else None


@operation("application-autoscaling:DescribeScalingActivities")
async def describe_scaling_activities(call: Call, request: Shape) -> Shape:
    """Activities of the last six weeks, the newest of each target first; those that scaled nothing only when they are asked for."""
    if "ScalableDimension" in request and "ResourceId" not in request:
        raise invalid("ResourceId must be specified when ScalableDimension is")
    limit = page_limit(request)
    token = request.get("NextToken")
    position = read_token(token) if token is not None else None
    if token is not None and position is None:
        raise invalid_token()
    start, end = page_bounds(call, request, ACTIVITIES, None)
    if position is not None:
        if not start <= position <= end:
            raise invalid_token()
        end = position
    shown: list[Shape] = []
    last = b""
    for key, value in call.cloud.store.iterate(start, end, reverse=True):
        activity = decode(value, Activity)
        if activity.started_at < call.now - _KEPT or (activity.not_scaled and not request.get("IncludeNotScaledActivities")):
            continue
        if len(shown) == limit:
            return {"ScalingActivities": shown, "NextToken": make_token(last)}
        place = Place(*(str(part) for part in unpack(key)[1:6]))
        shown.append(_shown(place, activity))
        last = key
    return {"ScalingActivities": shown}


def _shown(place: Place, activity: Activity) -> Shape:
    shape: Shape = {
        "ActivityId": activity.id,
        **place.shape,
        "Description": activity.description,
        "Cause": activity.cause,
        "StartTime": activity.started_at,
        "StatusCode": activity.status,
    }
    if activity.not_scaled:
        shape["NotScaledReasons"] = [activity.not_scaled]
    if activity.message:
        shape["StatusMessage"] = activity.message
    if activity.ended_at:
        shape["EndTime"] = activity.ended_at
    return shape
