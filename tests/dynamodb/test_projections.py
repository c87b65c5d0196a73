"""Projections take exactly what paths name."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haneul.core.errors import ServiceError
from haneul.services.dynamodb.expressions.bind import find
from haneul.services.dynamodb.expressions.request import Parsers, bind

PARSERS = Parsers()


def project(text: str, item: dict[str, Any], names: dict[str, str] | None = None) -> dict[str, Any]:
    bound = bind(PARSERS, {"ProjectionExpression": text, **({"ExpressionAttributeNames": names} if names else {})})
    assert bound.projection is not None
    return bound.projection(item)


ITEM = {"a": {"M": {"b": {"L": [{"N": "0"}, {"N": "1"}, {"N": "2"}]}, "c": {"S": "x"}}}, "d": {"S": "y"}}


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a, d", ITEM),
        ("d, nothing", {"d": {"S": "y"}}),
        ("a.c", {"a": {"M": {"c": {"S": "x"}}}}),
        ("a.b[2], a.b[0]", {"a": {"M": {"b": {"L": [{"N": "0"}, {"N": "2"}]}}}}),
        ("a.b[7]", {}),
        ("d.e", {}),
        ("a.b[1],a.c", {"a": {"M": {"b": {"L": [{"N": "1"}]}, "c": {"S": "x"}}}}),
    ],
)
def test_projection(text: str, wanted: dict[str, Any]) -> None:
    """Parts keep their place; list elements close up; what is not there leaves nothing behind."""
    assert project(text, ITEM) == wanted


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a, a.b", "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [a], path two: [a, b]"),
        ("a[0], a.b", "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [a, [0]], path two: [a, b]"),
        ("a,", 'Syntax error; token: "<EOF>", near: ","'),
        ("a.year", "Attribute name is a reserved keyword; reserved keyword: year"),
        (".".join("a" * 33), "The document path has too many nesting elements; nesting levels: 33"),
    ],
)
def test_mistakes(text: str, message: str) -> None:
    """Paths that get in one another's way are refused."""
    with pytest.raises(ServiceError) as caught:
        project(text, ITEM)
    assert caught.value.message == f"Invalid ProjectionExpression: {message}"


VALUES: Any = st.recursive(
    st.sampled_from([{"S": "x"}, {"N": "1"}]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(lambda one: {"L": one}), st.dictionaries(st.sampled_from("xyz"), inner, min_size=1).map(lambda one: {"M": one})
    ),
    max_leaves=8,
)


@st.composite
def path_in(draw: st.DrawFn, item: dict[str, Any]) -> tuple[str | int, ...]:
    parts: list[str | int] = [draw(st.sampled_from(sorted(item)))]
    value = item[str(parts[0])]
    while draw(st.booleans()) and ("M" in value or "L" in value):
        if "M" in value:
            parts.append(draw(st.sampled_from(sorted(value["M"]))))
            value = value["M"][parts[-1]]
        else:
            parts.append(draw(st.integers(0, len(value["L"]) - 1)))
            value = value["L"][parts[-1]]
    return tuple(parts)


@given(st.data())
def test_a_single_path_takes_what_is_found_there(data: st.DataObject) -> None:
    """What a projection of one path holds at that path (lists closed up) is what the item holds there."""
    item = data.draw(st.dictionaries(st.sampled_from("abc"), VALUES, min_size=1))
    parts = data.draw(path_in(item))
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)[1:]
    taken = project(text, item)
    closed_up = tuple(0 if isinstance(part, int) else part for part in parts)
    assert find(taken, closed_up) == find(item, parts)
