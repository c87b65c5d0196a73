"""Attribute values, as they travel: `{"S": "text"}`, `{"N": "12.5"}`, `{"B": "base64"}`, `{"M": {…}}` …

`check` validates a value in place, brings it into canonical form (numbers plain, sets sorted, unknown members gone), and gives its size. Two
canonical values are equal exactly when DynamoDB calls them equal, so that `==` compares them.
(Developer Guide: "Supported data types and naming rules", "DynamoDB item sizes and formats".)
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from binascii import Error as Base64Error
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from haneul.core.errors import SerializationError, ServiceError
from haneul.services.dynamodb import numbers
from haneul.services.dynamodb.errors import invalid, validation

Value = dict[str, Any]
Item = dict[str, Value]

TYPES: Final = ("S", "N", "B", "SS", "NS", "BS", "M", "L", "NULL", "BOOL")
ITEM_BYTES_MAX: Final = 400 * 1024
NESTING_MAX: Final = 32
NAME_LENGTH_MAX: Final = 65535
TOO_LARGE_NAME: Final = f"Attribute name is too large, must be less than {NAME_LENGTH_MAX + 1} bytes"
NAME_TOO_LARGE: Final = f"1 validation error detected: {TOO_LARGE_NAME}"

EMPTY_NAME: Final = "Empty attribute name"

_DOCUMENT_OVERHEAD_BYTES: Final = 3
_ELEMENT_OVERHEAD_BYTES: Final = 1
_EMPTY: Final = "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
_NO_MAP: Final = "Unrecognized collection type java.util.Map<java.lang.String, com.amazonaws.dynamodb.v20120810.AttributeValue>"
_SEVERAL: Final = "Supplied AttributeValue has more than one datatypes set, must contain exactly one of the supported datatypes"


def text_size(text: str) -> int:
    """Bytes of a text in UTF-8."""
    return len(text) if text.isascii() else len(text.encode())


def check_item(item: Any) -> int:
    """Validate an item (or a key, or any map of attributes) in place; its size in bytes."""
    check_map(item)
    attributes: dict[str, Any] = item
    if "" in attributes:
        raise validation(EMPTY_NAME)
    total = 0
    for name, value in attributes.items():
        total += (len(name) if name.isascii() else len(name.encode())) + check(value)
    if total > NAME_LENGTH_MAX:
        _check_names(item)
    return total


def check_map(value: Any) -> None:
    """SerializationError for what is no map of attribute values."""
    if type(value) is not dict:
        raise SerializationError(_NO_MAP if isinstance(value, list) else "Unexpected field type")


def _check_names(item: Item) -> None:
    for name in item:
        name_size(name)


def name_size(name: str) -> int:
    """Bytes of an attribute's name, at the top of an item or within; ValidationException for one that is empty or too large."""
    if not name:
        raise validation(EMPTY_NAME)
    size = text_size(name)
    if size > NAME_LENGTH_MAX:
        raise validation(NAME_TOO_LARGE)
    return size


def check(value: Any, depth: int = 1) -> int:
    """Validate one value in place; its size in bytes. ValidationException with the service's message, SerializationError for wrong JSON types."""
    if type(value) is not dict or len(value) != 1:
        return _check_unusual(value, depth)
    for kind, inner in value.items():
        # The usual kinds are called by their names: compiled, that goes straight, without a look-up and a call through the interpreter.
        if type(inner) is str:
            if kind == "S":
                return len(inner) if inner.isascii() else len(inner.encode())
            if kind == "N":
                return _number(value, inner, depth)
        elif inner is None:  # A null counts as a member that is not there.
            raise validation(_EMPTY)
        elif kind == "M":
            return _map(value, inner, depth)
        elif kind == "L":
            return _list(value, inner, depth)
        checker = _CHECKERS.get(kind)
        if checker is None:
            raise validation(_EMPTY)
        return checker(value, inner, depth)
    raise AssertionError("unreachable")


def _check_unusual(value: Any, depth: int) -> int:
    """Values with no member, with several, or with members that are null or unknown (which count as absent)."""
    if type(value) is not dict:
        if value is None:  # A null counts as a member that is not there.
            raise validation(_EMPTY)
        if isinstance(value, list):
            raise SerializationError("Unrecognized collection type class com.amazonaws.dynamodb.v20120810.AttributeValue")
        raise SerializationError("Unexpected value type in payload")
    for name in [name for name, inner in value.items() if inner is None or name not in _CHECKERS]:
        del value[name]
    if not value:
        raise validation(_EMPTY)
    total = sum(_CHECKERS[kind](value, inner, depth) for kind, inner in tuple(value.items()))
    if len(value) > 1:
        raise validation(_SEVERAL)
    return total


def _mismatch(inner: Any, wanted: str) -> SerializationError:
    """What the parser says of a scalar of the wrong JSON type."""
    if isinstance(inner, dict):
        return SerializationError("Start of structure or map found where not expected")
    if isinstance(inner, list):
        package = "java.nio" if wanted == "ByteBuffer" else "java.lang"
        return SerializationError(f"Unrecognized collection type class {package}.{wanted}")
    if wanted == "ByteBuffer":
        return SerializationError("only base-64-encoded strings are convertible to bytes")
    if isinstance(inner, bool):
        found = "TRUE_VALUE" if inner else "FALSE_VALUE"
    elif isinstance(inner, str):
        return SerializationError("Unexpected token received from parser")
    else:
        found = "DECIMAL_VALUE" if isinstance(inner, float) else "NUMBER_VALUE"
    return SerializationError(f"{found} cannot be converted to {wanted}")


def _no_text(found: Any, of_null: str) -> Exception:
    """What is said of an element of a set that is no text: null is JSON's word for what is not there, so the value is at fault and not its form."""
    return invalid(of_null) if found is None else _mismatch(found, "String")


def decode_binary(text: Any) -> bytes:
    """The bytes of a B; SerializationError for what is not strict base64."""
    if type(text) is not str:
        raise _mismatch(text, "ByteBuffer")
    if len(text) % 4:
        raise SerializationError(f"Base64 encoded length is expected a multiple of 4 bytes but found: {len(text)}")
    try:
        decoded = b64decode(text, validate=True)
    except (Base64Error, ValueError):
        strange = next((c for c in text if not (c.isascii() and (c.isalnum() or c in "+/="))), "=")
        raise SerializationError(f"Invalid Base64 character: '{strange}'") from None
    if text.endswith("=") and b64encode(decoded).decode() != text:
        raise SerializationError("Invalid last non-pad Base64 character dectected")
    return decoded


def _string(value: Value, inner: Any, depth: int) -> int:
    if type(inner) is not str:
        raise _mismatch(inner, "String")
    return text_size(inner)


def _number(value: Value, inner: Any, depth: int) -> int:
    if type(inner) is not str:
        raise _mismatch(inner, "String")
    size = numbers.whole_size(inner)
    if size:
        return size
    plain = numbers.canonical(inner)
    if plain is not inner:
        value["N"] = plain
    return numbers.size(plain)


def _binary(value: Value, inner: Any, depth: int) -> int:
    return len(decode_binary(inner))


def _boolean(value: Value, inner: Any, depth: int) -> int:
    if type(inner) is not bool:
        raise _mismatch(inner, "Boolean")
    return 1


def _null(value: Value, inner: Any, depth: int) -> int:
    if type(inner) is not bool:
        raise _mismatch(inner, "Boolean")
    if not inner:
        raise invalid("Null attribute value types must have the value of true")
    return 1


def _elements(inner: Any) -> list[Any]:
    if type(inner) is not list:
        raise SerializationError("Start of structure or map found where not expected" if isinstance(inner, dict) else "Unexpected field type")
    return inner


def _strings(value: Value, inner: Any, depth: int) -> int:
    total = 0
    for text in _elements(inner):
        if type(text) is not str:
            raise _no_text(text, "An string set may not have a null string as a member")
        total += text_size(text)
    if not inner:
        raise invalid("An string set  may not be empty")
    if len(set(inner)) != len(inner):
        raise invalid(f"Input collection [{', '.join(inner)}] contains duplicates.")
    value["SS"] = sorted(inner)
    return total


def _numbers(value: Value, inner: Any, depth: int) -> int:
    for text in _elements(inner):
        if type(text) is not str:
            raise _no_text(text, "An number set may not have a null string as a member")
    if not inner:
        raise invalid("An number set  may not be empty")
    plain = [numbers.canonical(text) for text in inner]
    if len(set(plain)) != len(plain):
        raise validation("Input collection contains duplicates")
    value["NS"] = sorted(plain, key=Decimal)
    return sum(map(numbers.size, plain))


def _binaries(value: Value, inner: Any, depth: int) -> int:
    if None in _elements(inner):
        raise invalid("Binary sets may not contain null values")
    decoded = [decode_binary(text) for text in inner]
    if not decoded:
        raise invalid("Binary sets should not be empty")
    if len(set(decoded)) != len(decoded):
        raise invalid(f"Input collection [{', '.join(inner)}]of type BS contains duplicates.")
    value["BS"] = [b64encode(data).decode() for data in sorted(decoded)]
    return sum(map(len, decoded))


def _map(value: Value, inner: Any, depth: int) -> int:
    check_map(inner)
    if depth >= NESTING_MAX and inner:
        raise too_deep()
    total = _DOCUMENT_OVERHEAD_BYTES
    members: dict[str, Any] = inner
    for name, item in members.items():
        total += _ELEMENT_OVERHEAD_BYTES + name_size(name) + check(item, depth + 1)
    return total


def _list(value: Value, inner: Any, depth: int) -> int:
    total = _DOCUMENT_OVERHEAD_BYTES
    if depth >= NESTING_MAX and _elements(inner):
        raise too_deep()
    for item in _elements(inner):
        total += _ELEMENT_OVERHEAD_BYTES + check(item, depth + 1)
    return total


def too_deep() -> ServiceError:
    """A value on a level beyond the last; an attribute itself stands on the first."""
    return validation("Nesting Levels have exceeded supported limits: Attributes in the item have nested levels beyond supported limit")


_CHECKERS: Final[dict[str, Callable[[Value, Any, int], int]]] = {
    "S": _string,
    "N": _number,
    "B": _binary,
    "SS": _strings,
    "NS": _numbers,
    "BS": _binaries,
    "M": _map,
    "L": _list,
    "NULL": _null,
    "BOOL": _boolean,
}


# ---- sizes of values that have been checked before


def item_size(item: Item) -> int:
    """Size in bytes of a canonical item."""
    return sum(text_size(name) + value_size(value) for name, value in item.items())


def value_size(value: Value) -> int:
    """Size in bytes of a canonical value."""
    ((kind, inner),) = value.items()
    if kind == "S":
        return text_size(inner)
    if kind == "N":
        return numbers.size(inner)
    if kind in ("BOOL", "NULL"):
        return 1
    if kind == "M":
        return _DOCUMENT_OVERHEAD_BYTES + sum(_ELEMENT_OVERHEAD_BYTES + text_size(name) + value_size(item) for name, item in inner.items())
    if kind == "L":
        return _DOCUMENT_OVERHEAD_BYTES + sum(_ELEMENT_OVERHEAD_BYTES + value_size(item) for item in inner)
    if kind == "B":
        return _binary_size(inner)
    if kind == "SS":
        return sum(map(text_size, inner))
    return sum(map(numbers.size if kind == "NS" else _binary_size, inner))


def _binary_size(text: str) -> int:
    return len(text) // 4 * 3 - text[-2:].count("=")


def depth_of(value: Value) -> int:
    """On how many levels a canonical value stands: one for a scalar, a set or what is empty."""
    inner = value.get("M")
    children = inner.values() if inner is not None else value.get("L", ())
    return 1 + max(map(depth_of, children), default=0)


def kind_of(value: Value) -> str:
    """The type's name of a canonical value."""
    return next(iter(value))


def in_words(value: Value) -> str:
    """A value as messages show it: `{S:abc}`."""
    kind = kind_of(value)
    return f"{{{kind}:{value[kind]}}}"
