"""Message attributes: their rules and their MD5 (SQS Developer Guide, "Amazon SQS message metadata")."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from hashlib import md5
from typing import Any, Final

from haneul.core.errors import ServiceError
from haneul.services.sqs import errors
from haneul.services.sqs.contents import Attribute

ATTRIBUTES_MAX: Final = 10
_NAME_MAX: Final = 256
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+\Z")
_NUMBER: Final = re.compile(r"\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?\s*\Z")
_NUMBER_CHARACTERS_MAX: Final = 256
# Any character outside of what XML 1.0 allows.
_FORBIDDEN: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ALLOWED: Final = "#x9 | #xA | #xD | [#x20-#xD7FF] | [#xE000-#xFFFD] | [#x10000-#x10FFFF]"


def check_text(text: str, where: str) -> None:
    """Refuse characters that XML cannot carry: InvalidMessageContents."""
    found = _FORBIDDEN.search(text)
    if found is not None:
        number = f"#x{ord(found[0]):X}"
        raise ServiceError(
            "InvalidMessageContents", f"Invalid binary character '{number}' was found in the {where}, the set of allowed characters is {_ALLOWED}."
        )


def checked_attributes(given: Mapping[str, Mapping[str, Any]], kind: str = "user") -> tuple[dict[str, Attribute], int]:
    """A message's attributes as they are kept, and how many bytes they count."""
    if len(given) > ATTRIBUTES_MAX:
        raise errors.invalid(f"Number of message attributes [{len(given)}] exceeds the allowed maximum [{ATTRIBUTES_MAX}].")
    found: dict[str, Attribute] = {}
    size = 0
    for name, value in given.items():
        _check_name(name)
        attribute = _checked(name, value or {}, kind)
        found[name] = attribute
        content = attribute.binary if attribute.binary is not None else (attribute.text or "").encode()
        size += len(name) + len(attribute.type.encode()) + len(content)
    return found, size


def _check_name(name: str) -> None:
    if not name:
        raise errors.invalid("The request must contain non-empty message attribute name.")
    if len(name) > _NAME_MAX:
        raise errors.invalid(f"Length of message attribute name must be less than {_NAME_MAX} bytes.")
    if _NAME.match(name) is None:
        raise errors.invalid(
            "Invalid non-alphanumeric character was found in the message attribute name. Can only include alphanumeric characters, hyphens, underscores, or dots."
        )
    if name.lower().startswith(("aws.", "amazon.")):
        raise errors.invalid("You cannot use message attribute names beginning with 'AWS.' or 'Amazon.'. These strings are reserved for internal use.")
    if name[0] == "." or name[-1] == "." or ".." in name:
        raise errors.invalid("Message attribute name cannot start or end with a period, or contain successive periods.")


def _checked(name: str, value: Mapping[str, Any], kind: str) -> Attribute:
    type_name = value.get("DataType") or ""
    if not type_name:
        raise errors.invalid(f"The message attribute '{name}' must contain non-empty message attribute type.")
    if len(type_name) > _NAME_MAX:
        raise errors.invalid(f"Length of message attribute '{name}' type must be less than {_NAME_MAX} bytes.")
    base = type_name.partition(".")[0]
    if base not in ("String", "Number", "Binary"):
        raise errors.invalid(
            f"The message attribute '{name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String."
        )
    if value.get("StringListValues") or value.get("BinaryListValues"):
        raise errors.unsupported("Message attribute list values in SendMessage operation are not supported.")
    text, binary = value.get("StringValue"), value.get("BinaryValue")
    if text and binary:
        raise errors.invalid(f"Message ({kind}) attribute '{name}' has multiple values.")
    if base == "Binary":
        if not binary:
            raise errors.invalid(f"Message ({kind}) attribute '{name}' must contain a non-empty value of type 'Binary'.")
        return Attribute(type_name, binary=bytes(binary))
    if not text:
        raise errors.invalid(f"Message ({kind}) attribute '{name}' must contain a non-empty value of type 'String'.")
    check_text(text, "message attribute value")
    if base == "Number" and (len(text) > _NUMBER_CHARACTERS_MAX or _NUMBER.match(text) is None):
        raise errors.invalid(f"Can't cast the value of message ({kind}) attribute '{name}' to a number.")
    return Attribute(type_name, text)


def trace_header(given: Mapping[str, Mapping[str, Any]]) -> tuple[str | None, str | None]:
    """The value of AWSTraceHeader, the only system attribute that can be sent, and the attributes' MD5. They do not count as message size."""
    for name in given:
        if name != "AWSTraceHeader":
            raise errors.invalid(f"Message system attribute name '{name}' is invalid.")
    if not given:
        return None, None
    found, _ = checked_attributes(given, "system")
    attribute = found["AWSTraceHeader"]
    if attribute.type != "String":
        raise errors.invalid("The message system attribute 'AWSTraceHeader' must be of type 'String'.")
    return attribute.text, md5_of(found)


def md5_of(attributes: Mapping[str, Attribute]) -> str:
    """The MD5 by which clients check attributes: names in order, each part with its length before it."""
    digest = md5(usedforsecurity=False)
    for name in sorted(attributes):
        attribute = attributes[name]
        for text in (name, attribute.type):
            raw = text.encode()
            digest.update(len(raw).to_bytes(4, "big") + raw)
        raw = attribute.binary if attribute.binary is not None else (attribute.text or "").encode()
        digest.update((b"\x02" if attribute.binary is not None else b"\x01") + len(raw).to_bytes(4, "big") + raw)
    return digest.hexdigest()


def chosen(attributes: Mapping[str, Attribute], names: Collection[str]) -> dict[str, Attribute]:
    """The attributes that a receiver asks for: by name, `All`, `.*`, or a prefix and `.*`."""
    if "All" in names or ".*" in names:
        return dict(attributes)
    prefixes = tuple(name[:-2] for name in names if name.endswith(".*"))
    return {name: value for name, value in attributes.items() if name in names or (prefixes and name.startswith(prefixes))}


def rendered(attributes: Mapping[str, Attribute]) -> dict[str, dict[str, Any]]:
    """Attributes as they go out."""
    return {
        name: {"DataType": one.type, "BinaryValue": one.binary} if one.binary is not None else {"DataType": one.type, "StringValue": one.text}
        for name, one in attributes.items()
    }
