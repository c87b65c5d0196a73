"""Operations of Lambda that stay absent, and why."""

from __future__ import annotations

_CAPACITY = "machines that an account rents for its functions (Lambda Managed Instances) do not exist here: the cloud is one machine, and shares it by itself"
_SCALING = "sets how many environments a function has on a capacity provider, of which there are none; others have reserved and provisioned concurrency"
_DURABLE = "durable executions, which go on where they stopped by replaying their checkpoints, need an engine of their own"

ABSENT = {
    **dict.fromkeys(("CreateCapacityProvider", "DeleteCapacityProvider", "GetCapacityProvider", "ListCapacityProviders", "UpdateCapacityProvider"), _CAPACITY),
    "ListFunctionVersionsByCapacityProvider": _CAPACITY,
    "GetFunctionScalingConfig": _SCALING,
    "PutFunctionScalingConfig": _SCALING,
    "CheckpointDurableExecution": _DURABLE,
    "DeleteDurableExecution": _DURABLE,
    "GetDurableExecution": _DURABLE,
    "GetDurableExecutionHistory": _DURABLE,
    "GetDurableExecutionState": _DURABLE,
    "ListDurableExecutionsByFunction": _DURABLE,
    "PauseDurableExecution": _DURABLE,
    "ResumeDurableExecution": _DURABLE,
    "SendDurableExecutionCallbackFailure": _DURABLE,
    "SendDurableExecutionCallbackHeartbeat": _DURABLE,
    "SendDurableExecutionCallbackSuccess": _DURABLE,
    "StopDurableExecution": _DURABLE,
}
