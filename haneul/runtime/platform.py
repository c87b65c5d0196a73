"""The records of platform events (AWS Lambda Developer Guide, "Lambda Telemetry API Event schema reference")."""

from __future__ import annotations

import math
from typing import Any

from haneul.runtime.port import FunctionSpec, Invocation, Outcome

_STATUS = {"success": "success", "timeout": "timeout", "init_timeout": "timeout", "error": "error", "response_too_large": "error", "init_error": "error"}
_MEGABYTE = 1 << 20


def launched(spec: FunctionSpec, restored: bool, instance_id: str, phase: str) -> tuple[str, dict[str, Any]]:
    """An environment has been made, or is being restored from a snapshot."""
    record: dict[str, Any] = {
        "functionName": spec.function_name,
        "functionVersion": spec.function_version,
        "instanceId": instance_id,
        "instanceMaxMemory": spec.memory_mb * _MEGABYTE,
    }
    if spec.runtime_version:
        record |= {"runtimeVersion": spec.runtime_version, "runtimeVersionArn": spec.runtime_version_arn}
    if restored:
        return "platform.restoreStart", record
    return "platform.initStart", {"initializationType": spec.initialization_type, "phase": phase, **record}


def init_over(spec: FunctionSpec, restored: bool, phase: str, status: str, error_type: str | None, duration_ns: int) -> list[tuple[str, dict[str, Any]]]:
    """What is said when the Init phase, or the restoring, is over."""
    record: dict[str, Any] = {"status": status}
    if not restored:
        record |= {"initializationType": spec.initialization_type, "phase": phase}
    if status == "error" and error_type:
        record["errorType"] = error_type
    what = "restore" if restored else "init"
    return [(f"platform.{what}RuntimeDone", record), (f"platform.{what}Report", {**record, "metrics": {"durationMs": _milliseconds(duration_ns)}})]


def line_of(kind: str, record: dict[str, Any]) -> str:
    """How an event of an extension is written into a log in text format."""
    if kind == "platform.extension":
        return f"EXTENSION\tName: {record['name']}\tState: {record['state']}\tEvents: [{', '.join(record['events'])}]"
    what = "TELEMETRY" if kind == "platform.telemetrySubscription" else "LOGS"
    return f"{what}\tName: {record['name']}\tState: {record['state']}\tTypes: [{', '.join(one.capitalize() for one in record['types'])}]"


def start(invocation: Invocation, spec: FunctionSpec) -> dict[str, Any]:
    record: dict[str, Any] = {"requestId": invocation.request_id, "version": spec.function_version}
    if invocation.trace_id:
        record["tracing"] = {"type": "X-Amzn-Trace-Id", "value": invocation.trace_id}
    return record


def runtime_done(invocation: Invocation, status: str, duration_ns: int, produced_bytes: int) -> dict[str, Any]:
    metrics = {"durationMs": _milliseconds(duration_ns), "producedBytes": produced_bytes}
    return {"requestId": invocation.request_id, "status": _STATUS.get(status, "failure"), "metrics": metrics}


def report(request_id: str, spec: FunctionSpec, outcome: Outcome) -> dict[str, Any]:
    metrics = {
        "durationMs": _milliseconds(outcome.duration_ns),
        "billedDurationMs": math.ceil((outcome.duration_ns + (outcome.init_duration_ns or 0)) / 1_000_000) or 1,
        "memorySizeMB": spec.memory_mb,
        "maxMemoryUsedMB": max(1, math.ceil(outcome.max_memory_bytes / _MEGABYTE)),
    }
    if outcome.init_duration_ns is not None:
        metrics["initDurationMs"] = _milliseconds(outcome.init_duration_ns)
    return {"requestId": request_id, "status": _STATUS.get(outcome.status, "failure"), "metrics": metrics}


def _milliseconds(duration_ns: int) -> float:
    return round(duration_ns / 1_000_000, 3)
