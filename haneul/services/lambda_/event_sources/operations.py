"""CreateEventSourceMapping, GetEventSourceMapping, UpdateEventSourceMapping, DeleteEventSourceMapping, ListEventSourceMappings."""

from __future__ import annotations

from collections.abc import Mapping as Conditions
from typing import Any

import msgspec

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.errors import conflict, invalid, not_found
from haneul.services.lambda_.event_sources.checks import apply_request, batch_size_of, check_access, check_built, check_position, check_source
from haneul.services.lambda_.event_sources.manager import save_mapping
from haneul.services.lambda_.event_sources.records import Mapping, by_function_key, by_source_key, checkpoints_prefix, mapping_index_key, mapping_key
from haneul.services.lambda_.functions import read
from haneul.services.lambda_.names import Target, parse_target
from haneul.services.lambda_.pages import page
from haneul.services.lambda_.service import Lambda
from haneul.services.lambda_.tag_checks import check_tags
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Transaction

_LIST_MAX = 100
_PARTIAL = "SQS queues and DynamoDB streams; no provisioned pollers, KMS keys"


def _target(call: Call, request: Shape) -> Target:
    return parse_target(request["FunctionName"], None, call.account, call.region)


def _function_condition(call: Call, request: Shape) -> Conditions[str, Any]:
    return {"lambda:FunctionArn": _target(call, request).arn} if "FunctionName" in request else {}


def _mapping_resource(call: Call, request: Shape) -> str:
    return call.arn(f"event-source-mapping:{request['UUID']}")


@operation("lambda:CreateEventSourceMapping", conditions=_function_condition, partial=_PARTIAL)
async def create_event_source_mapping(call: Call, request: Shape) -> Shape:
    """Let a function process what a queue or stream holds. AWS Lambda API Reference, CreateEventSourceMapping."""
    check_built(request, "CreateEventSourceMapping")
    if request.get("Tags"):
        call.authorize("lambda:TagResource", call.arn("event-source-mapping:*"))
    if "EventSourceArn" not in request:
        raise invalid("Unrecognized event source.")
    source = check_source(request["EventSourceArn"], call.region)
    target = _target(call, request)
    found = call.service(Lambda).functions.resolve(target)
    position = check_position(request, source)
    check_tags(request.get("Tags", {}))
    mapping = Mapping(
        uuid=call.cloud.ids.uuid(),
        account=target.account,
        region=target.region,
        function_name=target.name,
        qualifier=target.qualifier,
        source_arn=request["EventSourceArn"],
        enabled=True,
        created_at=call.now,
        last_modified=call.now,
        batch_size=batch_size_of(request, source),
        starting_position=position,
        tags=dict(request.get("Tags", {})),
    )
    apply_request(call, mapping, request)
    await check_access(call, mapping, found)

    def work(tx: Transaction) -> None:
        for key, _ in tx.iterate(*prefix_range(pack((*mapping.space, "mapping-by-source", mapping.source_arn)))):
            other = read(tx, mapping_key(mapping.space, str(unpack(key)[5])), Mapping)
            if other is not None and other.target == mapping.target:
                raise conflict(
                    f'The event source arn (" {mapping.source_arn} ") and function (" {mapping.function_name} ") provided mapping already exists. '
                    f"Please update or delete the existing mapping with UUID {other.uuid}"
                )
        save_mapping(tx, mapping)
        tx.put(by_function_key(mapping), b"")
        tx.put(by_source_key(mapping), b"")

    await call.cloud.store.transact(work)
    return _shown(mapping, "Creating")


@operation("lambda:GetEventSourceMapping", resource=_mapping_resource)
async def get_event_source_mapping(call: Call, request: Shape) -> Shape:
    return _shown(_find(call, call.cloud.store, request["UUID"]))


@operation("lambda:UpdateEventSourceMapping", resource=_mapping_resource, conditions=_function_condition, partial=_PARTIAL)
async def update_event_source_mapping(call: Call, request: Shape) -> Shape:
    """Change a mapping; what a request leaves out stays. The poller begins anew, at its checkpoint."""
    check_built(request, "UpdateEventSourceMapping")
    functions = call.service(Lambda).functions
    mapping = _find(call, call.cloud.store, request["UUID"])
    target = _target(call, request) if "FunctionName" in request else mapping.target
    wanted = msgspec.structs.replace(mapping, function_name=target.name, qualifier=target.qualifier)
    apply_request(call, wanted, request)
    await check_access(call, wanted, functions.resolve(target))

    def work(tx: Transaction) -> Mapping:
        known = _find(call, tx, request["UUID"])
        tx.delete(by_function_key(known))
        known.function_name, known.qualifier = target.name, target.qualifier
        apply_request(call, known, request)
        known.last_modified = call.now
        save_mapping(tx, known)
        tx.put(by_function_key(known), b"")
        return known

    fresh = await call.cloud.store.transact(work)
    state = "Updating"
    if fresh.enabled != mapping.enabled:
        state = "Enabling" if fresh.enabled else "Disabling"
    return _shown(fresh, state)


@operation("lambda:DeleteEventSourceMapping", resource=_mapping_resource)
async def delete_event_source_mapping(call: Call, request: Shape) -> Shape:
    """Remove a mapping and its checkpoints."""

    def work(tx: Transaction) -> Mapping:
        mapping = _find(call, tx, request["UUID"])
        for key in (mapping_key(mapping.space, mapping.uuid), mapping_index_key(mapping.uuid), by_function_key(mapping), by_source_key(mapping)):
            tx.delete(key)
        for key, _ in tx.range(*prefix_range(checkpoints_prefix(mapping))):
            tx.delete(key)
        return mapping

    return _shown(await call.cloud.store.transact(work), "Deleting")


@operation("lambda:ListEventSourceMappings")
async def list_event_source_mappings(call: Call, request: Shape) -> Shape:
    """Mappings, of one function or one source if the request says so."""
    space = ("lambda", call.account, call.region)
    target = _target(call, request) if "FunctionName" in request else None
    source = request.get("EventSourceArn")
    if target is not None:
        call.service(Lambda).functions.resolve(target)
        prefix = pack((*space, "mapping-by-function", target.name))
    elif source is not None:
        prefix = pack((*space, "mapping-by-source", source))
    else:
        prefix = pack((*space, "mapping"))

    def show(key: bytes, _: bytes) -> Shape | None:
        mapping = read(call.cloud.store, mapping_key(space, str(unpack(key)[-1])), Mapping)
        if mapping is None or (source is not None and mapping.source_arn != source) or (target is not None and mapping.qualifier != target.qualifier):
            return None
        return _shown(mapping)

    return page(call.cloud.store, prefix, request, "EventSourceMappings", show, limit_max=_LIST_MAX)


def _find(call: Call, reader: Any, uuid: str) -> Mapping:
    mapping = read(reader, mapping_key(("lambda", call.account, call.region), uuid), Mapping)
    if mapping is None:
        raise not_found("The resource you requested does not exist.")
    return mapping


def _shown(mapping: Mapping, state: str = "") -> Shape:
    out: Shape = {
        "UUID": mapping.uuid,
        "EventSourceMappingArn": mapping.arn,
        "EventSourceArn": mapping.source_arn,
        "FunctionArn": mapping.target.qualified_arn,
        "BatchSize": mapping.batch_size,
        "MaximumBatchingWindowInSeconds": mapping.window_seconds,
        "LastModified": mapping.last_modified,
        "State": state or ("Enabled" if mapping.enabled else "Disabled"),
        "StateTransitionReason": "USER_INITIATED" if mapping.source_service == "sqs" else "User action",
        "FunctionResponseTypes": ["ReportBatchItemFailures"] if mapping.reports_item_failures else [],
    }
    if mapping.filters:
        out["FilterCriteria"] = {"Filters": [{"Pattern": one} for one in mapping.filters]}
    if mapping.metrics:
        out["MetricsConfig"] = {"Metrics": mapping.metrics}
    if mapping.source_service == "sqs":
        if mapping.concurrency_max is not None:
            out["ScalingConfig"] = {"MaximumConcurrency": mapping.concurrency_max}
        return out
    destinations = {"OnFailure": {"Destination": mapping.on_failure}} if mapping.on_failure else {"OnFailure": {}}
    return {
        **out,
        "StartingPosition": mapping.starting_position,
        "ParallelizationFactor": mapping.parallelization,
        "BisectBatchOnFunctionError": mapping.bisect,
        "MaximumRetryAttempts": mapping.retries,
        "MaximumRecordAgeInSeconds": mapping.record_age_seconds,
        "TumblingWindowInSeconds": mapping.tumbling_seconds,
        "DestinationConfig": destinations,
        "LastProcessingResult": mapping.last_result,
    }
