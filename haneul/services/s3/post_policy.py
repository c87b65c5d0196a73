"""The policy that signs a browser's form: what it demands of the fields (S3 API Reference, "Creating a POST policy")."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from haneul.clock import SECOND
from haneul.core.errors import ServiceError
from haneul.services.s3.incoming import UPLOAD_BYTES_MAX

# Fields that no condition needs to speak of.
_FREE = frozenset({"policy", "x-amz-signature", "file", "signature", "awsaccesskeyid"})


def check_policy(text: str, fields: Mapping[str, str], bucket: str, now: int) -> tuple[int, int]:
    """Check the form's fields against its policy; the smallest and largest file that it allows."""
    document = _read(text)
    if _expiration(document.get("expiration")) <= now:
        raise _denied("Policy expired.")
    conditions = document.get("conditions")
    if not isinstance(conditions, list):
        raise _invalid("Invalid Policy: Missing or invalid 'conditions'.")
    values = {**fields, "bucket": bucket}
    spoken_of = {"bucket"}
    bytes_min, bytes_max = 0, UPLOAD_BYTES_MAX
    for condition in conditions:
        kind, name, value = _condition(condition)
        if kind == "content-length-range":
            bytes_min, bytes_max = max(bytes_min, int(name)), min(bytes_max, int(value))
            continue
        spoken_of.add(name)
        actual = values.get(name, "")
        if not (actual == value if kind == "eq" else _starts(name, actual, value)):
            raise _denied(f"Policy Condition failed: {json.dumps([kind, '$' + name, value])}")
    extra = sorted(name for name in fields if name not in spoken_of and name not in _FREE and not name.startswith("x-ignore-"))
    if extra:
        raise _denied(f"Extra input fields: {extra[0]}")
    return bytes_min, bytes_max


def _starts(name: str, actual: str, value: str) -> bool:
    if name == "content-type":  # A list of types, each of which must begin so.
        return all(one.strip().startswith(value) for one in actual.split(","))
    return actual.startswith(value)


def _read(text: str) -> dict[str, Any]:
    try:
        document = json.loads(base64.b64decode(text, validate=True))
    except (binascii.Error, ValueError, RecursionError):
        raise _invalid("Invalid Policy: Invalid JSON.") from None
    if not isinstance(document, dict):
        raise _invalid("Invalid Policy: Invalid JSON.")
    return document


def _expiration(text: Any) -> int:
    try:
        moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except (AttributeError, ValueError):
        raise _invalid(f"Invalid Policy: Invalid 'expiration' value: '{text}'") from None
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()) * SECOND


def _condition(condition: Any) -> tuple[str, str, str]:
    if isinstance(condition, dict) and len(condition) == 1:
        name, value = next(iter(condition.items()))
        if isinstance(value, str):
            return "eq", name.lower(), value
    elif isinstance(condition, list) and len(condition) == 3:
        kind, name, value = condition
        if str(kind).lower() == "content-length-range" and _is_number(name) and _is_number(value):
            return "content-length-range", str(name), str(value)
        if str(kind).lower() in ("eq", "starts-with") and isinstance(name, str) and name.startswith("$") and isinstance(value, str):
            return kind.lower(), name[1:].lower(), value
    raise _invalid(f"Invalid Policy: Invalid Simple-Condition: {json.dumps(condition)}")


def _is_number(value: Any) -> bool:
    return str(value).isascii() and str(value).isdigit()


def _invalid(message: str) -> ServiceError:
    return ServiceError("InvalidPolicyDocument", message, 400)


def _denied(why: str) -> ServiceError:
    return ServiceError("AccessDenied", f"Invalid according to Policy: {why}", 403)
