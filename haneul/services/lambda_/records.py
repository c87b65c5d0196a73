"""What the store keeps of functions, and under which keys.

Every key begins ("lambda", account, region, kind, …). $LATEST is version 0. Times are nanoseconds.
"""

from __future__ import annotations

from typing import Any

import msgspec

from haneul.services.lambda_.names import LATEST, LayerTarget, Target
from haneul.store.keys import pack

Space = tuple[str, str, str]
PROVISIONED_SPACE = "lambda-provisioned"


class Function(msgspec.Struct):
    """What belongs to a function as a whole, not to one of its versions."""

    created_at: int
    next_version: int = 1
    tags: dict[str, str] = {}
    reserved_concurrency: int | None = None
    recursive_loop: str = "Terminate"
    code_signing_arn: str = ""


class LayerUse(msgspec.Struct):
    """A layer version that a function version uses. `sha256` (hexadecimal) names its content, which stays as long as it is used."""

    arn: str
    code_size: int
    sha256: str
    unpacked_size: int


class ImageUse(msgspec.Struct):
    """The container image of a function version: as its creator named it and by digest, and what overrides the image's own settings (empty: nothing)."""

    uri: str
    resolved_uri: str
    entry_point: list[str] = []
    command: list[str] = []
    working_directory: str = ""


class Version(msgspec.Struct):
    """One version: code and configuration. `sha256` is hexadecimal; `sealed_environment` are the user's variables, sealed by the vault."""

    name: str
    number: int
    runtime: str
    role: str
    handler: str
    sha256: str
    code_size: int
    unpacked_size: int
    last_modified: int
    revision_id: str
    description: str = ""
    timeout_seconds: int = 3
    memory_mb: int = 128
    ephemeral_storage_mb: int = 512
    sealed_environment: bytes | None = None
    layers: list[LayerUse] = []
    architecture: str = "x86_64"
    tracing: str = "PassThrough"
    dead_letter_arn: str = ""
    kms_key_arn: str = ""
    log_format: str = "Text"
    application_log_level: str = ""
    system_log_level: str = ""
    log_group: str = ""
    published_from: str = ""
    latest_description: str | None = None
    """Of a published version: what $LATEST's description was then, as publishing may give another one."""
    image: ImageUse | None = None
    runtime_updates: str = "Auto"
    runtime_version_arn: str = ""
    snap_start: bool = False
    state: str = "Active"
    state_reason: str = ""

    @property
    def qualifier(self) -> str:
        return str(self.number) if self.number else LATEST


class Alias(msgspec.Struct):
    """A name for a version; `weights` sends shares of the invocations to other versions."""

    name: str
    version: int
    revision_id: str
    description: str = ""
    weights: dict[str, float] = {}


class Policy(msgspec.Struct):
    """A resource policy: statements as JSON objects by their ids, in the order in which they came."""

    revision_id: str
    statements: dict[str, dict[str, Any]] = {}


class InvokeConfig(msgspec.Struct):
    """How asynchronous invocations of one qualifier are treated; None where the default holds."""

    last_modified: int
    retries: int | None = None
    age_seconds: int | None = None
    on_success: str | None = None
    on_failure: str | None = None


class UrlConfig(msgspec.Struct):
    """A function URL."""

    url_id: str
    auth_type: str
    created_at: int
    last_modified: int
    cors: dict[str, Any] | None = None
    invoke_mode: str = "BUFFERED"


class Provisioned(msgspec.Struct):
    """Environments kept ready for one version or alias."""

    requested: int
    last_modified: int


class CodeSigning(msgspec.Struct):
    """Whose signatures code must bear. `untrusted` is Warn or Enforce."""

    config_id: str
    publishers: list[str]
    last_modified: int
    description: str = ""
    untrusted: str = "Warn"
    tags: dict[str, str] = {}


class Layer(msgspec.Struct):
    """A layer; its versions are records of their own."""

    next_version: int = 1


class LayerVersion(msgspec.Struct):
    """One version of a layer."""

    number: int
    sha256: str
    code_size: int
    unpacked_size: int
    created_at: int
    description: str = ""
    runtimes: list[str] = []
    architectures: list[str] = []
    license_info: str = ""


class Code(msgspec.Struct):
    """A package, kept once whatever uses it: a zip file, or the description of an image with these `layers`."""

    blob_id: str
    size: int
    unpacked_size: int
    references: int
    layers: list[str] = []


def key(space: Space, *rest: str | int) -> bytes:
    return pack((*space, *rest))


def function_key(target: Target) -> bytes:
    return pack((*target.space, "function", target.name))


def version_key(target: Target, number: int) -> bytes:
    return pack((*target.space, "version", target.name, number))


def alias_key(target: Target, alias: str) -> bytes:
    return pack((*target.space, "alias", target.name, alias))


def policy_key(target: Target) -> bytes:
    """The policy of one qualifier; "" is the function's own."""
    return pack((*target.space, "policy", target.name, target.qualifier or ""))


def invoke_config_key(target: Target) -> bytes:
    return pack((*target.space, "invoke-config", target.name, target.qualifier or LATEST))


def url_key(target: Target) -> bytes:
    return pack((*target.space, "url", target.name, target.qualifier or ""))


def url_index_key(url_id: str) -> bytes:
    return pack(("lambda-url", url_id))


def provisioned_prefix(target: Target) -> bytes:
    """Provisioned concurrency of all qualifiers of a function. All of the cloud's lies together, since it is taken up again at the start."""
    return pack((PROVISIONED_SPACE, target.account, target.region, target.name))


def provisioned_key(target: Target) -> bytes:
    return pack((PROVISIONED_SPACE, target.account, target.region, target.name, target.qualifier or ""))


def code_signing_key(space: Space, config_id: str) -> bytes:
    return pack((*space, "code-signing", config_id))


def code_signing_use_key(space: Space, config_id: str, function_name: str) -> bytes:
    """That a function uses a code signing configuration."""
    return pack((*space, "code-signing-use", config_id, function_name))


def layer_key(layer: LayerTarget) -> bytes:
    return pack((*layer.space, "layer", layer.name))


def layer_version_key(layer: LayerTarget) -> bytes:
    return pack((*layer.space, "layer-version", layer.name, layer.version))


def layer_policy_key(layer: LayerTarget) -> bytes:
    return pack((*layer.space, "layer-policy", layer.name, layer.version))


def code_key(sha256: str) -> bytes:
    return pack(("lambda-code", sha256))


def image_layer_prefix(layer: str) -> bytes:
    """Which images have an unpacked layer; the values are its uncompressed size."""
    return pack(("lambda-image-layer", layer))


def image_layer_key(layer: str, sha256: str) -> bytes:
    return pack(("lambda-image-layer", layer, sha256))


def storage_key(space: Space) -> bytes:
    """Bytes of code that the account keeps in the region: every version counts, as it does on AWS."""
    return pack((*space, "storage"))


def count_key(space: Space) -> bytes:
    """The number of functions of the account in the region."""
    return pack((*space, "count"))


def reserved_key(space: Space) -> bytes:
    """The sum of the reserved concurrency of all functions of the account in the region."""
    return pack((*space, "reserved"))
