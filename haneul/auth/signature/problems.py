"""What can be wrong with a signature, and how each family of services says it."""

from __future__ import annotations

from haneul.core.errors import ServiceError

MISMATCH = (
    "The request signature we calculated does not match the signature you provided. "
    "Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)
MISMATCH_S3 = "The request signature we calculated does not match the signature you provided. Check your key and signing method."

# problem → (code, status) for: services with JSON bodies, REST-JSON services, query and EC2 services, S3.
_CODES: dict[str, tuple[tuple[str, int], tuple[str, int], tuple[str, int], tuple[str, int]]] = {
    "missing": (
        ("MissingAuthenticationTokenException", 400),
        ("MissingAuthenticationTokenException", 403),
        ("MissingAuthenticationToken", 403),
        ("AccessDenied", 403),
    ),
    "incomplete": (("IncompleteSignatureException", 400), ("IncompleteSignatureException", 403), ("IncompleteSignature", 400), ("AuthorizationHeaderMalformed", 400)),
    "query-incomplete": (
        ("IncompleteSignatureException", 400),
        ("IncompleteSignatureException", 403),
        ("IncompleteSignature", 400),
        ("AuthorizationQueryParametersError", 400),
    ),
    "unknown-key": (("UnrecognizedClientException", 400), ("UnrecognizedClientException", 403), ("InvalidClientTokenId", 403), ("InvalidAccessKeyId", 403)),
    "bad-token": (("UnrecognizedClientException", 400), ("UnrecognizedClientException", 403), ("InvalidClientTokenId", 403), ("InvalidToken", 400)),
    "expired-token": (("ExpiredTokenException", 400), ("ExpiredTokenException", 403), ("ExpiredToken", 403), ("ExpiredToken", 400)),
    "mismatch": (("InvalidSignatureException", 400), ("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403), ("SignatureDoesNotMatch", 403)),
    "skewed": (("InvalidSignatureException", 400), ("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403), ("RequestTimeTooSkewed", 403)),
    "expired": (("InvalidSignatureException", 400), ("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403), ("AccessDenied", 403)),
    "body-hash": (("InvalidSignatureException", 400), ("InvalidSignatureException", 403), ("SignatureDoesNotMatch", 403), ("XAmzContentSHA256Mismatch", 400)),
}
_FAMILIES = {"json": 0, "smithy-rpc-v2-cbor": 0, "rest-json": 1, "query": 2, "ec2": 2, "rest-xml": 3}

_MESSAGES_S3 = {
    "missing": "Access Denied",
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
    """A request whose signature cannot be accepted. `kind` is a key of the table above; `detail` replaces the usual message."""

    def __init__(self, kind: str, detail: str = "", detail_s3: str = "") -> None:
        super().__init__(f"{kind}: {detail}")
        self.kind = kind
        self.detail = detail
        self.detail_s3 = detail_s3

    def as_error(self, protocol: str) -> ServiceError:
        """The error as a service that speaks `protocol` words it."""
        family = _FAMILIES.get(protocol, 0)
        code, status = _CODES[self.kind][family]
        if family == 3:
            message = self.detail_s3 or _MESSAGES_S3.get(self.kind) or self.detail
        else:
            message = self.detail or _MESSAGES.get(self.kind, "")
        return ServiceError(code, message, status)
