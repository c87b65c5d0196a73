"""Conditions mean what they say: parser and evaluation against plain Python."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haneul.core.errors import ServiceError
from haneul.services.dynamodb.expressions.request import Parsers, bind

PARSERS = Parsers()
Oracle = Callable[[dict[str, Any]], bool]

# Attributes by type, so that comparisons of equal types are common.
NUMBERS = ["n1", "n2"]
TEXTS = ["s1", "s2"]


@st.composite
def items(draw: st.DrawFn) -> dict[str, Any]:
    item: dict[str, Any] = {}
    for name in NUMBERS:
        if draw(st.booleans()):
            item[name] = {"N": str(draw(st.integers(-3, 3)))}
    for name in TEXTS:
        if draw(st.booleans()):
            item[name] = {"S": draw(st.text("ab", max_size=2))}
    return item


def number_of(item: dict[str, Any], name: str) -> Decimal | None:
    return Decimal(item[name]["N"]) if name in item else None


@st.composite
def conditions(draw: st.DrawFn, depth: int = 3) -> tuple[str, dict[str, Any], Oracle]:
    """A condition's text, its values, and the function that it stands for."""
    kinds = ["compare", "between", "in", "exists", "begins"] + (["and", "or", "not", "not"] if depth else [])
    kind = draw(st.sampled_from(kinds))
    if kind in ("and", "or"):
        left, left_values, left_holds = draw(conditions(depth=depth - 1))
        right, right_values, right_holds = draw(conditions(depth=depth - 1))
        word = draw(st.sampled_from([kind, kind.upper()]))
        both = {**left_values, **right_values}
        if kind == "and":
            return f"({left}) {word} ({right})", both, lambda item: left_holds(item) and right_holds(item)
        return f"({left}) {word} ({right})", both, lambda item: left_holds(item) or right_holds(item)
    if kind == "not":
        inner, values, holds = draw(conditions(depth=depth - 1))
        return f"NOT ({inner})", values, lambda item: not holds(item)
    if kind == "exists":
        name = draw(st.sampled_from(NUMBERS + TEXTS))
        if draw(st.booleans()):
            return f"attribute_exists({name})", {}, lambda item: name in item
        return f"attribute_not_exists ( {name} )", {}, lambda item: name not in item
    if kind == "begins":
        name, prefix = draw(st.sampled_from(TEXTS)), draw(st.text("ab", max_size=2))
        key = f":b{prefix}"
        return f"begins_with({name}, {key})", {key: {"S": prefix}}, lambda item: name in item and item[name]["S"].startswith(prefix)
    name = draw(st.sampled_from(NUMBERS))
    low, high = sorted((draw(st.integers(-3, 3)), draw(st.integers(-3, 3))))
    values = {placeholder(number): {"N": str(number)} for number in (low, high)}
    if kind == "between":
        return f"{name} BETWEEN {placeholder(low)} AND {placeholder(high)}", values, lambda item: name in item and low <= number_of(item, name) <= high
    if kind == "in":
        return f"{name} IN ({placeholder(low)},{placeholder(high)})", values, lambda item: number_of(item, name) in (low, high) if name in item else False
    operator = draw(st.sampled_from(["=", "<>", "<", "<=", ">", ">="]))
    tests: dict[str, Callable[[Decimal], bool]] = {
        "=": lambda value: value == low,
        "<>": lambda value: value != low,
        "<": lambda value: value < low,
        "<=": lambda value: value <= low,
        ">": lambda value: value > low,
        ">=": lambda value: value >= low,
    }
    value = {placeholder(low): {"N": str(low)}}
    return f"{name} {operator} {placeholder(low)}", value, lambda item: tests[operator](number_of(item, name)) if name in item else operator == "<>"


def placeholder(number: int) -> str:
    return f":n{number}" if number >= 0 else f":m{-number}"


def bound(text: str, values: dict[str, Any] | None = None, names: dict[str, str] | None = None) -> Callable[[dict[str, Any]], bool]:
    request: dict[str, Any] = {"ConditionExpression": text}
    if values:
        request["ExpressionAttributeValues"] = values
    if names:
        request["ExpressionAttributeNames"] = names
    found = bind(PARSERS, request).condition
    assert found is not None
    return found


@given(conditions(), st.lists(items(), min_size=1, max_size=5))
def test_conditions_hold_exactly_when_they_should(condition: tuple[str, dict[str, Any], Oracle], found: list[dict[str, Any]]) -> None:
    """The same condition, written as an expression and in Python, must agree on every item."""
    text, values, holds = condition
    if text.startswith("(") and text.endswith(")") and "((" in text:
        return  # Redundant parentheses have a test of their own.
    try:
        predicate = bound(text, values)
    except ServiceError as error:
        assert "redundant parentheses" in error.message
        return
    for item in found:
        assert predicate(item) == holds(item)


DOCUMENT = {
    "a": {"M": {"b": {"L": [{"S": "x"}, {"M": {"c": {"N": "7"}}}]}}},
    "set": {"SS": ["p", "q"]},
    "list": {"L": [{"S": "p"}, {"N": "1"}]},
    "bin": {"B": "AAEC"},
    "text": {"S": "hello"},
    "no": {"NULL": True},
}


@pytest.mark.parametrize(
    ("text", "values", "holds"),
    [
        ("a.b[1].c = :v", {":v": {"N": "7"}}, True),
        ("a.b[9].c = :v", {":v": {"N": "7"}}, False),
        ("(a.b)[0] = :v", {":v": {"S": "x"}}, True),
        ("size(a.b) = :v", {":v": {"N": "2"}}, True),
        ("size(#t) > :v", {":v": {"N": "4"}}, True),
        ("size(bin) = :v", {":v": {"N": "3"}}, True),
        ("contains(#t, :v)", {":v": {"S": "ell"}}, True),
        ("contains(#s, :v)", {":v": {"S": "q"}}, True),
        ("contains(#l, :v)", {":v": {"N": "1"}}, True),
        ("contains(#l, :v)", {":v": {"S": "1"}}, False),
        ("begins_with(bin, :v)", {":v": {"B": "AAE="}}, True),
        ("attribute_type(a, :v)", {":v": {"S": "M"}}, True),
        ("attribute_type(#s, :v)", {":v": {"S": "S"}}, False),
        ("absent <> :v", {":v": {"S": "x"}}, True),
        ("absent = :v", {":v": {"S": "x"}}, False),
        ("absent < :v", {":v": {"S": "x"}}, False),
        ("#t < :v", {":v": {"N": "1"}}, False),
        ("#s = :v", {":v": {"SS": ["q", "p"]}}, True),
        ("NOT absent = :v AND #t = :w", {":v": {"S": "x"}, ":w": {"S": "hello"}}, True),
        ("#t = :w OR #t = :v AND absent = :v", {":v": {"S": "x"}, ":w": {"S": "hello"}}, True),
        ("#t in (:v, :w)", {":v": {"S": "x"}, ":w": {"S": "hello"}}, True),
    ],
)
def test_documents_functions_and_precedence(text: str, values: dict[str, Any], holds: bool) -> None:
    """Paths, functions and the order of NOT, AND and OR are those of the Developer Guide."""
    names = {key: name for key, name in {"#t": "text", "#s": "set", "#l": "list"}.items() if key in text}
    assert bound(text, values, names)(DOCUMENT) is holds


V = {":v": {"N": "1"}}


@pytest.mark.parametrize(
    ("text", "values", "names", "message"),
    [
        ("", None, None, "The expression can not be empty;"),
        ("a = ", None, None, 'Syntax error; token: "<EOF>", near: "="'),
        ("a-b = :v", V, None, 'Syntax error; token: "-", near: "a-b"'),
        ("a AND b = :v", V, None, 'Syntax error; token: "AND", near: "a AND b"'),
        ("attribute_exists(a", None, None, 'Syntax error; token: "<EOF>", near: "a"'),
        ("((a = :v))", V, None, "The expression has redundant parentheses;"),
        ("foo(a)", None, None, "Invalid function name; function: foo"),
        ("attribute_exists(a) = :v", V, None, "The function is not allowed to be used this way in an expression; function: attribute_exists"),
        ("size(a)", None, None, "The function is not allowed to be used this way in an expression; function: size"),
        ("status = :v", V, None, "Attribute name is a reserved keyword; reserved keyword: status"),
        ("#a = :v", V, None, "An expression attribute name used in the document path is not defined; attribute name: #a"),
        ("a = :w", V, None, "An expression attribute value used in expression is not defined; attribute value: :w"),
        ("begins_with(a)", None, None, "Incorrect number of operands for operator or function; operator or function: begins_with, number of operands: 1"),
        (
            "a = a",
            None,
            None,
            "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [a]",
        ),
        ("begins_with(a, :v)", V, None, "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N"),
        ("size(:v) > :v", V, None, "Incorrect operand type for operator or function; operator or function: size, operand type: N"),
        ("attribute_exists(:v)", V, None, "Operator or function requires a document path; operator or function: attribute_exists"),
        (
            "attribute_type(a, :t)",
            {":t": {"S": "X"}},
            None,
            "Invalid attribute type name found; type: X, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}",
        ),
        (
            "a BETWEEN :b AND :a",
            {":a": {"N": "1"}, ":b": {"N": "2"}},
            None,
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; "
            "lower bound operand: AttributeValue: {N:2}, upper bound operand: AttributeValue: {N:1}",
        ),
        ("x" * 4097, None, None, "Expression size has exceeded the maximum allowed size; expression size: 4097"),
        ("(" * 2000, None, None, "The expression contains too many operators; operator count: 301"),
        ("f(" * 1500, None, None, "The expression contains too many operators; operator count: 301"),
        ("NOT " * 1000 + "a = :v", V, None, "The expression contains too many operators; operator count: 321"),
    ],
)
def test_mistakes_are_named_in_the_services_words(text: str, values: Any, names: Any, message: str) -> None:
    """Applications match on these messages, and people read them."""
    with pytest.raises(ServiceError) as caught:
        bound(text, values, names)
    assert caught.value.message == f"Invalid ConditionExpression: {message}"


def test_text_mistakes_come_before_undefined_names() -> None:
    """The real service looks at the whole text before it looks at names."""
    with pytest.raises(ServiceError) as caught:
        bound("#undefined = :v AND status = :v", V)
    assert "reserved keyword: status" in caught.value.message


def test_long_chains_of_clients_nested_parentheses_work() -> None:
    """boto3 writes one parenthesis for every AND, as deep as there are conditions."""
    text = "a = :v"
    for _ in range(149):
        text = f"({text} AND a = :v)"
    assert bound(text, V)({"a": {"N": "1"}})
