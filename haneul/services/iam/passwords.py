"""Console passwords: hashing, and whether one keeps the account's password policy (IAM User Guide, "Set an account password policy")."""

from __future__ import annotations

import asyncio
import hashlib
import hmac

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.services.iam.records import Password, PasswordPolicy

_SALT_BYTES = 16
_SYMBOLS = frozenset("!@#$%^&*()_+-=[]{}|'")
# What IAM asks of passwords where an account has no policy of its own.
_LENGTH_WITHOUT_POLICY = 8
_KINDS_WITHOUT_POLICY = 3


def hashed(password: str, salt: bytes) -> bytes:
    """scrypt with the parameters of RFC 7914 for interactive logins (about 50 ms)."""
    return hashlib.scrypt(password.encode(), salt=salt, n=2**14, r=8, p=1)


async def new_password(call: Call, password: str, *, reset_required: bool, earlier: Password | None = None, kept: int = 0) -> Password:
    """The record of a new password, keeping the hashes of the `kept` newest of those before it."""
    salt = call.cloud.ids.bytes(_SALT_BYTES)
    made = await asyncio.to_thread(hashed, password, salt)
    before = [(earlier.salt, earlier.hash), *earlier.earlier][:kept] if earlier is not None else []
    created_at = earlier.created_at if earlier is not None else call.now
    return Password(salt, made, created_at, reset_required, call.now, before)


async def is_password(record: Password, password: str) -> bool:
    return await _fits(record.salt, record.hash, password)


async def _fits(salt: bytes, known: bytes, password: str) -> bool:
    return hmac.compare_digest(await asyncio.to_thread(hashed, password, salt), known)


def _violation(message: str) -> ServiceError:
    return ServiceError("PasswordPolicyViolation", message, 400)


def check_password(policy: PasswordPolicy | None, password: str, user_name: str) -> None:
    """Raise PasswordPolicyViolation for a password that the account's policy forbids."""
    upper = any(character.isupper() for character in password)
    lower = any(character.islower() for character in password)
    digit = any(character.isdigit() for character in password)
    symbol = any(character in _SYMBOLS for character in password)
    shortest = policy.minimum_length if policy is not None else _LENGTH_WITHOUT_POLICY
    if len(password) < shortest:
        raise _violation(f"Password should have a minimum length of {shortest}")
    if policy is None:
        if sum((upper, lower, digit, symbol)) < _KINDS_WITHOUT_POLICY or password == user_name:
            raise _violation("Password does not conform to the account password policy.")
        return
    for wanted, there, words in (
        (policy.uppercase, upper, "Password should have at least one uppercase letter"),
        (policy.lowercase, lower, "Password should have at least one lowercase letter"),
        (policy.numbers, digit, "Password should have at least one number"),
        (policy.symbols, symbol, "Password should have at least one symbol"),
    ):
        if wanted and not there:
            raise _violation(words)


async def check_reuse(policy: PasswordPolicy | None, record: Password | None, password: str) -> None:
    """Raise PasswordPolicyViolation for one of the user's newest passwords, as many as the policy says."""
    if policy is None or record is None or not policy.reuse_prevention:
        return
    for salt, known in [(record.salt, record.hash), *record.earlier][: policy.reuse_prevention]:
        if await _fits(salt, known, password):
            raise _violation("Password has been used previously.")
