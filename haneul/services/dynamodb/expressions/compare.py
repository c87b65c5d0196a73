"""Comparisons of canonical attribute values, as filters and conditions make them."""

from __future__ import annotations

from base64 import b64decode
from decimal import Decimal
from typing import Any, Final

from haneul.services.dynamodb.values import Value, kind_of

ORDERED: Final = ("S", "N", "B")


def sort_key(kind: str, inner: str) -> Any:
    """What values of one of the ordered types sort by. Texts sort by code points, which is the order of their UTF-8 bytes."""
    if kind == "S":
        return inner
    return Decimal(inner) if kind == "N" else b64decode(inner)


def ordered(left: Value | None, right: Value | None) -> tuple[Any, Any] | None:
    """Both values in comparable form, or None when they have no order: one is missing, their types differ or know no order."""
    if left is None or right is None:
        return None
    ((kind, inner),) = left.items()
    other = right.get(kind)
    if other is None or kind not in ORDERED:
        return None
    return (inner, other) if kind == "S" else (sort_key(kind, inner), sort_key(kind, other))


def less(left: Value | None, right: Value | None) -> bool:
    pair = ordered(left, right)
    return pair is not None and bool(pair[0] < pair[1])


def less_or_equal(left: Value | None, right: Value | None) -> bool:
    pair = ordered(left, right)
    return pair is not None and bool(pair[0] <= pair[1])


def greater(left: Value | None, right: Value | None) -> bool:
    return less(right, left)


def greater_or_equal(left: Value | None, right: Value | None) -> bool:
    return less_or_equal(right, left)


def equal(left: Value | None, right: Value | None) -> bool:
    return left is not None and left == right


def different(left: Value | None, right: Value | None) -> bool:
    """True also when one of the two is missing."""
    return left != right


def between(value: Value | None, low: Value | None, high: Value | None) -> bool:
    return less_or_equal(low, value) and less_or_equal(value, high)


def begins_with(value: Value | None, prefix: Value | None) -> bool:
    if value is None or prefix is None:
        return False
    if "S" in value and "S" in prefix:
        return bool(value["S"].startswith(prefix["S"]))
    if "B" in value and "B" in prefix:
        return b64decode(value["B"]).startswith(b64decode(prefix["B"]))
    return False


def contains(value: Value | None, wanted: Value | None) -> bool:
    """A text or binary within another, an element of a set, an element of a list."""
    if value is None or wanted is None:
        return False
    ((kind, inner),) = value.items()
    if kind == "L":
        return wanted in inner
    found = wanted.get(kind if kind in ("S", "B") else kind[0] if kind in ("SS", "NS", "BS") else "")
    if found is None:
        return False
    if kind == "B":
        return b64decode(found) in b64decode(inner)
    return found in inner


def size(value: Value | None) -> Value | None:
    """What the function `size` gives: characters (a pair of surrogates counts as two), bytes or elements; nothing for numbers, booleans and nulls."""
    if value is None:
        return None
    kind = kind_of(value)
    if kind in ("N", "BOOL", "NULL"):
        return None
    if kind == "S":
        text: str = value["S"]
        return {"N": str(len(text) if text.isascii() else len(text.encode("utf-16-le")) // 2)}
    return {"N": str(len(b64decode(value["B"])) if kind == "B" else len(value[kind]))}
