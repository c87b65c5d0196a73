"""SSE-C: objects under keys that their owners bring along with each request and that are kept nowhere (S3 User Guide, "Using server-side
encryption with customer-provided keys").

Of a key only a salted hash stays with the object, so that a wrong one is told from a damaged body. The real service takes such requests over
TLS alone; here they may come over plain HTTP, because a local endpoint is one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

from haneul.clock import Ids
from haneul.core.errors import ServiceError
from haneul.core.ports import Shape
from haneul.services.s3.errors import access_denied, invalid_argument, invalid_request
from haneul.store.vault import KEY_BYTES, Vault

ALGORITHM: Final = "AES256"
_HEADER: Final = "x-amz-server-side-encryption"
_SALT_BYTES: Final = 16
_MEMBERS: Final = ("SSECustomerAlgorithm", "SSECustomerKey", "SSECustomerKeyMD5")
_SOURCE_MEMBERS: Final = tuple(f"CopySource{name}" for name in _MEMBERS)
_WITH_KEYS: Final = "Requests specifying Server Side Encryption with Customer provided keys must provide"


class CustomerKey:
    """A key that came with a request. `vault` seals with it what it is to encrypt."""

    __slots__ = ("_key", "md5", "vault")

    def __init__(self, key: bytes, ids: Ids) -> None:
        self._key = key
        self.md5 = base64.b64encode(hashlib.md5(key, usedforsecurity=False).digest()).decode()
        self.vault = Vault(key, ids)

    def hash(self, salt: bytes) -> bytes:
        """What is kept of the key: the salt, and a hash of both."""
        return salt + hmac.digest(salt, self._key, "sha256")

    def fits(self, kept: bytes) -> bool:
        """Whether `kept` is this key's hash."""
        return hmac.compare_digest(self.hash(kept[:_SALT_BYTES]), kept)

    def shown(self) -> Shape:
        """What answers say of it."""
        return {"SSECustomerAlgorithm": ALGORITHM, "SSECustomerKeyMD5": self.md5}


def read_key(request: Shape, ids: Ids, *, of_source: bool = False) -> CustomerKey | None:
    """The key that a request brings for its object, or for the source that it copies. Errors: InvalidArgument, InvalidEncryptionAlgorithmError."""
    members = _SOURCE_MEMBERS if of_source else _MEMBERS
    algorithm, text, digest = request.get(members[0]), request.get(members[1]), request.get(members[2])
    if algorithm is None and text is None and digest is None:
        return None
    method = request.get("ServerSideEncryption")
    if method is not None and not of_source:
        raise invalid_argument("Server Side Encryption with Customer provided key is incompatible with the encryption method specified", _HEADER, method)
    if algorithm is None:
        raise _refused(f"{_WITH_KEYS} a valid encryption algorithm.")
    if text is None:
        raise _refused(f"{_WITH_KEYS} an appropriate secret key.")
    if algorithm != ALGORITHM:
        fields = {"ArgumentName": _HEADER, "ArgumentValue": algorithm}
        raise ServiceError("InvalidEncryptionAlgorithmError", "The Encryption request you specified is not valid. Supported value: AES256.", 400, fields=fields)
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise _refused("The secret key was invalid for the specified algorithm.")
    if digest is None:
        raise _refused(f"{_WITH_KEYS} the client calculated MD5 of the secret key.")
    found = CustomerKey(key, ids)
    if digest != found.md5:
        raise _refused("The calculated MD5 hash of the key did not match the hash that was provided.")
    return found


def _refused(message: str) -> ServiceError:
    # The real service names this header whichever it was, and never shows a value.
    return invalid_argument(message, _HEADER, "null")


def new_hash(key: CustomerKey | None, ids: Ids) -> bytes:
    """What a new object keeps of its key; empty without one."""
    return key.hash(ids.bytes(_SALT_BYTES)) if key is not None else b""


def key_to_read(request: Shape, kept: bytes, ids: Ids, *, of_source: bool = False) -> CustomerKey | None:
    """The key that opens an object (None for one that has none), once it is the right one. Errors: InvalidRequest, AccessDenied."""
    key = read_key(request, ids, of_source=of_source)
    if not kept:
        if key is not None:
            raise invalid_request("The encryption parameters are not applicable to this object.")
        return None
    if key is None:
        raise invalid_request("The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object.")
    if not key.fits(kept):
        raise access_denied()
    return key


def key_of_upload(request: Shape, kept: bytes, ids: Ids, *, required: bool = True) -> CustomerKey | None:
    """The key that a request about an upload's parts brings, once it is the upload's own. Errors: InvalidRequest."""
    key = read_key(request, ids)
    if key is None and (not kept or not required):
        return None
    if key is None or not kept:
        raise invalid_request("The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters.")
    if not key.fits(kept):
        raise invalid_request("The provided encryption parameters did not match the ones used originally.")
    return key
