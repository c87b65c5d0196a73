"""Records as the API shows them."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime
from typing import Any

import orjson

from haneul.clock import SECOND
from haneul.services.lambda_.code import code_sha256
from haneul.services.lambda_.names import Target
from haneul.services.lambda_.records import ImageUse, Version
from haneul.store.vault import Vault

ENVIRONMENT_PURPOSE = "lambda-environment"


def shown_time(nanoseconds: int) -> str:
    """`2026-11-23T09:36:23.123+0000`, as Lambda writes times that are strings."""
    seconds, rest = divmod(nanoseconds, SECOND)
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S") + f".{rest // 1_000_000:03d}+0000"


def open_environment(vault: Vault, version: Version) -> dict[str, str]:
    """The user's environment variables of a version."""
    if version.sealed_environment is None:
        return {}
    plain = vault.unseal(version.sealed_environment, ENVIRONMENT_PURPOSE)
    if plain is None:
        raise ValueError(f"the environment of {version.name} was not sealed by this vault")
    variables: dict[str, str] = orjson.loads(plain)
    return variables


def seal_environment(vault: Vault, variables: dict[str, str]) -> bytes:
    return vault.seal(orjson.dumps(variables), ENVIRONMENT_PURPOSE)


def configuration(vault: Vault, target: Target, version: Version, *, state: str = "Active", update: str = "Successful") -> dict[str, Any]:
    """The FunctionConfiguration of a version, as reached by `target`.

    Code is checked and unpacked before a create or update answers, so the states Pending and InProgress appear in those answers only, as they do
    on AWS, and the next read says Active and Successful.
    """
    out: dict[str, Any] = {
        "FunctionName": version.name,
        "FunctionArn": target.qualified_arn,
        "Runtime": version.runtime,
        "Role": version.role,
        "Handler": version.handler,
        "CodeSize": version.code_size,
        "Description": version.description,
        "Timeout": version.timeout_seconds,
        "MemorySize": version.memory_mb,
        "LastModified": shown_time(version.last_modified),
        "CodeSha256": shown_sha256(version),
        "Version": version.qualifier,
        "TracingConfig": {"Mode": version.tracing},
        "RevisionId": version.revision_id,
        "PackageType": "Zip" if version.image is None else "Image",
        "Architectures": [version.architecture],
        "EphemeralStorage": {"Size": version.ephemeral_storage_mb},
        "SnapStart": {
            "ApplyOn": "PublishedVersions" if version.snap_start else "None",
            "OptimizationStatus": "On" if version.snap_start and version.number and version.state == "Active" else "Off",
        },
        "RuntimeVersionConfig": {"RuntimeVersionArn": runtime_version_arn(target.region, version.runtime)},
        "LoggingConfig": logging_config(version),
        "State": version.state if version.state != "Active" else state,
        "LastUpdateStatus": update,
    }
    if version.image is not None:
        for name in ("Runtime", "Handler", "RuntimeVersionConfig"):
            out.pop(name, None)
        if config := image_config(version.image):
            out["ImageConfigResponse"] = {"ImageConfig": config}
    if state == "Pending":
        out["StateReason"] = "The function is being created."
        out["StateReasonCode"] = "Creating"
        del out["LastUpdateStatus"]
    if version.state == "Pending":
        out["StateReason"], out["StateReasonCode"] = "The function is being created.", "Creating"
    if version.state == "Failed":
        out["StateReason"], out["StateReasonCode"] = version.state_reason, "FunctionError"
    if update == "InProgress":
        out["LastUpdateStatusReason"] = "The function is being created."
        out["LastUpdateStatusReasonCode"] = "Creating"
    if version.sealed_environment is not None:
        out["Environment"] = {"Variables": open_environment(vault, version)}
    if version.layers:
        out["Layers"] = [{"Arn": layer.arn, "CodeSize": layer.code_size} for layer in version.layers]
    if version.dead_letter_arn:
        out["DeadLetterConfig"] = {"TargetArn": version.dead_letter_arn}
    if version.kms_key_arn:
        out["KMSKeyArn"] = version.kms_key_arn
    return out


def shown_sha256(version: Version) -> str:
    """A zip package's hash in base64, an image's digest as registries write it."""
    return code_sha256(version.sha256) if version.image is None else version.sha256


def image_config(image: ImageUse) -> dict[str, Any]:
    """What of an image's settings is overridden."""
    out: dict[str, Any] = {"EntryPoint": image.entry_point, "Command": image.command, "WorkingDirectory": image.working_directory}
    return {name: value for name, value in out.items() if value}


def logging_config(version: Version) -> dict[str, str]:
    out = {"LogFormat": version.log_format, "LogGroup": version.log_group or f"/aws/lambda/{version.name}"}
    if version.application_log_level:
        out["ApplicationLogLevel"] = version.application_log_level
    if version.system_log_level:
        out["SystemLogLevel"] = version.system_log_level
    return out


def runtime_version(runtime: str) -> str:
    """The build's short name, as the log's INIT_START shows it: `python:3.11.v1`. Container images have none."""
    found = re.match(r"([a-z]+?)\.?([0-9]+(?:\.[0-9]+)?|al[0-9]+)(\.x)?$", runtime)
    return f"{found[1]}:{found[2]}.v1" if found else ""


def runtime_version_arn(region: str, runtime: str) -> str:
    """Names the build of a runtime that this cloud runs: there is one for each."""
    return f"arn:aws:lambda:{region}::runtime:{hashlib.sha256(runtime.encode()).hexdigest()}"
