"""The lines that Lambda itself writes around an Init phase and an invocation: INIT_START, START, END, REPORT, or their JSON forms.

Source: AWS Lambda Developer Guide, "Viewing CloudWatch logs for Lambda", "Log-level filtering" (which event has which level) and "Understanding the
Lambda execution environment lifecycle" (INIT_REPORT and RESTORE_REPORT).
"""

from __future__ import annotations

import math
from typing import Any

import orjson

from haneul.runtime.platform import line_of
from haneul.runtime.port import Outcome
from haneul.services.lambda_.records import Version
from haneul.services.lambda_.times import iso_time
from haneul.services.lambda_.traces import fields_of

_MEGABYTE = 1 << 20
_STATUS = {"timeout": "timeout", "init_timeout": "timeout"}
_LEVELS = ("DEBUG", "INFO", "WARN")


def billed_milliseconds(outcome: Outcome) -> int:
    """Whole milliseconds of the invocation and, since August 2025, of the Init phase; of a restore too."""
    return math.ceil((outcome.duration_ns + (outcome.init_duration_ns or 0) + (outcome.restore_duration_ns or 0)) / 1_000_000) or 1


def event_line(version: Version, kind: str, record: dict[str, Any], now: int) -> str:
    """What is written of an event of the Init phase or a restore; nothing of some."""
    if version.log_format == "JSON":
        return _json(version, now, kind, record)
    if kind in ("platform.extension", "platform.telemetrySubscription", "platform.logsSubscription"):
        return line_of(kind, record) + "\n"
    what = "RESTORE" if kind.startswith("platform.restore") else "INIT"
    if kind in ("platform.initStart", "platform.restoreStart") and "runtimeVersion" in record:
        return f"{what}_START Runtime Version: {record['runtimeVersion']}\tRuntime Version ARN: {record['runtimeVersionArn']}\n"
    if kind == "platform.restoreReport" or (kind == "platform.initReport" and (record["status"] != "success" or record["initializationType"] != "on-demand")):
        line = f"{what}_REPORT {what.capitalize()} Duration: {record['metrics']['durationMs']:.2f} ms"
        if record["status"] != "success":
            line += (f"\tPhase: {record['phase']}" if "phase" in record else "") + f"\tStatus: {record['status']}"
        return line + (f"\tError Type: {record['errorType']}" if "errorType" in record else "") + "\n"
    return ""


def start_line(version: Version, request_id: str, now: int) -> str:
    if version.log_format == "JSON":
        return _json(version, now, "platform.start", {"requestId": request_id, "version": version.qualifier})
    return f"START RequestId: {request_id} Version: {version.qualifier}\n"


def end_lines(version: Version, request_id: str, outcome: Outcome, now: int, trace: str = "") -> list[str]:
    """What follows the function's own lines. `trace` is the invocation's X-Ray header: with active tracing a sampled one has its place in the report."""
    memory_used_mb = max(1, math.ceil(outcome.max_memory_bytes / _MEGABYTE))
    status = _STATUS.get(outcome.status, "success" if outcome.status == "success" else "error")
    if version.log_format == "JSON":
        return [_json_done(version, request_id, outcome, now, status), _json_report(version, request_id, outcome, now, status, memory_used_mb, _segment(version, trace))]
    lines = []
    if status == "timeout":
        lines.append(f"{iso_time(now)} {request_id} Task timed out after {version.timeout_seconds:.2f} seconds\n")
    lines.append(f"END RequestId: {request_id}\n")
    report = (
        f"REPORT RequestId: {request_id}\tDuration: {outcome.duration_ns / 1_000_000:.2f} ms\tBilled Duration: {billed_milliseconds(outcome)} ms\t"
        f"Memory Size: {version.memory_mb} MB\tMax Memory Used: {memory_used_mb} MB\t"
    )
    if outcome.init_duration_ns is not None:
        report += f"Init Duration: {outcome.init_duration_ns / 1_000_000:.2f} ms\t"
    if outcome.restore_duration_ns is not None:
        report += f"Restore Duration: {outcome.restore_duration_ns / 1_000_000:.2f} ms\tBilled Restore Duration: {math.ceil(outcome.restore_duration_ns / 1_000_000)} ms\t"
    if status == "timeout":
        report += "Status: timeout"
    elif outcome.status in ("exited", "out_of_memory", "init_error"):
        report += f"Status: error\tError Type: {outcome.error_type}"
    if segment := _segment(version, trace):
        report += f"\nXRAY TraceId: {segment['Root']}\tSegmentId: {segment['Parent']}\tSampled: true\t"
    lines.append(report + "\n")
    return lines


def _segment(version: Version, trace: str) -> dict[str, str]:
    """The fields of the header under which an invocation is traced; none when it is not."""
    fields = fields_of(trace) if version.tracing == "Active" else {}
    return {name: fields[name] for name in ("Root", "Parent", "Sampled")} if fields.get("Sampled") == "1" else {}


def _json_done(version: Version, request_id: str, outcome: Outcome, now: int, status: str) -> str:
    metrics = {"durationMs": round(outcome.duration_ns / 1_000_000, 3), "producedBytes": len(outcome.payload)}
    record: dict[str, Any] = {"requestId": request_id, "status": status, "metrics": metrics}
    if status == "error" and outcome.error_type:
        record["errorType"] = outcome.error_type
    return _json(version, now, "platform.runtimeDone", record)


def _json_report(version: Version, request_id: str, outcome: Outcome, now: int, status: str, memory_used_mb: int, segment: dict[str, str]) -> str:
    metrics: dict[str, Any] = {
        "durationMs": round(outcome.duration_ns / 1_000_000, 3),
        "billedDurationMs": billed_milliseconds(outcome),
        "memorySizeMB": version.memory_mb,
        "maxMemoryUsedMB": memory_used_mb,
    }
    if outcome.init_duration_ns is not None:
        metrics["initDurationMs"] = round(outcome.init_duration_ns / 1_000_000, 3)
    if outcome.restore_duration_ns is not None:
        metrics["restoreDurationMs"] = round(outcome.restore_duration_ns / 1_000_000, 3)
        metrics["billedRestoreDurationMs"] = math.ceil(outcome.restore_duration_ns / 1_000_000)
    record: dict[str, Any] = {"requestId": request_id, "metrics": metrics, "status": status}
    if status == "error" and outcome.error_type:
        record["errorType"] = outcome.error_type
    if segment:
        value = ";".join(f"{name}={field}" for name, field in segment.items())
        record["tracing"] = {"spanId": segment["Parent"], "type": "X-Amzn-Trace-Id", "value": value}
    return _json(version, now, "platform.report", record)


def _json(version: Version, now: int, kind: str, record: dict[str, Any]) -> str:
    if _LEVELS.index(_level(kind, record)) < _LEVELS.index(version.system_log_level or "INFO"):
        return ""
    return orjson.dumps({"time": iso_time(now), "type": kind, "record": record}).decode() + "\n"


def _level(kind: str, record: dict[str, Any]) -> str:
    if record.get("status", "success") != "success":
        return "WARN"
    if kind.endswith("RuntimeDone") or kind == "platform.runtimeDone" or (kind == "platform.initReport" and record["initializationType"] == "on-demand"):
        return "DEBUG"
    return "INFO" if "runtimeVersion" in record or kind not in ("platform.initStart", "platform.restoreStart") else "DEBUG"
