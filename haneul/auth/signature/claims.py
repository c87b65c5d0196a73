"""What a request says of its own signature: the Authorization header's parts, or the query's.

Source: AWS General Reference, "Signature Version 4"; S3 API Reference, "Authenticating Requests". S3 words its refusals in its own way, and names more.
"""

from __future__ import annotations

import calendar
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import date as calendar_date
from hashlib import sha256
from operator import itemgetter
from typing import Any, Final
from urllib.parse import parse_qsl

from haneul.auth.signature.problems import SignatureProblem
from haneul.clock import SECOND
from haneul.core.http import HttpRequest

ALGORITHM: Final = "AWS4-HMAC-SHA256"
TERMINAL: Final = "aws4_request"
_SCHEME: Final = ALGORITHM + " "
UNSIGNED: Final = "UNSIGNED-PAYLOAD"
STREAMING_PREFIX: Final = "STREAMING-"
EXPIRES_SECONDS_MAX: Final = 604_800
EXPIRES_SECONDS_DEFAULT: Final = 900
_LINES_REMEMBERED: Final = 16
_LINES_BYTES_MAX: Final = 1024

_NO_BODY_HASH: Final = "Missing required header for this request: x-amz-content-sha256"
_NO_DATE: Final = "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header."
_THREE_COMPONENTS: Final = "The authorization header is malformed; the authorization header requires three components: Credential, SignedHeaders, and Signature."
_PAYLOAD_WORDS: Final = (
    "UNSIGNED-PAYLOAD",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD",
    "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD-TRAILER",
)
_HASH: Final = re.compile(r"[0-9a-fA-F]{64}")
_TIMESTAMP: Final = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_DATE: Final = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})")
_REGION: Final = re.compile(r"[a-z0-9-]+")
_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}")
_QUERY_PARAMETERS: Final = ("X-Amz-Credential", "X-Amz-Signature", "X-Amz-Date", "X-Amz-SignedHeaders")
_HEADER_CONTEXT: Final[Mapping[str, Any]] = {"s3:authtype": "REST-HEADER", "s3:signatureversion": ALGORITHM}
_QUERY_CONTEXT: Final[Mapping[str, Any]] = {"s3:authtype": "REST-QUERY-STRING", "s3:signatureversion": ALGORITHM}


class Grant:
    """What an Authorization header says before its signature: the same from request to request of a client's day, and worked out once.

    `headers` are the names of the signed headers, in lower case, separated by semicolons; `names` the same as a tuple.
    """

    __slots__ = ("_lines", "_pick", "_template", "access_key_id", "date", "headers", "names", "region", "scope", "service")

    def __init__(self, access_key_id: str, date: str, region: str, service: str, headers: str) -> None:
        self.access_key_id = access_key_id
        self.date = date
        self.region = region
        self.service = service
        self.headers = headers
        self.names = tuple(headers.split(";"))
        self.scope = f"{date}/{region}/{service}/{TERMINAL}"
        self._pick = itemgetter(*self.names, self.names[0])  # One more, so that a single name gives a tuple, too.
        self._lines: dict[tuple[str, ...], str] = {}
        self._template = "".join([name.replace("%", "%%") + ":%s\n" for name in self.names]) + "%.0s"

    def header_lines(self, headers: Mapping[str, str]) -> str:
        """The signed headers as the canonical request has them. Raises KeyError with the name of one that is missing."""
        values: tuple[str, ...] = self._pick(headers)
        known = self._lines
        lines = known.get(values)  # The same for all requests of a second to one operation.
        if lines is None:
            lines = self._written(values, headers)
            if len(lines) <= _LINES_BYTES_MAX:  # Nobody has proved yet that he may send this.
                if len(known) >= _LINES_REMEMBERED:
                    known.clear()
                known[values] = lines
        return lines

    def _written(self, values: tuple[str, ...], headers: Mapping[str, str]) -> str:
        lines: str = self._template % values
        if "  " in lines or ": " in lines or " \n" in lines or "\t" in lines:  # Rare: spaces to squeeze, or words with a colon.
            return "".join([f"{name}:{' '.join(headers[name].split())}\n" for name in self.names])
        return lines


class Signed:
    """What a request says of its own signature."""

    __slots__ = ("context", "expires_seconds", "grant", "presigned", "signature", "timestamp", "token")

    def __init__(
        self, grant: Grant, signature: str, timestamp: str, token: str, context: Mapping[str, Any], *, presigned: bool = False, expires_seconds: int = 0
    ) -> None:
        self.grant = grant
        self.signature = signature
        self.timestamp = timestamp
        self.token = token
        self.context = context
        self.presigned = presigned
        self.expires_seconds = expires_seconds


def parse_timestamp(text: str) -> int:
    """`20240131T235959Z` as nanoseconds; ValueError for anything else."""
    if not _TIMESTAMP.fullmatch(text):
        raise ValueError(text)
    numbers = (int(text[:4]), int(text[4:6]), int(text[6:8]), int(text[9:11]), int(text[11:13]), int(text[13:15]))
    return calendar.timegm(numbers) * SECOND


def refuse_for_s3(request: HttpRequest, authorization: str) -> None:
    """What S3 looks at before it reads an Authorization header. Raises SignatureProblem."""
    if "X-Amz-Algorithm=" in request.query and query_claims(request.query):
        message = (
            "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, "
            "Signature query string parameter or the Authorization header should be specified"
        )
        raise _unsupported(message, authorization)
    if not authorization.startswith(_SCHEME):
        if " " not in authorization:
            raise _unsupported("Authorization header is invalid -- one and only one ' ' (space) required", authorization)
        raise _unsupported("Unsupported Authorization Type", authorization)
    stated = request.headers.get("x-amz-content-sha256")
    if stated is None:
        raise SignatureProblem("no-body-hash", detail_s3=_NO_BODY_HASH)
    if not _HASH.fullmatch(stated) and stated not in _PAYLOAD_WORDS:
        message = f"x-amz-content-sha256 must be {', '.join(_PAYLOAD_WORDS)} or a valid sha256 value."
        raise SignatureProblem("unsupported", detail_s3=message, fields={"ArgumentName": "x-amz-content-sha256", "ArgumentValue": stated})


def _unsupported(message: str, authorization: str) -> SignatureProblem:
    return SignatureProblem("unsupported", detail_s3=message, fields={"ArgumentName": "Authorization", "ArgumentValue": authorization})


def read_grant(authorization: str, *, dated: bool) -> tuple[Grant, str]:
    """The parts of an Authorization header, and its signature. `dated`: whether the request says when it was signed. Raises SignatureProblem."""
    algorithm, _, rest = authorization.partition(" ")
    found: dict[str, str] = {}
    for piece in rest.split(","):
        name, equals, value = piece.strip().partition("=")
        if name and not equals:
            where = f"Authorization header (hashed with SHA-256 and encoded with Base64): '{_hashed(authorization)}'."
            raise SignatureProblem("incomplete", f"Invalid key=value pair (missing equal-sign) in {where}", _THREE_COMPONENTS)
        found[name] = value
    missing = [f"Authorization header requires '{name}' parameter." for name in ("Credential", "Signature", "SignedHeaders") if not found.get(name)]
    if missing:
        if not dated:
            missing.append(_NO_DATE)
        text = f"{' '.join(missing)} (Hashed with SHA-256 and encoded with Base64) Authorization={_hashed(authorization)}"
        raise SignatureProblem("incomplete", text, _THREE_COMPONENTS)
    if algorithm != ALGORITHM:
        raise SignatureProblem("unsupported", f"Unsupported AWS 'algorithm': '{algorithm}'. ")
    return _grant(found["Credential"], found["SignedHeaders"], "incomplete"), found["Signature"]


def signed_by_header(request: HttpRequest, grant: Grant, signature: str) -> Signed:
    """What the headers of a request claim. Raises SignatureProblem for one without a date."""
    headers = request.headers
    timestamp = headers.get("x-amz-date") or headers.get("date", "")
    if not timestamp:
        raise SignatureProblem("no-date", _NO_DATE)
    return Signed(grant, signature, timestamp, headers.get("x-amz-security-token", ""), _HEADER_CONTEXT)


def query_claims(query: str) -> dict[str, str] | None:
    """The parameters of a presigned request; None for a request whose query does not claim to be one."""
    if "X-Amz-Algorithm" not in query:
        return None
    found = dict(parse_qsl(query, keep_blank_values=True))
    return found if "X-Amz-Algorithm" in found else None


def read_query(found: Mapping[str, str], *, s3: bool) -> Signed:
    """What a presigned request's parameters claim. Raises SignatureProblem."""
    if found["X-Amz-Algorithm"] != ALGORITHM:
        raise SignatureProblem("query-incomplete", 'X-Amz-Algorithm only supports "AWS4-HMAC-SHA256 and AWS4-ECDSA-P256-SHA256"')
    if any(name not in found for name in _QUERY_PARAMETERS) or (s3 and "X-Amz-Expires" not in found):
        missing = next((name for name in _QUERY_PARAMETERS if name not in found), "")
        raise SignatureProblem(
            "query-incomplete",
            f"AWS query-string parameters must include '{missing}'. Re-examine the query-string parameters.",
            "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, "
            "and X-Amz-Expires parameters.",
        )
    expires = found.get("X-Amz-Expires", str(EXPIRES_SECONDS_DEFAULT))
    if not _NUMBER.fullmatch(expires):
        raise SignatureProblem("query-incomplete", "X-Amz-Expires should be a number")
    if int(expires) < 0:
        raise SignatureProblem("query-incomplete", "X-Amz-Expires must be non-negative")
    if int(expires) > EXPIRES_SECONDS_MAX:
        raise SignatureProblem("query-incomplete", "X-Amz-Expires must be less than a week (in seconds); that is, the given X-Amz-Expires must be less than 604800 seconds")
    grant = _grant(found["X-Amz-Credential"], found["X-Amz-SignedHeaders"], "query-incomplete")
    signature, timestamp, token = found["X-Amz-Signature"], found["X-Amz-Date"], found.get("X-Amz-Security-Token", "")
    return Signed(grant, signature, timestamp, token, _QUERY_CONTEXT, presigned=True, expires_seconds=int(expires))


def check_scope(signed: Signed, service: str) -> None:
    """The scope must name a day, the day of the request, a region and this service. Raises SignatureProblem."""
    grant = signed.grant
    if grant.service == service and grant.date and signed.timestamp.startswith(grant.date):
        return
    where = "Error parsing the X-Amz-Credential parameter; " if signed.presigned else "The authorization header is malformed; "
    kind = "query-scope" if signed.presigned else "scope"
    if grant.service != service:
        raise SignatureProblem(
            kind,
            f"Credential should be scoped to correct service: '{service}'. ",
            f'{where}incorrect service "{grant.service}". This endpoint belongs to "{service}".',
        )
    raise SignatureProblem(
        kind,
        f"Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: "
        f"'{grant.date}' != '{signed.timestamp[:8]}', from '{signed.timestamp}'.",
        f'{where}Invalid credential date "{grant.date}". This date is not the same as X-Amz-Date: "{signed.timestamp[:8]}".',
    )


def check_headers_signed(request: HttpRequest, names: tuple[str, ...], *, s3: bool) -> None:
    """The host must be signed; for S3 every header that changes what the request does, too. Raises SignatureProblem."""
    if not s3:
        if "host" not in names:
            raise SignatureProblem("not-signed", "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
        return
    unsigned = [name for name in request.headers if name not in names and (name.startswith("x-amz-") or name == "content-md5") and name != "x-amz-content-sha256"]
    if "host" not in names:
        unsigned.append("host")
    if unsigned:
        raise SignatureProblem("not-signed", fields={"HeadersNotSigned": ", ".join(sorted(set(unsigned)))})


def _grant(credential: str, headers: str, problem: str) -> Grant:
    where = "Error parsing the X-Amz-Credential parameter; " if problem.startswith("query") else "The authorization header is malformed; "
    parts = credential.rsplit("/", 4)
    if len(parts) != 5 or not parts[0]:
        raise SignatureProblem(
            problem,
            f"Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '{credential}'",
            f'{where}the Credential is mal-formed; expecting "<YOUR-AKID>/YYYYMMDD/REGION/SERVICE/{TERMINAL}".',
        )
    key, day, region, service, terminal = parts
    if not _is_day(day):
        message = f'{where}incorrect date format "{day}". This date in the credential must be in the format "yyyyMMdd".'
        raise SignatureProblem(problem, f"Date in Credential scope must be in the format 'yyyyMMdd', got '{day}'.", message)
    if not _REGION.fullmatch(region):
        # The region goes into ARNs: one with a colon could name another account.
        message = f"the region '{region}' is wrong; expecting 'us-east-1'" if region else "a non-empty region must be provided in the credential."
        raise SignatureProblem(problem, f"Credential should be scoped to a valid region, not '{region}'. ", where + message)
    if terminal != TERMINAL:
        raise SignatureProblem(
            problem,
            f"Credential should be scoped with a valid terminator: '{TERMINAL}', not '{terminal}'. ",
            f'{where}incorrect terminal "{terminal}". This endpoint uses "{TERMINAL}".',
        )
    return Grant(key, day, region, service, headers.lower())


def _hashed(authorization: str) -> str:
    """A header as refusals show it: what may be somebody's secret is not repeated."""
    return b64encode(sha256(authorization.encode("utf-8", "replace")).digest()).decode()


def _is_day(text: str) -> bool:
    found = _DATE.fullmatch(text)
    if found is None:
        return False
    try:
        calendar_date(int(found[1]), int(found[2]), int(found[3]))
    except ValueError:
        return False
    return True
