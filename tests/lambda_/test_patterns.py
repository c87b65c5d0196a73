"""Filter patterns, against the tables of "Control which events Lambda sends to your function" and EventBridge's "Comparison operators"."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haneul.services.lambda_.event_sources.patterns import BadPattern, compile_pattern

EVENT = {"name": "Ada", "age": 36, "city": None, "tags": ["a", "b"], "empty": "", "nested": {"flag": True, "list": [{"k": 1}, {"k": 2}]}, "file": "photos/cat.PNG"}


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ({"name": ["Ada"]}, True),
        ({"name": ["Eve", "Ada"]}, True),
        ({"name": ["ada"]}, False),
        ({"name": [{"equals-ignore-case": "ada"}]}, True),
        ({"name": ["Ada"], "age": [37]}, False),
        ({"age": [36.0]}, True),
        ({"age": [{"numeric": [">", 30, "<=", 36]}]}, True),
        ({"age": [{"numeric": ["<", 36]}]}, False),
        ({"age": ["36"]}, False),
        ({"city": [None]}, True),
        ({"empty": [""]}, True),
        ({"name": [{"exists": True}]}, True),
        ({"none": [{"exists": False}]}, True),
        ({"none": [{"exists": True}]}, False),
        ({"none": {"deeper": [{"exists": False}]}}, True),
        ({"tags": ["b"]}, True),
        ({"tags": [{"anything-but": ["a", "b"]}]}, False),
        ({"name": [{"anything-but": ["Eve"]}]}, True),
        ({"none": [{"anything-but": ["Eve"]}]}, False),
        ({"name": [{"anything-but": {"prefix": "A"}}]}, False),
        ({"file": [{"prefix": "photos/"}]}, True),
        ({"file": [{"suffix": ".png"}]}, False),
        ({"file": [{"suffix": {"equals-ignore-case": ".png"}}]}, True),
        ({"file": [{"wildcard": "photos/*.PNG"}]}, True),
        ({"file": [{"wildcard": "photos/?at.PNG"}]}, False),
        ({"nested": {"flag": [True]}}, True),
        ({"nested": {"flag": [1]}}, False),
        ({"nested": {"list": {"k": [2]}}}, True),
        ({"$or": [{"name": ["Eve"]}, {"age": [36]}]}, True),
        ({"$or": [{"name": ["Eve"]}, {"age": [1]}]}, False),
    ],
)
def test_what_fits(pattern: dict[str, Any], fits: bool) -> None:
    """Because a filter that lets too much or too little through loses events or runs functions for nothing."""
    assert compile_pattern(json.dumps(pattern))(EVENT) is fits


@pytest.mark.parametrize("text", ["", "[]", "1", '{"a": "b"}', '{"a": []}', '{"a": [{"numeric": ["~", 1]}]}', '{"a": [{"unknown": 1}]}', '{"a": [["b"]]}', '{"a": [{"exists": true, "prefix": "x"}]}'])
def test_what_is_no_pattern(text: str) -> None:
    """Because a pattern that can never fit is refused when it is set."""
    with pytest.raises(BadPattern):
        compile_pattern(text)


# No verdict depends on how fast the machine is just now.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(min_size=1).filter(lambda name: name != "$or"), st.one_of(st.text(), st.integers(-(2**53), 2**53), st.booleans(), st.none()), min_size=1))
def test_an_event_fits_the_pattern_made_of_its_own_values(event: dict[str, Any]) -> None:
    """Because equality is the base of the language."""
    assert compile_pattern(json.dumps({name: [value] for name, value in event.items()}))(event)
