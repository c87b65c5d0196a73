"""Items in Amazon Ion's text form, as DynamoDB exports them (`ion_reading.py` reads what it imports).

A string is a string, a number a decimal (`5.`, `6d2`), binary a blob (`{{AQI=}}`), lists and maps are lists and structs; sets are lists annotated with
`$dynamodb_SS`, `$dynamodb_NS` and `$dynamodb_BS`. (Developer Guide: "DynamoDB table export output format"; "DynamoDB import formats".)
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from haneul.services.dynamodb.values import Item, Value, kind_of

VERSION_MARK = "$ion_1_0"
SETS = {"SS": "$dynamodb_SS", "NS": "$dynamodb_NS", "BS": "$dynamodb_BS"}
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*\Z", re.ASCII)
_KEYWORDS = frozenset(("null", "true", "false", "nan"))


def write_item(item: Item) -> str:
    """An item, or any map of attributes, as an Ion struct."""
    return "{" + ",".join(f"{_name(name)}:{write_value(value)}" for name, value in item.items()) + "}"


def write_value(value: Value) -> str:
    """One attribute value."""
    kind = kind_of(value)
    inner: Any = value[kind]
    if kind in SETS:
        return f"{SETS[kind]}::[{','.join(write_value({kind[0]: one}) for one in inner)}]"
    if kind == "S":
        return str(orjson.dumps(inner).decode())
    if kind == "N":
        return _decimal(inner)
    if kind == "B":
        return f"{{{{{inner}}}}}"
    if kind == "BOOL":
        return "true" if inner else "false"
    if kind == "NULL":
        return "null"
    return write_item(inner) if kind == "M" else f"[{','.join(map(write_value, inner))}]"


def _decimal(number: str) -> str:
    """A canonical number as a decimal of no more digits than it has: the zeros at its end are its exponent."""
    if "." in number:
        return number
    digits = number.rstrip("0")
    zeros = len(number) - len(digits)
    return f"{digits}d{zeros}" if digits and zeros else f"{number}."


def _name(name: str) -> str:
    """A name as a symbol, in quotes where it has to be. (As a string in place of a symbol, which Ion allows, some readers take `$10` for a symbol's number.)"""
    if _PLAIN_NAME.match(name) and name not in _KEYWORDS:
        return name
    escaped = orjson.dumps(name).decode()[1:-1].replace("'", "\\'")
    return f"'{escaped}'"
