"""Signature Version 4: in the Authorization header, in a presigned URL, and on a POST form's policy.

Source: AWS General Reference, "Signature Version 4"; S3 API Reference, "Authenticating Requests".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from haneul.auth.ports import Credential
from haneul.auth.signature.canonical import SigningKey, canonical_path, canonical_query, same, signing_key, string_to_sign
from haneul.auth.signature.chunked import SignedStream, VerifiedStream
from haneul.auth.signature.claims import (
    ALGORITHM,
    STREAMING_PREFIX,
    TERMINAL,
    UNSIGNED,
    Grant,
    Signed,
    check_headers_signed,
    check_scope,
    parse_timestamp,
    query_claims,
    read_grant,
    read_query,
    refuse_for_s3,
    signed_by_header,
)
from haneul.auth.signature.problems import SignatureProblem
from haneul.auth.signature.version2 import OldClaims, old_sign, old_string_to_sign, read_old_header, read_old_query
from haneul.clock import HOUR, MILLISECOND, MINUTE, SECOND, Clock
from haneul.core.http import HttpRequest

EMPTY_HASH: Final = sha256(b"").hexdigest()
_SKEW: Final = 15 * MINUTE
_KEY_CACHE_SIZE: Final = 1024
_HASH_DIGITS: Final = 64
_LAST_SECOND: Final = 253_402_300_799  # 9999-12-31T23:59:59Z


class Verifier:
    """Verifies signatures with secrets from `find_credential(access_key_id, token, remote)`."""

    def __init__(self, clock: Clock, find_credential: Callable[[str, str, str], Credential]) -> None:
        self._clock = clock
        self._find_credential = find_credential
        self._keys: dict[tuple[str, str], SigningKey] = {}
        self._grants: dict[str, Grant] = {}
        self._last_timestamp = ("", 0)

    def verify(self, request: HttpRequest, service: str) -> tuple[Signed, Credential] | None:
        """What signed the request; None for an anonymous one. `service` is the name that the scope must carry. Raises SignatureProblem."""
        s3 = service == "s3"
        if s3 and (old := self._verify_old(request)) is not None:
            return old
        if authorization := request.headers.get("authorization"):
            if s3:
                refuse_for_s3(request, authorization)
            signed = self._from_header(request, authorization)
        elif (claims := query_claims(request.query)) is not None:
            signed = read_query(claims, s3=s3)
        else:
            return None
        grant = signed.grant
        at = self._time_of(signed)
        if s3:  # S3 looks at the time first, the other services once they know the key.
            self._check_time(signed, at)
        check_scope(signed, service)
        check_headers_signed(request, grant.names, s3=s3)
        credential = self._find_credential(grant.access_key_id, signed.token, request.remote)
        if not s3:
            self._check_time(signed, at)
        payload = self._payload_hash(request, signed, s3)
        path = canonical_path(request.raw_path, s3=s3)
        query = canonical_query(request.query, "X-Amz-Signature" if signed.presigned else "")
        try:
            canonical = f"{request.method}\n{path}\n{query}\n{grant.header_lines(request.headers)}\n{grant.headers}\n{payload}"
        except KeyError as missing:
            raise SignatureProblem("mismatch") from missing
        key = self._key(credential.secret, grant)
        text = string_to_sign(signed.timestamp, grant.scope, canonical)
        if not same(key.sign(text), signed.signature):
            raise SignatureProblem("mismatch", fields=_diagnosis(signed, text, canonical))
        if s3 or signed.presigned or request.stream is not None:  # Otherwise what was signed is the hash of the body that is here.
            self._guard_body(request, signed, payload, key)
        return signed, credential

    def verify_form(self, fields: Mapping[str, str], service: str, remote: str) -> tuple[Signed, Credential]:
        """What signed a POST form's policy. The policy's own expiration is for the reader of the policy to check."""
        if "x-amz-signature" not in fields and "awsaccesskeyid" in fields:
            return self._verify_old_form(fields, remote)
        parts = fields.get("x-amz-credential", "").split("/")
        if fields.get("x-amz-algorithm") != ALGORITHM or len(parts) != 5:
            raise SignatureProblem("missing")
        key_id, date, region, scope_service, terminal = parts
        token = fields.get("x-amz-security-token", "")
        context = {"s3:authtype": "POST", "s3:signatureversion": ALGORITHM}
        signed = Signed(Grant(key_id, date, region, scope_service, ""), fields.get("x-amz-signature", ""), fields.get("x-amz-date", ""), token, context)
        if scope_service != service or terminal != TERMINAL:
            raise SignatureProblem("incomplete", detail_s3=f'The credential scope is malformed; expecting "{service}".')
        self._time_of(signed)
        check_scope(signed, service)
        credential = self._find_credential(key_id, token, remote)
        policy = fields.get("policy", "")
        if not same(self._key(credential.secret, signed.grant).sign(policy), signed.signature):
            raise SignatureProblem("mismatch", fields=_diagnosis(signed, policy))
        return signed, credential

    # ---- Signature Version 2

    def _verify_old(self, request: HttpRequest) -> tuple[Signed, Credential] | None:
        """What signed a request with S3's Signature Version 2; None for any other request."""
        authorization = request.headers.get("authorization", "")
        claims = read_old_header(request, authorization) if authorization.startswith("AWS ") else read_old_query(request.query)
        if claims is None or (claims.presigned and authorization):
            return None
        credential = self._find_credential(claims.access_key_id, claims.token, request.remote)
        kind = "REST-QUERY-STRING" if claims.presigned else "REST-HEADER"
        grant = Grant(claims.access_key_id, "", "", "s3", "")
        signed = Signed(grant, claims.signature, claims.date, claims.token, {"s3:authtype": kind, "s3:signatureversion": "AWS"}, presigned=claims.presigned)
        self._check_old_time(claims)
        text = old_string_to_sign(request, claims)
        if not same(old_sign(credential.secret, text), claims.signature):
            raise SignatureProblem("mismatch", fields=_diagnosis(signed, text))
        stated = request.headers.get("x-amz-content-sha256", UNSIGNED)
        if stated.startswith(STREAMING_PREFIX) and stated != "STREAMING-UNSIGNED-PAYLOAD-TRAILER":
            raise SignatureProblem("unsupported", detail_s3="Signature Version 2 cannot sign chunks", fields={"ArgumentName": "x-amz-content-sha256", "ArgumentValue": stated})
        self._guard_body(request, signed, stated, SigningKey(b""))  # No chunk is signed: the key is not used.
        return signed, credential

    def _check_old_time(self, claims: OldClaims) -> None:
        now = self._clock.now()
        if not claims.presigned:
            if not -_SKEW <= claims.at - now <= _SKEW and not -_SKEW <= claims.at - self._clock.machine_now() <= _SKEW:
                raise SignatureProblem("skewed")
            return
        # The URL does not say when it was signed. One that was signed outside by the machine's time is taken to have been made for an hour, the usual time.
        begun = claims.at - HOUR
        if now > claims.at and not (begun <= self._clock.machine_now() and now <= self._clock.at_machine(begun) + HOUR):
            raise SignatureProblem("expired", fields={"Expires": _extended(claims.at), "ServerTime": _extended(now)})

    def _verify_old_form(self, fields: Mapping[str, str], remote: str) -> tuple[Signed, Credential]:
        key_id, token, policy = fields["awsaccesskeyid"], fields.get("x-amz-security-token", ""), fields.get("policy", "")
        signed = Signed(Grant(key_id, "", "", "s3", ""), fields.get("signature", ""), "", token, {"s3:authtype": "POST", "s3:signatureversion": "AWS"})
        credential = self._find_credential(key_id, token, remote)
        if not same(old_sign(credential.secret, policy), signed.signature):
            raise SignatureProblem("mismatch", fields=_diagnosis(signed, policy))
        return signed, credential

    # ---- parts

    def _from_header(self, request: HttpRequest, authorization: str) -> Signed:
        prefix, signature = authorization[:-_HASH_DIGITS], authorization[-_HASH_DIGITS:]
        grant = self._grants.get(prefix)
        if grant is None:
            grant, signature = read_grant(authorization, dated="x-amz-date" in request.headers or "date" in request.headers)
            if len(signature) == _HASH_DIGITS and authorization.endswith("Signature=" + signature):
                if len(self._grants) >= _KEY_CACHE_SIZE:
                    self._grants.clear()
                self._grants[prefix] = grant
        return signed_by_header(request, grant, signature)

    def _key(self, secret: str, grant: Grant) -> SigningKey:
        name = (secret, grant.scope)
        key = self._keys.get(name)
        if key is None:
            if len(self._keys) >= _KEY_CACHE_SIZE:
                self._keys.clear()
            key = self._keys[name] = signing_key(secret, grant.date, grant.region, grant.service)
        return key

    # ---- when

    def _time_of(self, signed: Signed) -> int:
        text, at = self._last_timestamp
        if text == signed.timestamp:
            return at
        try:
            at = parse_timestamp(signed.timestamp)
        except ValueError as error:
            message = f"Date must be in ISO-8601 'basic format'. Got '{signed.timestamp}'. See http://en.wikipedia.org/wiki/ISO_8601"
            if signed.presigned:
                raise SignatureProblem("query-incomplete", message, "X-Amz-Date must be in the ISO8601 Long Format \"yyyyMMdd'T'HHmmss'Z'\"") from error
            raise SignatureProblem("no-date", message) from error
        self._last_timestamp = (signed.timestamp, at)
        return at

    def _check_time(self, signed: Signed, at: int) -> None:
        """Accept what is right by this cloud's clock or by the machine's: functions and clients outside keep the machine's time."""
        now = self._clock.now()
        if signed.presigned:
            self._check_lifetime(signed, at, now)
        elif not -_SKEW <= at - now <= _SKEW and not -_SKEW <= at - self._clock.machine_now() <= _SKEW:
            if at < now:
                message = f"Signature expired: {signed.timestamp} is now earlier than {_basic(now - _SKEW)} ({_basic(now)} - 15 min.)"
            else:
                message = f"Signature not yet current: {signed.timestamp} is still later than {_basic(now + _SKEW)} ({_basic(now)} + 15 min.)"
            fields = {"RequestTime": signed.timestamp, "ServerTime": _extended(now), "MaxAllowedSkewMilliseconds": str(_SKEW // MILLISECOND)}
            raise SignatureProblem("skewed", message, fields=fields)

    def _check_lifetime(self, signed: Signed, at: int, now: int) -> None:
        """A presigned request ends by this cloud's clock: one signed by the machine's time has as long as if it had been signed by ours."""
        lifetime = signed.expires_seconds * SECOND
        begun = at - _SKEW <= now
        if begun and now <= at + lifetime:
            return
        if at <= self._clock.machine_now() and now <= self._clock.at_machine(at) + lifetime:
            return
        times = {"Expires": _extended(at + lifetime), "ServerTime": _extended(now)}
        if not begun:
            message = f"Signature not yet current: {signed.timestamp} is still later than {_basic(now + _SKEW)} ({_basic(now)} + 15 min.)"
            raise SignatureProblem("expired", message, "Request is not yet valid", {"X-Amz-Date": str(at // MILLISECOND), **times})
        message = f"Signature expired: {signed.timestamp} is now earlier than {_basic(now - lifetime)} ({_basic(now)} - {signed.expires_seconds} sec.)"
        raise SignatureProblem("expired", message, fields={"X-Amz-Expires": str(signed.expires_seconds), **times})

    # ---- what

    def _payload_hash(self, request: HttpRequest, signed: Signed, s3: bool) -> str:
        stated = request.headers.get("x-amz-content-sha256")
        if signed.presigned:
            return stated or (UNSIGNED if s3 else EMPTY_HASH if not request.body else sha256(request.body).hexdigest())
        if s3 or request.stream is not None:
            return stated or ""
        if stated == UNSIGNED:
            return stated
        return sha256(request.body).hexdigest() if request.body else EMPTY_HASH

    def _guard_body(self, request: HttpRequest, signed: Signed, payload: str, key: SigningKey) -> None:
        """Make sure that the body is the one that was signed, at once or while it is read."""
        if payload.startswith(STREAMING_PREFIX):
            request.stream = SignedStream(request, payload, key, signed.timestamp, signed.grant.scope, signed.signature)
            request.body = b""
        elif len(payload) != _HASH_DIGITS:
            return  # UNSIGNED-PAYLOAD, or a word of the signer's own in a presigned URL: it says nothing of the body.
        elif request.stream is not None:
            request.stream = VerifiedStream(request.stream, payload)
        elif request.headers.get("x-amz-content-sha256") is not None and (actual := sha256(request.body).hexdigest()) != payload.lower():
            raise SignatureProblem("body-hash", fields={"ClientComputedContentSHA256": payload, "S3ComputedContentSHA256": actual})


def _diagnosis(signed: Signed, text: str, canonical: str | None = None) -> dict[str, str]:
    """What S3 tells a client whose signature does not fit: what it should have signed."""
    fields = {
        "AWSAccessKeyId": signed.grant.access_key_id,
        "StringToSign": text,
        "SignatureProvided": signed.signature,
        "StringToSignBytes": text.encode().hex(" "),
    }
    if canonical is not None:
        fields["CanonicalRequest"] = canonical
        fields["CanonicalRequestBytes"] = canonical.encode().hex(" ")
    return fields


def _basic(nanoseconds: int) -> str:
    return datetime.fromtimestamp(nanoseconds // SECOND, UTC).strftime("%Y%m%dT%H%M%SZ")


def _extended(nanoseconds: int) -> str:
    return datetime.fromtimestamp(min(nanoseconds // SECOND, _LAST_SECOND), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
