"""Automatic scaling of replicas: what Application Auto Scaling has registered for their tables and indexes, asked for with the caller's permissions."""

from __future__ import annotations

from typing import Any

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.services.dynamodb.errors import validation
from haneul.services.dynamodb.tables import TableRecord

Shape = dict[str, Any]

_SERVICE = "application-autoscaling"
_TRACKING = "TargetTrackingScalingPolicyConfiguration"
_FIELDS = ("DisableScaleIn", "ScaleInCooldown", "ScaleOutCooldown", "TargetValue")
_ROLE = "aws-service-role/dynamodb.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_DynamoDBTable"
# What the writes of an index get that is added to a global table.
_OF_NEW_INDEXES: Shape = {"MinimumUnits": 1, "MaximumUnits": 10, "ScalingPolicyUpdate": {_TRACKING: {"TargetValue": 70.0}}}


class Scaled:
    """One capacity of a table or of an index (`index` empty for the table) in one region; `kind` is Read or Write."""

    def __init__(self, call: Call, region: str, table: str, kind: str, index: str = "") -> None:
        self.call = call
        self.region = region
        self.kind = kind
        self.resource = f"table/{table}/index/{index}" if index else f"table/{table}"
        self.place: Shape = {
            "ServiceNamespace": "dynamodb",
            "ResourceId": self.resource,
            "ScalableDimension": f"dynamodb:{'index' if index else 'table'}:{kind}CapacityUnits",
        }

    async def _ask(self, operation: str, more: Shape, *, without: str = "") -> Shape:
        request = {name: value for name, value in self.place.items() if name != without}
        return await self.call.invoke(f"{_SERVICE}:{operation}", {**request, **more}, region=self.region)

    async def target(self) -> Shape | None:
        """The scalable target, if there is one."""
        found = await self._ask("DescribeScalableTargets", {"ResourceIds": [self.resource]}, without="ResourceId")
        return next(iter(found["ScalableTargets"]), None)

    async def policies(self) -> list[Shape]:
        """Its scaling policies."""
        answer = await self._ask("DescribeScalingPolicies", {})
        found: list[Shape] = answer["ScalingPolicies"]
        while "NextToken" in answer:
            answer = await self._ask("DescribeScalingPolicies", {"NextToken": answer["NextToken"]})
            found += answer["ScalingPolicies"]
        return found

    async def describe(self, *, on_demand: bool) -> Shape:
        """An AutoScalingSettingsDescription; a target without a policy looks like none, though it keeps its limits. On demand nothing scales, and settings wait."""
        target = await self.target()
        policies = await self.policies() if target is not None else []
        if target is None or not policies:
            return {"AutoScalingDisabled": True, "ScalingPolicies": []}
        shown: Shape = {
            "MinimumUnits": target["MinCapacity"],
            "MaximumUnits": target["MaxCapacity"],
            "AutoScalingRoleArn": target["RoleARN"],
            "ScalingPolicies": [{"PolicyName": one["PolicyName"], _TRACKING: _settings(one[_TRACKING])} for one in policies],
        }
        return {**shown, "AutoScalingDisabled": True} if on_demand else shown

    async def update(self, wanted: Shape) -> None:
        """Carry out an AutoScalingSettingsUpdate. What Application Auto Scaling refuses is told as it says it, with where it comes from."""
        try:
            await self._update(wanted)
        except ServiceError as problem:
            if problem.code != "ValidationException":
                raise
            origin = f"Service: AWSApplicationAutoScaling; Status Code: 400; Error Code: ValidationException; Request ID: {self.call.cloud.ids.uuid()}; Proxy: null"
            raise validation(f"{problem.message} ({origin})") from None

    async def _update(self, wanted: Shape) -> None:
        if wanted.get("AutoScalingDisabled"):
            if await self.target() is not None:
                await self._ask("DeregisterScalableTarget", {})
            return
        account, role = self.call.account, wanted.get("AutoScalingRoleArn")
        if role is not None and role != f"arn:aws:iam::{account}:role/{_ROLE}":
            raise validation(
                f"User: arn:aws:sts::{account}:assumed-role/AWSServiceRoleForDynamoDBReplication is not authorized to perform: iam:PassRole on resource: {role} "
                "because no identity-based policy allows the iam:PassRole action"
            )
        await self._ask("RegisterScalableTarget", {"MinCapacity": wanted["MinimumUnits"], "MaxCapacity": wanted["MaximumUnits"]})
        policy = wanted["ScalingPolicyUpdate"]
        name = policy.get("PolicyName", f"DynamoDB{self.kind}CapacityUtilization:{self.resource}")
        for old in await self.policies():
            if old["PolicyName"] != name:
                await self.track(old["PolicyName"], policy[_TRACKING])  # What is refused must not cost the policy that there is.
                await self._ask("DeleteScalingPolicy", {"PolicyName": old["PolicyName"]})
        await self.track(name, policy[_TRACKING])

    async def track(self, name: str, settings: Shape) -> None:
        """Keep the utilization at a target."""
        metric = {"PredefinedMetricSpecification": {"PredefinedMetricType": f"DynamoDB{self.kind}CapacityUtilization"}}
        policy = {"PolicyName": name, "PolicyType": "TargetTrackingScaling", _TRACKING: {**_settings(settings), **metric}}
        await self._ask("PutScalingPolicy", policy)

    async def follow(self, source: Scaled) -> None:
        """Scale as in another region."""
        target = await source.target()
        if target is None:
            return
        await self._ask("RegisterScalableTarget", {"MinCapacity": target["MinCapacity"], "MaxCapacity": target["MaxCapacity"]})
        for policy in await source.policies():
            await self.track(policy["PolicyName"], policy[_TRACKING])


def _settings(given: Shape) -> Shape:
    return {name: given[name] for name in _FIELDS if name in given}


def scaling_is_there(call: Call) -> bool:
    """Whether this cloud has Application Auto Scaling at all."""
    return f"{_SERVICE}:DescribeScalableTargets" in call.cloud.operations


def global_indexes(record: TableRecord) -> list[str]:
    return [index.name for index in record.indexes if index.is_global]


def ready_indexes(record: TableRecord) -> list[str]:
    """The global indexes that scaling can be asked of: those that are made."""
    return [index.name for index in record.indexes if index.is_global and index.status not in ("CREATING", "DELETING")]


async def unscaled(call: Call, record: TableRecord) -> str:
    """What of a provisioned table's write capacity does not scale by itself: `Table`, `GSI`, or nothing."""
    if not await _writes_scale(call, record, ""):
        return "Table"
    return "" if await _writes_of_indexes_scale(call, record) else "GSI"


async def _writes_scale(call: Call, record: TableRecord, index: str) -> bool:
    one = Scaled(call, record.region, record.name, "Write", index)
    return scaling_is_there(call) and await one.target() is not None and bool(await one.policies())


async def _writes_of_indexes_scale(call: Call, record: TableRecord) -> bool:
    for index in global_indexes(record):
        if not await _writes_scale(call, record, index):
            return False
    return True


async def indexes_to_scale(call: Call, record: TableRecord | None, request: Shape) -> list[str]:
    """The indexes that an UpdateTable adds to a global table of provisioned capacity: their writes scale too. ValidationException while those of another index do not."""
    if record is None or record.replication is None or record.on_demand or request.get("BillingMode") == "PAY_PER_REQUEST" or not scaling_is_there(call):
        return []
    made = [update["Create"]["IndexName"] for update in request.get("GlobalSecondaryIndexUpdates", ()) if update.get("Create")]
    if made and not await _writes_of_indexes_scale(call, record):
        raise validation("GSI write capacity should either be Pay-Per-Request or AutoScaled.")
    return made


async def scale_new_index(call: Call, table: str, regions: list[str], index: str) -> None:
    """Let the writes of an index that was just added scale as DynamoDB does it by itself, in all regions."""
    for region in regions:
        await Scaled(call, region, table, "Write", index).update(_OF_NEW_INDEXES)


async def scale_alike(call: Call, record: TableRecord, region: str) -> None:
    """Give a new replica the scaling of the table that it is made from."""
    for index in ("", *global_indexes(record)):
        for kind in ("Write", "Read"):
            await Scaled(call, region, record.name, kind, index).follow(Scaled(call, record.region, record.name, kind, index))
