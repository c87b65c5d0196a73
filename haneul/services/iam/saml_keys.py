"""The private keys with which encrypted SAML assertions are opened: what may be added to a provider and taken away.

IAM User Guide, "Create a SAML identity provider in IAM" and "Troubleshoot SAML federation with IAM".
"""

from __future__ import annotations

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from haneul.clock import Ids
from haneul.core.lazy import LazyModule
from haneul.core.operation import Shape
from haneul.services.iam.errors import invalid_input, limit_exceeded
from haneul.services.iam.records import SamlPrivateKey, SamlProvider
from haneul.store.vault import Vault

serialization = LazyModule("cryptography.hazmat.primitives.serialization")

KEYS_MAX = 2
_KEY_ID_CHARACTERS = 22
_KEY_ID_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_PURPOSE = "iam-saml-private-key "


def new_private_key(request: Shape, vault: Vault, ids: Ids, now: int) -> SamlPrivateKey | None:
    """The key that a request adds, sealed; InvalidInput for what is no RSA key in PEM without a passphrase."""
    text = request.get("AddPrivateKey")
    if text is None:
        return None
    try:
        found = serialization.load_pem_private_key(text.strip().encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise invalid_input("Invalid private key.") from None
    if not isinstance(found, RSAPrivateKey):
        raise invalid_input("Invalid private key.")
    key_id = ids.text(_KEY_ID_CHARACTERS, _KEY_ID_ALPHABET)
    return SamlPrivateKey(id=key_id, sealed=vault.seal(text.strip().encode(), _PURPOSE + key_id), created_at=now)


def opened_keys(provider: SamlProvider, vault: Vault) -> tuple[bytes, ...]:
    """The provider's keys in PEM, the newest first."""
    opened = [vault.unseal(key.sealed, _PURPOSE + key.id) for key in reversed(provider.private_keys)]
    return tuple(key for key in opened if key is not None)


def change_encryption(provider: SamlProvider, request: Shape, added: SamlPrivateKey | None) -> None:
    """Do to a provider's keys and encryption mode what a request asks; InvalidInput and LimitExceeded."""
    removed = request.get("RemovePrivateKey")
    if added is not None and removed is not None:
        raise invalid_input("Unable to add and remove private keys in the same request. Set a value for only one of the two parameters.")
    if added is not None:
        if len(provider.private_keys) >= KEYS_MAX:
            raise limit_exceeded(f"Private key limit of {KEYS_MAX} is reached.")
        provider.private_keys.append(added)
    mode = request.get("AssertionEncryptionMode", provider.encryption_mode)
    if removed is not None:
        kept = [key for key in provider.private_keys if key.id != removed]
        if len(kept) == len(provider.private_keys):
            raise invalid_input("Failed to remove private key because the Key ID does not match a private key.")
        if not kept and mode == "Required":
            raise invalid_input("Failed to remove private key. A provider that requires encrypted assertions keeps one.")
        provider.private_keys = kept
    if mode == "Required" and not provider.private_keys:
        raise invalid_input("Unable to set assertion encryption mode to Required because no private key is provided.")
    provider.encryption_mode = mode


def shown_keys(provider: SamlProvider) -> list[Shape]:
    return [{"KeyId": key.id, "Timestamp": key.created_at} for key in provider.private_keys]
