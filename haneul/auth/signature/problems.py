"""What can be wrong with a signature, and how each family of services says it.

Sources: each service's page "Common Errors"; S3 API Reference, "Error responses"; what S3's endpoints answer to faulty requests.
"""

from __future__ import annotations

from collections.abc import Mapping

from haneul.core.errors import ServiceError

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)
MISMATCH_S3 = "The request signature we calculated does not match the signature you provided. Check your key and signing method."

_Codes = tuple[tuple[str, int], tuple[str, int], tuple[str, int], tuple[str, int]]

_INCOMPLETE: tuple[tuple[str, int], tuple[str, int], tuple[str, int]] = (
    ("IncompleteSignatureException", 400),
    ("IncompleteSignatureException", 403),
    ("IncompleteSignature", 400),
)
_INVALID: tuple[tuple[str, int], tuple[str, int], tuple[str, int]] = (
    ("InvalidSignatureException", 400),
    ("InvalidSignatureException", 403),
    ("SignatureDoesNotMatch", 403),
)
_UNKNOWN: tuple[tuple[str, int], tuple[str, int], tuple[str, int]] = (
    ("UnrecognizedClientException", 400),
    ("UnrecognizedClientException", 403),
    ("InvalidClientTokenId", 403),
)

# problem → (code, status) for: services with JSON bodies, REST-JSON services, query and EC2 services, S3.
_CODES: dict[str, _Codes] = {
    "missing": (
        ("MissingAuthenticationTokenException", 400),
        ("MissingAuthenticationTokenException", 403),
        ("MissingAuthenticationToken", 403),
        ("AccessDenied", 403),
    ),
    "unsupported": (*_INCOMPLETE, ("InvalidArgument", 400)),
    "old-incomplete": (*_INCOMPLETE, ("AccessDenied", 403)),
    "incomplete": (*_INCOMPLETE, ("AuthorizationHeaderMalformed", 400)),
    "query-incomplete": (*_INCOMPLETE, ("AuthorizationQueryParametersError", 400)),
    "no-date": (*_INCOMPLETE, ("AccessDenied", 403)),
    "no-body-hash": (*_INCOMPLETE, ("InvalidRequest", 400)),
    "scope": (*_INVALID, ("AuthorizationHeaderMalformed", 400)),
    "query-scope": (*_INVALID, ("AuthorizationQueryParametersError", 400)),
    "not-signed": (*_INVALID, ("AccessDenied", 403)),
    "unknown-key": (*_UNKNOWN, ("InvalidAccessKeyId", 403)),
    "bad-token": (*_UNKNOWN, ("InvalidToken", 400)),
    "expired-token": (("ExpiredTokenException", 400), ("ExpiredTokenException", 403), ("ExpiredToken", 403), ("ExpiredToken", 400)),
    "mismatch": (*_INVALID, ("SignatureDoesNotMatch", 403)),
    "skewed": (*_INVALID, ("RequestTimeTooSkewed", 403)),
    "expired": (*_INVALID, ("AccessDenied", 403)),
    "body-hash": (*_INVALID, ("XAmzContentSHA256Mismatch", 400)),
}
_FAMILIES = {"json": 0, "smithy-rpc-v2-cbor": 0, "rest-json": 1, "query": 2, "ec2": 2, "rest-xml": 3}

_MESSAGES_S3 = {
    "missing": "Access Denied",
    "no-date": "AWS authentication requires a valid Date or x-amz-date header",
    "not-signed": "There were headers present in the request which were not signed",
    "unknown-key": "The AWS Access Key Id you provided does not exist in our records.",
    "bad-token": "The provided token is malformed or otherwise invalid.",
    "expired-token": "The provided token has expired.",
    "mismatch": MISMATCH_S3,
    "skewed": "The difference between the request time and the current time is too large.",
    "expired": "Request has expired",
    "body-hash": "The provided 'x-amz-content-sha256' header does not match what was computed.",
}
_MESSAGES = {
    "missing": "Request is missing Authentication Token",
    "unknown-key": "The security token included in the request is invalid.",
    "bad-token": "The security token included in the request is invalid.",
    "expired-token": "The security token included in the request is expired",
    "mismatch": MISMATCH,
    "body-hash": MISMATCH,
}


class SignatureProblem(Exception):
    """A request whose signature cannot be accepted.

    `kind` is a key of the table above; `detail` and `detail_s3` replace the usual message. `fields` are the further elements of S3's error document.
    """

    def __init__(self, kind: str, detail: str = "", detail_s3: str = "", fields: Mapping[str, str] | None = None) -> None:
        super().__init__(f"{kind}: {detail or detail_s3}")
        self.kind = kind
        self.detail = detail
        self.detail_s3 = detail_s3
        self.fields = fields

    def as_error(self, protocol: str) -> ServiceError:
        """The error as a service that speaks `protocol` words it."""
        family = _FAMILIES.get(protocol, 0)
        code, status = _CODES[self.kind][family]
        if family == 3:
            return ServiceError(code, self.detail_s3 or _MESSAGES_S3.get(self.kind) or self.detail, status, fields=dict(self.fields or {}))
        return ServiceError(code, self.detail or _MESSAGES.get(self.kind, "") or self.detail_s3, status)
