"""Items in Amazon Ion's text form, as DynamoDB exports and imports them.

A string is a string, a number a decimal (`5.`, `6d2`), binary a blob (`{{AQI=}}`), lists and maps are lists and structs; sets are lists annotated with
`$dynamodb_SS`, `$dynamodb_NS` and `$dynamodb_BS`. (Developer Guide: "DynamoDB table export output format"; "DynamoDB import formats".)
"""

from __future__ import annotations

import io
import re
from base64 import b64encode
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import orjson
from amazon.ion import simpleion
from amazon.ion.core import IonType
from amazon.ion.exceptions import IonException
from amazon.ion.reader import blocking_reader
from amazon.ion.reader_managed import managed_reader
from amazon.ion.reader_text import text_reader
from amazon.ion.simple_types import IonPyNull

from haneul.services.dynamodb.numbers import EXPONENT_MAX, EXPONENT_MIN
from haneul.services.dynamodb.values import Item, Value, kind_of

VERSION_MARK = "$ion_1_0"
# What Ion's binary form begins with. Items lie in lines of text; of binary that is damaged, the library's reader may never come to the end.
BINARY_MARK = b"\xe0\x01\x00\xea"
_SETS = {"SS": "$dynamodb_SS", "NS": "$dynamodb_NS", "BS": "$dynamodb_BS"}
_KINDS_OF_SETS = {mark: kind for kind, mark in _SETS.items()}
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_$]*\Z", re.ASCII)
_KEYWORDS = frozenset(("null", "true", "false", "nan"))


def write_item(item: Item) -> str:
    """An item, or any map of attributes, as an Ion struct."""
    return "{" + ",".join(f"{_name(name)}:{write_value(value)}" for name, value in item.items()) + "}"


def write_value(value: Value) -> str:
    """One attribute value."""
    kind = kind_of(value)
    inner: Any = value[kind]
    if kind in _SETS:
        return f"{_SETS[kind]}::[{','.join(write_value({kind[0]: one}) for one in inner)}]"
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


def read_items(file: Any) -> Iterable[Any]:
    """The values of an Ion document, one by one, read as they are asked for. ValueError for what is no Ion."""
    try:
        # The library's parser in Python: the one in C ends the process over some texts that are no Ion.
        text = io.TextIOWrapper(file, encoding="utf-8")
        yield from simpleion._load_iteratively(blocking_reader(managed_reader(text_reader(is_unicode=True), None), text))
    except (IonException, UnicodeDecodeError, RecursionError, AttributeError) as problem:  # The parser trips over fields without a value.
        raise ValueError(f"not valid Amazon Ion: {problem}") from None


def item_of(value: Any) -> Item:
    """The item of a document's value: `{Item: {…}}`. ValueError for anything else."""
    if _kind(value) is not IonType.STRUCT or "Item" not in value:
        raise ValueError("Expected 'Item' top level container")
    item = value["Item"]
    if _kind(item) is not IonType.STRUCT:
        raise ValueError("Item is no struct")
    return _members(item)


def _kind(value: Any) -> IonType | None:
    """The type of a value. A null of any type (`null.list`) is nothing but null."""
    if value is None or isinstance(value, IonPyNull):
        return IonType.NULL
    return getattr(value, "ion_type", None)


def _members(struct: Any) -> Item:
    if None in struct:
        raise ValueError("a symbol has no known text")
    return {str(name): _value(inner) for name, inner in struct.items()}


def _value(value: Any) -> Value:
    kind = _kind(value)
    if kind is IonType.NULL:
        return {"NULL": True}
    if kind is IonType.STRING or kind is IonType.SYMBOL:
        text = value if kind is IonType.STRING else value.text
        if text is None:
            raise ValueError("a symbol has no known text")
        return {"S": str(text)}
    if kind is IonType.BOOL:
        return {"BOOL": bool(value)}
    if kind is IonType.INT or kind is IonType.DECIMAL:
        return {"N": _number(value)}
    if kind is IonType.BLOB or kind is IonType.CLOB:
        return {"B": b64encode(bytes(value)).decode()}
    if kind is IonType.STRUCT:
        return {"M": _members(value)}
    if kind is IonType.LIST:
        marks = [str(one.text) for one in value.ion_annotations]
        inner = [_value(one) for one in value]
        for mark in marks:
            if mark in _KINDS_OF_SETS:
                wanted = _KINDS_OF_SETS[mark]
                if any(wanted[0] not in one for one in inner):
                    raise ValueError(f"a set {mark} has an element of another type")
                return {wanted: [one[wanted[0]] for one in inner]}
        return {"L": inner}
    raise ValueError(f"an Ion value of type {getattr(kind, 'name', kind)} is no attribute value")


def _number(value: Any) -> str:
    """The text of a number: a plain one, unless its exponent is out of range anyway and would only make it long."""
    if value.ion_type is IonType.INT:
        return str(int(value))
    number = Decimal(value)
    return format(number, "f") if EXPONENT_MIN <= number.adjusted() <= EXPONENT_MAX else str(number)
