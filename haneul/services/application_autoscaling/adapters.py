"""The dimensions that can be scaled: for each, how its capacity is read and set through the service's own API, and what target tracking looks at."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from haneul.core.arn import make_arn
from haneul.core.call import call_as
from haneul.core.cloud import Cloud
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.ports import Shape
from haneul.services.application_autoscaling.errors import invalid
from haneul.services.application_autoscaling.records import Place

_TABLE = re.compile(r"table/([a-zA-Z0-9_.-]{3,255})\Z")
_INDEX = re.compile(r"table/([a-zA-Z0-9_.-]{3,255})/index/([a-zA-Z0-9_.-]{3,255})\Z")
_FUNCTION = re.compile(r"function:([a-zA-Z0-9_-]{1,140}):([a-zA-Z0-9_-]{1,128})\Z")
_SESSION = "AutoScaling-UpdateCapacity"


class Tracked(NamedTuple):
    """What target tracking watches: the metric, and how a value of it relates to the target (a utilization of what is provisioned, or a value itself)."""

    namespace: str
    metric: str
    dimensions: list[Shape]
    statistic: str
    utilization: bool


class Adapter(Protocol):
    """One scalable dimension of a service."""

    # What the capacity is called in activities.
    unit: str
    # The service whose role Application Auto Scaling assumes.
    principal: str
    role: str
    # Predefined metric type of target tracking.
    predefined: str
    # What whoever registers a target must be allowed to do with it.
    actions: tuple[str, ...]
    least: int

    def check(self, resource: str) -> None:
        """ValidationException for a resource id that is none of this dimension."""

    async def read(self, cloud: Cloud, place: Place, role: str) -> int | None:
        """The capacity as it is now; None while it is being changed."""

    async def change(self, cloud: Cloud, place: Place, role: str, capacity: int) -> None:
        """Ask the service for another capacity."""

    def arn(self, place: Place) -> str:
        """The resource's ARN, for permissions."""

    def tracked(self, place: Place) -> Tracked:
        """What the predefined metric is made of."""


class TableCapacity:
    """Read or write capacity of a DynamoDB table or of a global secondary index."""

    principal = "dynamodb.application-autoscaling.amazonaws.com"
    role = "AWSServiceRoleForApplicationAutoScaling_DynamoDBTable"
    actions: tuple[str, ...] = ("dynamodb:DescribeTable", "dynamodb:UpdateTable")
    least = 1

    def __init__(self, kind: str, *, of_index: bool) -> None:
        self._member = f"{kind}CapacityUnits"
        self._other = "WriteCapacityUnits" if kind == "Read" else "ReadCapacityUnits"
        self._of_index = of_index
        self.unit = f"{kind.lower()} capacity units"
        self.predefined = f"DynamoDB{kind}CapacityUtilization"

    def _names(self, resource: str) -> tuple[str, str]:
        found = (_INDEX if self._of_index else _TABLE).match(resource)
        if found is None:
            raise invalid(f"Unsupported service namespace, resource type or scalable dimension: the resource ID {resource} is not valid")
        return found[1], found[2] if self._of_index else ""

    def check(self, resource: str) -> None:
        self._names(resource)

    async def _described(self, cloud: Cloud, place: Place, role: str) -> Shape:
        """The table, or the index, as DescribeTable shows it."""
        table, index = self._names(place.resource)
        found = await _call(cloud, "dynamodb:DescribeTable", {"TableName": table}, place, role, self.principal)
        shape: Shape = found["Table"]
        if index:
            one = next((one for one in shape.get("GlobalSecondaryIndexes", []) if one["IndexName"] == index), None)
            if one is None:
                raise ServiceError("ResourceNotFoundException", f"DynamoDB index {index} of table {table} does not exist", 400)
            return {**one, "TableStatus": one["IndexStatus"] if shape["TableStatus"] == "ACTIVE" else shape["TableStatus"]}
        return shape

    async def read(self, cloud: Cloud, place: Place, role: str) -> int | None:
        shape = await self._described(cloud, place, role)
        if shape["TableStatus"] != "ACTIVE":
            return None
        capacity: int = shape.get("ProvisionedThroughput", {}).get(self._member, 0)
        return capacity

    async def change(self, cloud: Cloud, place: Place, role: str, capacity: int) -> None:
        table, index = self._names(place.resource)
        current = (await self._described(cloud, place, role))["ProvisionedThroughput"]
        throughput = {self._member: capacity, self._other: current[self._other]}
        params: Shape = {"TableName": table}
        if index:
            params["GlobalSecondaryIndexUpdates"] = [{"Update": {"IndexName": index, "ProvisionedThroughput": throughput}}]
        else:
            params["ProvisionedThroughput"] = throughput
        await _call(cloud, "dynamodb:UpdateTable", params, place, role, self.principal)

    def arn(self, place: Place) -> str:
        return make_arn("dynamodb", place.region, place.account, f"table/{self._names(place.resource)[0]}")

    def tracked(self, place: Place) -> Tracked:
        table, index = self._names(place.resource)
        dimensions = [{"Name": "TableName", "Value": table}]
        if index:
            dimensions.append({"Name": "GlobalSecondaryIndexName", "Value": index})
        return Tracked("AWS/DynamoDB", f"Consumed{self._member}", dimensions, "Sum", True)


class FunctionConcurrency:
    """Provisioned concurrency of a function's version or alias."""

    unit = "provisioned concurrency"
    principal = "lambda.application-autoscaling.amazonaws.com"
    role = "AWSServiceRoleForApplicationAutoScaling_LambdaConcurrency"
    predefined = "LambdaProvisionedConcurrencyUtilization"
    actions: tuple[str, ...] = ("lambda:PutProvisionedConcurrencyConfig", "lambda:GetProvisionedConcurrencyConfig", "lambda:DeleteProvisionedConcurrencyConfig")
    least = 0

    def _names(self, resource: str) -> tuple[str, str]:
        found = _FUNCTION.match(resource)
        if found is None or found[2] == "$LATEST":
            raise invalid(f"Unsupported service namespace, resource type or scalable dimension: the resource ID {resource} is not valid")
        return found[1], found[2]

    def check(self, resource: str) -> None:
        self._names(resource)

    async def read(self, cloud: Cloud, place: Place, role: str) -> int | None:
        function, qualifier = self._names(place.resource)
        params = {"FunctionName": function, "Qualifier": qualifier}
        try:
            found = await _call(cloud, "lambda:GetProvisionedConcurrencyConfig", params, place, role, self.principal)
        except ServiceError as problem:
            if problem.code == "ProvisionedConcurrencyConfigNotFoundException":
                return 0
            raise
        capacity: int = found["RequestedProvisionedConcurrentExecutions"]
        return capacity if found["Status"] != "IN_PROGRESS" else None

    async def change(self, cloud: Cloud, place: Place, role: str, capacity: int) -> None:
        function, qualifier = self._names(place.resource)
        params: Shape = {"FunctionName": function, "Qualifier": qualifier}
        if capacity == 0:
            await _call(cloud, "lambda:DeleteProvisionedConcurrencyConfig", params, place, role, self.principal)
        else:
            await _call(cloud, "lambda:PutProvisionedConcurrencyConfig", {**params, "ProvisionedConcurrentExecutions": capacity}, place, role, self.principal)

    def arn(self, place: Place) -> str:
        function, qualifier = self._names(place.resource)
        return make_arn("lambda", place.region, place.account, f"function:{function}:{qualifier}")

    def tracked(self, place: Place) -> Tracked:
        function, qualifier = self._names(place.resource)
        dimensions = [{"Name": "FunctionName", "Value": function}, {"Name": "Resource", "Value": f"{function}:{qualifier}"}]
        return Tracked("AWS/Lambda", "ProvisionedConcurrencyUtilization", dimensions, "Average", False)


async def _call(cloud: Cloud, operation: str, params: Shape, place: Place, role: str, principal: str) -> Shape:
    return await call_as(
        cloud, operation, params, role=role, principal=principal, session_name=_SESSION, region=place.region, account=place.account
    )


_ADAPTERS: Mapping[tuple[str, str], Adapter] = MappingProxyType(
    {
        ("dynamodb", "dynamodb:table:ReadCapacityUnits"): TableCapacity("Read", of_index=False),
        ("dynamodb", "dynamodb:table:WriteCapacityUnits"): TableCapacity("Write", of_index=False),
        ("dynamodb", "dynamodb:index:ReadCapacityUnits"): TableCapacity("Read", of_index=True),
        ("dynamodb", "dynamodb:index:WriteCapacityUnits"): TableCapacity("Write", of_index=True),
        ("lambda", "lambda:function:ProvisionedConcurrency"): FunctionConcurrency(),
    }
)


def adapter_of(namespace: str, resource: str, dimension: str) -> Adapter:
    """The adapter for a dimension; NotBuilt for services that Haneul does not have."""
    found = _ADAPTERS.get((namespace, dimension))
    if found is None:
        if namespace in ("dynamodb", "lambda"):
            raise invalid(f"Unsupported service namespace, resource type or scalable dimension: {namespace}, {resource}, {dimension}")
        raise NotBuilt(f"scalable targets of the service namespace {namespace}")
    found.check(resource)
    return found
