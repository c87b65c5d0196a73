"""Signature Version 4: in the Authorization header, in a presigned URL, and on a POST form's policy.

Source: AWS General Reference, "Signature Version 4"; S3 API Reference, "Authenticating Requests".
"""

from __future__ import annotations

import calendar
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qsl

from haneul.auth.ports import Credential
from haneul.auth.signature.canonical import canonical_path, canonical_query, canonical_request, sign, signing_key, string_to_sign
from haneul.auth.signature.chunked import SignedStream, VerifiedStream
from haneul.auth.signature.problems import SignatureProblem
from haneul.clock import MINUTE, SECOND, Clock
from haneul.core.http import HttpRequest

EMPTY_HASH = sha256(b"").hexdigest()
_UNSIGNED = "UNSIGNED-PAYLOAD"
_STREAMING_PREFIX = "STREAMING-"
_SKEW = 15 * MINUTE
_KEY_CACHE_SIZE = 1024
_EXPIRES_MAX_SECONDS = 604_800
_HEADER_CONTEXT: Mapping[str, Any] = {"s3:authtype": "REST-HEADER", "s3:signatureversion": "AWS4-HMAC-SHA256"}


@dataclass(slots=True)
class Signed:
    """What a request says of its own signature."""

    access_key_id: str
    date: str
    region: str
    service: str
    headers: str
    signature: str
    timestamp: str
    token: str
    presigned: bool = False
    expires_seconds: int = 0
    context: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scope(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/aws4_request"


@dataclass(frozen=True, slots=True)
class _Grant:
    """What an Authorization header says before its signature: the same from request to request of a client's day."""

    access_key_id: str
    date: str
    region: str
    service: str
    headers: str


def parse_timestamp(text: str) -> int:
    """`20240131T235959Z` as nanoseconds; ValueError for anything else."""
    if len(text) != 16 or text[8] != "T" or text[15] != "Z":
        raise ValueError(text)
    numbers = (int(text[:4]), int(text[4:6]), int(text[6:8]), int(text[9:11]), int(text[11:13]), int(text[13:15]))
    return calendar.timegm(numbers) * SECOND


class Verifier:
    """Verifies signatures with secrets from `find_credential(access_key_id, token, remote)`."""

    def __init__(self, clock: Clock, find_credential: Callable[[str, str, str], Credential]) -> None:
        self._clock = clock
        self._find_credential = find_credential
        self._keys: dict[tuple[str, str, str, str], bytes] = {}
        self._grants: dict[str, _Grant] = {}
        self._last_timestamp = ("", 0)

    def verify(self, request: HttpRequest, service: str) -> tuple[Signed, Credential] | None:
        """What signed the request; None for an anonymous one. `service` is the name that the scope must carry. Raises SignatureProblem."""
        authorization = request.headers.get("authorization")
        if authorization is not None:
            signed = self._from_header(request, authorization)
        elif "X-Amz-Signature" in request.query or "X-Amz-Algorithm" in request.query:
            signed = _from_query(request)
        else:
            return None
        self._check_scope(signed, service)
        credential = self._find_credential(signed.access_key_id, signed.token, request.remote)
        self._check_time(signed)
        s3 = service == "s3"
        payload = self._payload_hash(request, signed, s3)
        try:
            canonical = canonical_request(
                request,
                canonical_path(request.raw_path, s3=s3),
                canonical_query(request.query, "X-Amz-Signature" if signed.presigned else ""),
                signed.headers,
                payload,
            )
        except KeyError as missing:
            raise SignatureProblem("mismatch") from missing
        key = self._key(credential.secret, signed)
        if not hmac.compare_digest(sign(key, string_to_sign(signed.timestamp, signed.scope, canonical)), signed.signature):
            raise SignatureProblem("mismatch")
        self._guard_body(request, signed, payload, key)
        return signed, credential

    def verify_form(self, fields: Mapping[str, str], service: str) -> tuple[Signed, Credential]:
        """What signed a POST form's policy."""
        parts = fields.get("x-amz-credential", "").split("/")
        if fields.get("x-amz-algorithm") != "AWS4-HMAC-SHA256" or len(parts) != 5:
            raise SignatureProblem("missing")
        signed = Signed(parts[0], parts[1], parts[2], parts[3], "", fields.get("x-amz-signature", ""), fields.get("x-amz-date", ""), fields.get("x-amz-security-token", ""))
        signed.context = {"s3:authtype": "POST", "s3:signatureversion": "AWS4-HMAC-SHA256"}
        if signed.service != service:
            raise SignatureProblem("incomplete", detail_s3=f'The credential scope is malformed; expecting "{service}".')
        credential = self._find_credential(signed.access_key_id, signed.token, "")
        if not hmac.compare_digest(sign(self._key(credential.secret, signed), fields.get("policy", "")), signed.signature):
            raise SignatureProblem("mismatch")
        return signed, credential

    def _from_header(self, request: HttpRequest, authorization: str) -> Signed:
        prefix, found, signature = authorization.rpartition("Signature=")
        grant = self._grants.get(prefix) if found else None
        if grant is None:
            grant, signature = _read_grant(authorization)
            if authorization.endswith("Signature=" + signature):
                if len(self._grants) >= _KEY_CACHE_SIZE:
                    self._grants.clear()
                self._grants[prefix] = grant
        headers = request.headers
        timestamp = headers.get("x-amz-date") or headers.get("date", "")
        if not timestamp:
            raise SignatureProblem("incomplete", "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
        token = headers.get("x-amz-security-token", "")
        return Signed(
            grant.access_key_id, grant.date, grant.region, grant.service, grant.headers, signature, timestamp, token, context=_HEADER_CONTEXT
        )

    def _key(self, secret: str, signed: Signed) -> bytes:
        name = (secret, signed.date, signed.region, signed.service)
        key = self._keys.get(name)
        if key is None:
            if len(self._keys) >= _KEY_CACHE_SIZE:
                self._keys.clear()
            key = self._keys[name] = signing_key(secret, signed.date, signed.region, signed.service)
        return key

    def _check_scope(self, signed: Signed, service: str) -> None:
        if signed.service != service:
            message = f"Credential should be scoped to correct service: '{service}'. "
            raise SignatureProblem("mismatch", message, message)
        if not signed.timestamp.startswith(signed.date):
            message = f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{signed.date}' != '{signed.timestamp[:8]}', from '{signed.timestamp}'."
            raise SignatureProblem("mismatch", message, message)

    def _check_time(self, signed: Signed) -> None:
        """Accept what is right by this cloud's clock or by the machine's: functions and clients outside keep the machine's time."""
        try:
            text, at = self._last_timestamp
            if text != signed.timestamp:
                at = parse_timestamp(signed.timestamp)
                self._last_timestamp = (signed.timestamp, at)
        except ValueError as error:
            raise SignatureProblem(
                "incomplete", f"Date must be in ISO-8601 'basic format'. Got '{signed.timestamp}'. See http://en.wikipedia.org/wiki/ISO_8601"
            ) from error
        now = self._clock.now()
        if not signed.presigned and -_SKEW <= at - now <= _SKEW:
            return
        times = (now, self._clock.machine_now())
        if signed.presigned:
            if not any(at - _SKEW <= now <= at + signed.expires_seconds * SECOND for now in times):
                if all(now < at - _SKEW for now in times):
                    raise SignatureProblem("expired", f"Signature not yet current: {signed.timestamp}", "Request is not valid yet")
                raise SignatureProblem("expired", f"Signature expired: {signed.timestamp} is now earlier than {_format(times[0] - signed.expires_seconds * SECOND)}")
            return
        if abs(at - times[1]) > _SKEW:
            if at < now:
                message = f"Signature expired: {signed.timestamp} is now earlier than {_format(now - _SKEW)} ({_format(now)} - 15 min.)"
            else:
                message = f"Signature not yet current: {signed.timestamp} is still later than {_format(now + _SKEW)} ({_format(now)} + 15 min.)"
            raise SignatureProblem("skewed", message)

    def _payload_hash(self, request: HttpRequest, signed: Signed, s3: bool) -> str:
        stated = request.headers.get("x-amz-content-sha256")
        if signed.presigned:
            return stated or (_UNSIGNED if s3 else EMPTY_HASH if not request.body else sha256(request.body).hexdigest())
        if s3:
            if stated is None:
                raise SignatureProblem("incomplete", detail_s3="Missing required header for this request: x-amz-content-sha256")
            return stated
        if request.stream is not None:
            return stated or ""
        actual = sha256(request.body).hexdigest() if request.body else EMPTY_HASH
        if stated == _UNSIGNED:
            return stated
        return actual

    def _guard_body(self, request: HttpRequest, signed: Signed, payload: str, key: bytes) -> None:
        """Make sure that the body is the one that was signed, at once or while it is read."""
        if payload == _UNSIGNED:
            return
        if payload.startswith(_STREAMING_PREFIX):
            request.stream = SignedStream(request, payload, key, signed.timestamp, signed.scope, signed.signature)
            request.body = b""
        elif request.stream is not None:
            request.stream = VerifiedStream(request.stream, payload)
        elif request.headers.get("x-amz-content-sha256") is not None and sha256(request.body).hexdigest() != payload:
            raise SignatureProblem("body-hash")


def _format(nanoseconds: int) -> str:
    seconds, days = divmod(nanoseconds // SECOND, 86_400)[::-1]
    year, month, day = _civil(days)
    return f"{year:04}{month:02}{day:02}T{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}Z"


def _civil(days: int) -> tuple[int, int, int]:
    """Days since the epoch as a date of the Gregorian calendar."""
    era_days = days + 719_468
    era, day_of_era = divmod(era_days, 146_097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36_524 - day_of_era // 146_096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    shifted = (5 * day_of_year + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9
    return year_of_era + era * 400 + (month <= 2), month, day_of_year - (153 * shifted + 2) // 5 + 1


def _read_grant(authorization: str) -> tuple[_Grant, str]:
    algorithm, _, rest = authorization.partition(" ")
    if algorithm != "AWS4-HMAC-SHA256":
        raise SignatureProblem(
            "incomplete", f"Unsupported AWS 'algorithm': '{algorithm}'. ", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
        )
    found: dict[str, str] = {}
    for piece in rest.split(","):
        name, _, value = piece.strip().partition("=")
        found[name] = value
    missing = [name for name in ("Credential", "Signature", "SignedHeaders") if not found.get(name)]
    if missing:
        text = " ".join(f"Authorization header requires '{name}' parameter." for name in missing)
        raise SignatureProblem("incomplete", f"{text} Authorization={authorization.partition('Signature=')[0]}", f"The authorization header is malformed; {text}")
    grant = _grant(found["Credential"], found["SignedHeaders"], "incomplete")
    if "host" not in grant.headers.split(";"):
        raise SignatureProblem("mismatch", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
    return grant, found["Signature"]


def _from_query(request: HttpRequest) -> Signed:
    found = dict(parse_qsl(request.query, keep_blank_values=True))
    names = ("X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Expires")
    if any(name not in found for name in names[:5]):
        text = "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters."
        raise SignatureProblem("query-incomplete", text)
    if found["X-Amz-Algorithm"] != "AWS4-HMAC-SHA256":
        raise SignatureProblem("query-incomplete", 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"')
    expires = found.get("X-Amz-Expires", "900")
    if not expires.lstrip("-").isdigit():
        raise SignatureProblem("query-incomplete", "X-Amz-Expires should be a number")
    if int(expires) < 0:
        raise SignatureProblem("query-incomplete", "X-Amz-Expires must be non-negative")
    if int(expires) > _EXPIRES_MAX_SECONDS:
        raise SignatureProblem("query-incomplete", "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
    grant = _grant(found["X-Amz-Credential"], found["X-Amz-SignedHeaders"], "query-incomplete")
    return Signed(
        grant.access_key_id,
        grant.date,
        grant.region,
        grant.service,
        grant.headers,
        found["X-Amz-Signature"],
        found["X-Amz-Date"],
        found.get("X-Amz-Security-Token", ""),
        presigned=True,
        expires_seconds=int(expires),
        context={"s3:authtype": "REST-QUERY-STRING", "s3:signatureversion": "AWS4-HMAC-SHA256"},
    )


def _grant(credential: str, headers: str, problem: str) -> _Grant:
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or parts[4] != "aws4_request":
        raise SignatureProblem(
            problem,
            f"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{credential}'",
            f'The Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/aws4_request", got "{credential}".',
        )
    return _Grant(parts[0], parts[1], parts[2], parts[3], headers.lower())
