"""SSH public keys of users: UploadSSHPublicKey, GetSSHPublicKey, ListSSHPublicKeys, UpdateSSHPublicKey, DeleteSSHPublicKey.

They are for CodeCommit, which is not here: IAM keeps them and gives them out again.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import rsa

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.lazy import LazyModule
from haneul.core.operation import Shape
from haneul.services.iam.directory import Directory
from haneul.services.iam.entities import directory_of, user_or_caller
from haneul.services.iam.errors import invalid_input, no_such_entity, quota_exceeded
from haneul.services.iam.identifiers import unique_id
from haneul.services.iam.limits import SSH_PUBLIC_KEYS_PER_USER_MAX
from haneul.services.iam.pages import page_of_list
from haneul.services.iam.records import SshPublicKey, User
from haneul.services.iam.resources import iam_operation
from haneul.store.port import Transaction
from haneul.store.records import decode

serialization = LazyModule("cryptography.hazmat.primitives.serialization")

_SPACE = "ssh-key"
_BITS_MIN = 2_048


def ssh_public_keys(directory: Directory, user: User) -> list[SshPublicKey]:
    """A user's keys."""
    return [decode(value, SshPublicKey) for _, value in directory.rows(_SPACE, user.id)]


def _parsed(body: str) -> Any:
    """The key in an `ssh-rsa` line or a PEM block; UnrecognizedPublicKeyEncoding or InvalidPublicKey for what is none, or is too short."""
    text = body.strip().encode()
    if not text.startswith((b"ssh-", b"-----BEGIN")):
        raise ServiceError("UnrecognizedPublicKeyEncoding", "The public key encoding is unsupported or unrecognized.", 400)
    try:
        key = serialization.load_ssh_public_key(text) if text.startswith(b"ssh-") else serialization.load_pem_public_key(text)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < _BITS_MIN:
        raise ServiceError("InvalidPublicKey", "The public key is malformed or otherwise invalid.", 400)
    return key


def _ssh_line(key: Any) -> str:
    line: bytes = key.public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return line.decode()


def _fingerprint(key: Any) -> str:
    """The MD5 digest of the key, as `ssh-keygen -l -E md5` shows it."""
    return hashlib.md5(base64.b64decode(_ssh_line(key).split()[1]), usedforsecurity=False).digest().hex(":")


def _shown(user: User, key: SshPublicKey) -> Shape:
    return {"UserName": user.name, "SSHPublicKeyId": key.id, "Status": "Active" if key.active else "Inactive", "UploadDate": key.created_at}


def _found(directory: Directory, user: User, request: Shape) -> tuple[SshPublicKey, bytes]:
    row = directory.key(_SPACE, user.id, request["SSHPublicKeyId"])
    key = directory.get(row, SshPublicKey)
    if key is None:
        raise no_such_entity(f"The Public Key with id {request['SSHPublicKeyId']} cannot be found.")
    return key, row


@iam_operation("UploadSSHPublicKey")
async def upload_ssh_public_key(call: Call, request: Shape) -> Shape:
    """Give a user a key, five at most. Errors: UnrecognizedPublicKeyEncoding, InvalidPublicKey, DuplicateSSHPublicKey, LimitExceeded."""
    parsed = _parsed(request["SSHPublicKeyBody"])
    made = SshPublicKey(id=unique_id(call.cloud.ids, "APKA"), body=_ssh_line(parsed), created_at=call.now)

    def work(tx: Transaction) -> User:
        directory = Directory(tx, call.account)
        user = user_or_caller(call, request, directory)
        known = ssh_public_keys(directory, user)
        if any(one.body == made.body for one in known):
            raise ServiceError("DuplicateSSHPublicKey", "The SSH public key is already associated with the specified IAM user.", 400)
        if len(known) >= SSH_PUBLIC_KEYS_PER_USER_MAX:
            raise quota_exceeded("SSHPublicKeysPerUser", SSH_PUBLIC_KEYS_PER_USER_MAX)
        directory.put(directory.key(_SPACE, user.id, made.id), made)
        return user

    user = await call.cloud.store.transact(work)
    return {"SSHPublicKey": _shown(user, made) | {"Fingerprint": _fingerprint(parsed), "SSHPublicKeyBody": request["SSHPublicKeyBody"]}}


@iam_operation("GetSSHPublicKey")
async def get_ssh_public_key(call: Call, request: Shape) -> Shape:
    """A key, in the encoding that is asked for: SSH or PEM."""
    directory = directory_of(call)
    user = user_or_caller(call, request, directory)
    key, _ = _found(directory, user, request)
    parsed, body = _parsed(key.body), key.body
    if request["Encoding"] == "PEM":
        body = parsed.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    return {"SSHPublicKey": _shown(user, key) | {"Fingerprint": _fingerprint(parsed), "SSHPublicKeyBody": body}}


@iam_operation("ListSSHPublicKeys")
async def list_ssh_public_keys(call: Call, request: Shape) -> Shape:
    """A user's keys, without themselves."""
    directory = directory_of(call)
    user = user_or_caller(call, request, directory)
    page, more = page_of_list([_shown(user, key) for key in ssh_public_keys(directory, user)], request)
    return {"SSHPublicKeys": page, **more}


@iam_operation("UpdateSSHPublicKey")
async def update_ssh_public_key(call: Call, request: Shape) -> Shape:
    """Make a key inactive, or active again."""
    if request["Status"] not in ("Active", "Inactive"):
        raise invalid_input("An SSH public key can only be made Active or Inactive.")

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        key, row = _found(directory, user_or_caller(call, request, directory), request)
        key.active = request["Status"] == "Active"
        directory.put(row, key)

    await call.cloud.store.transact(work)
    return {}


@iam_operation("DeleteSSHPublicKey")
async def delete_ssh_public_key(call: Call, request: Shape) -> Shape:
    """Remove a key."""

    def work(tx: Transaction) -> None:
        directory = Directory(tx, call.account)
        directory.delete(_found(directory, user_or_caller(call, request, directory), request)[1])

    await call.cloud.store.transact(work)
    return {}
