"""Where virtual multi-factor devices stand in the store, and the codes that they show (RFC 6238: SHA-1, 30 seconds, 6 digits)."""

from __future__ import annotations

import hmac

from haneul.clock import SECOND
from haneul.services.iam.directory import Directory
from haneul.services.iam.errors import no_such_entity
from haneul.services.iam.records import MfaDevice

SEED_PURPOSE = "iam-mfa-seed"
STEP = 30 * SECOND
_DIGITS = 6
_STEPS_TOLERATED = 1


def mfa_device(directory: Directory, serial_number: str) -> tuple[MfaDevice, bytes]:
    """The device of a serial number (its ARN) and its key; NoSuchEntity without one."""
    key = directory.key("mfa", serial_number)
    found = directory.get(key, MfaDevice)
    if found is None:
        raise no_such_entity(f"MFA Device with serial number {serial_number} does not exist.")
    return found, key


def code_at(seed: bytes, step: int) -> str:
    """The code of one time step."""
    digest = hmac.digest(seed, step.to_bytes(8, "big"), "sha1")
    offset = digest[-1] & 15
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFFFFFF
    return f"{number % 10**_DIGITS:0{_DIGITS}}"


def matching_step(seed: bytes, code: str, now: int) -> int | None:
    """The time step around `now` (nanoseconds) whose code this is."""
    current = now // STEP
    for step in range(current - _STEPS_TOLERATED, current + _STEPS_TOLERATED + 1):
        if hmac.compare_digest(code_at(seed, step).encode(), code.encode()):
            return step
    return None
