"""The filter pattern language, by the examples of the user guide and by properties."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haneul.services.logs.patterns import PatternError, parse_pattern
from haneul.services.logs.patterns.expressions import wildcard_test
from haneul.services.logs.patterns.regex import LinearRegex

EVENT = """{"eventType": "UpdateTrail", "sourceIPAddress": "111.111.111.111", "arrayKey": ["value", "another value"],
 "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}], "SomeObject": null, "ThisFlag": true, "latency": 12.5, "cluster.name": "c",
 "user": {"id": 1, "email": "John.Stiles@example.com"}}"""


@pytest.mark.parametrize(
    ("pattern", "message", "expected"),
    [
        ("", "anything", True),  # The empty pattern matches all events.
        ("ERROR", "[ERROR 400] BAD REQUEST", True),
        ("ERROR", "error", False),  # Case counts.
        ("ERROR", "ERRONEOUS", False),
        ("RROR", "[ERROR 400]", True),  # Terms are found inside words.
        ("ERROR ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", True),
        ("ERROR ARGUMENTS", "[ERROR 400] BAD REQUEST", False),
        ("?ERROR ?ARGUMENTS", "[WARN 1] BAD ARGUMENTS", True),
        ("?ERROR ?ARGUMENTS", "[WARN 1]", False),
        ("?ERROR ?ARGUMENTS REQUEST", "REQUEST", True),  # Optional terms beside others are ignored.
        ("?ERROR -WARN", "INFO", True),
        ('"INTERNAL SERVER ERROR"', "[ERROR 500] INTERNAL SERVER ERROR", True),
        ('"SERVER INTERNAL"', "INTERNAL SERVER", False),
        ('"say \\"hi\\""', 'they say "hi"', True),
        ("ERROR -ARGUMENTS", "[ERROR 419] MISSING ARGUMENTS", False),
        ('ERROR -"BAD REQUEST"', "[ERROR 400] BAD REQUEST", False),
        ("ERROR -ARGUMENTS", "[ERROR 400] BAD REQUEST", True),
        ("%AUTHORIZED%", "[ERROR 401] UNAUTHORIZED REQUEST", True),
        ("%^[hc]at%", "a hat", False),
        ("%[hc]at$%", "a hat", True),
        ("%colou?r%", "the color", True),
        ("%a{3,5}b%", "aab", False),
        ("%gra|ey%", "grey", True),
        (r"%10\.10\.0\.1%", "from 10x10.0.1", False),
        (r"%\d{1,3}\.\d%", "v 12.3", True),
    ],
)
def test_text_patterns(pattern: str, message: str, expected: bool) -> None:
    """The guide's examples for unstructured events."""
    assert parse_pattern(pattern).matches(message) is expected


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ('{ $.eventType = "UpdateTrail" }', True),
        ("{ $.eventType = UpdateTrail }", True),
        ('{$.eventType="Update*"}', True),
        ("{ $.sourceIPAddress != 123.123.* }", True),
        ("{ $.sourceIPAddress = 111.111.* }", True),
        ('{ $.arrayKey[0] = "value" }', True),
        ('{ $.arrayKey[*] = "another value" }', True),
        ("{ $.objectList[1].id = 2 }", True),
        ("{ $.objectList[*].id > 2 }", False),
        ("{ $.SomeObject IS NULL }", True),
        ("{ $.SomeOtherObject NOT EXISTS }", True),
        ("{ $.SomeObject NOT EXISTS }", False),
        ("{ $.ThisFlag IS TRUE }", True),
        ("{ $.ThisFlag IS FALSE }", False),
        ("{ $.latency >= 12.5 }", True),
        ("{ $.latency < 1e1 }", False),
        ("{ $.missing != 1 }", False),  # What is not there is not compared.
        ('{ ($.user.id = 1) && ($.user.email = "John.*") }', True),
        ('{ ($.user.id = 2 && $.missing = 1) || $.eventType = "UpdateTrail" }', True),
        ('{ $.user.id = 2 && ($.missing = 1 || $.eventType = "UpdateTrail") }', False),
        ("{ $.eventType = %Update|Delete% }", True),
        ('{ $.["cluster.name"] = "c" }', True),
        ("{ $['user']['id'] = 1 }", True),
        ('{ $.latency = "*" }', True),  # How tools ask whether a property exists.
    ],
)
def test_json_patterns(pattern: str, expected: bool) -> None:
    """The guide's examples for JSON events."""
    assert parse_pattern(pattern).matches(EVENT) is expected


def test_a_json_pattern_matches_json_only() -> None:
    """Lines of text between JSON lines are passed over."""
    pattern = parse_pattern("{ $.a NOT EXISTS }")
    assert not pattern.matches("plain text")
    assert not pattern.matches("{broken")
    assert pattern.matches("{}")


LINE = '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("[ip, server, username, timestamp, request, status_code, bytes > 1000]", True),
        ("[ip, server, username, timestamp, request, status_code, bytes > 2000]", False),
        ("[ip, server, username, timestamp, request, status_code = 4*, bytes]", True),
        ("[..., status_code = 404 || status_code = 410, bytes]", True),
        ("[..., status_code = 404 && status_code != 4*, bytes]", False),
        ("[ip, ...]", True),
        ("[ip, server, username]", False),  # The number of fields counts unless there is an ellipsis.
        ("[ip, server, username, timestamp, request = *html*, ...]", True),
        ('[ip, server, username, timestamp, request = "GET *", ,]', True),
        ("[ip=%127\\.0\\.0\\.[1-9]%, ...]", True),
    ],
)
def test_field_patterns(pattern: str, expected: bool) -> None:
    """The guide's examples for space-delimited events."""
    assert parse_pattern(pattern).matches(LINE) is expected


def test_extracted_values() -> None:
    """TestMetricFilter shows values under the names that metric filters use for them."""
    fields = parse_pattern("[ip, , user, ..., bytes]").extract(LINE)
    assert fields == {"$ip": "127.0.0.1", "$2": "Prod", "$user": "frank", "$bytes": "1534"}
    assert parse_pattern("{ $.user.id = 1 || $.nothing = 2 }").extract(EVENT) == {"$.user.id": "1"}


@pytest.mark.parametrize(
    "pattern",
    [
        "foo-bar",
        '"open',
        "{ $.a }",
        "{ $.a = }",
        "{ a = 1 }",
        "{ $.a = 1",
        "{ ($.a = 1 }",
        "{ $.a > x }",
        "[a, b",
        "[..., a, ...]",
        "[a = 1 && b = 2]",
        "%a(b)%",
        "%a{2,1}%",
        "%[z-a]%",
        "%something!%",
        "{ $.a = %x% || $.b = %y% || $.c = %z% }",
        "{" + "(" * 2000 + "$.a = 1" + ")" * 2000 + "}",
        "%a{9999}{9999}%",
    ],
)
def test_what_is_no_pattern(pattern: str) -> None:
    """A pattern that cannot be read is refused; it never matches nothing in silence."""
    with pytest.raises(PatternError):
        parse_pattern(pattern)


_REGEX = st.recursive(
    st.sampled_from(["a", "b", ".", "[ab]", "[^a]", r"\d", r"\w", "c", r"\."]),
    lambda inner: st.one_of(
        st.tuples(inner, inner).map("".join),
        st.tuples(inner, inner).map("|".join),
        st.tuples(st.sampled_from(["a", "b", ".", "[ab]", r"\d"]), st.sampled_from(["*", "+", "?", "{2}", "{1,3}", "{0,}"])).map("".join),
    ),
    max_leaves=8,
)


@given(_REGEX, st.sampled_from(["", "^"]), st.sampled_from(["", "$"]), st.text("abc1.\n", max_size=12))
def test_regex_agrees_with_the_standard_library(body: str, head: str, tail: str, message: str) -> None:
    """The own engine exists only for its linear time; what it matches is what everybody expects."""
    text = head + body + tail
    expected = re.search(text.replace("$", r"\Z"), message, re.ASCII) is not None
    assert LinearRegex(text).search(message) is expected


@pytest.mark.parametrize("text", [".*.*.*.*.*x", "a*a*a*a*a*b", "[ab]*[ab]*c"])
def test_regex_time_is_linear(text: str) -> None:
    """A backtracking engine would need years for this message."""
    assert not LinearRegex(text).search("a" * 200_000)


@given(st.text("ab*", max_size=6), st.text("ab", max_size=8))
def test_wildcards_agree_with_regex(pattern: str, value: str) -> None:
    """`*` is any characters, also none."""
    expected = re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), value, re.DOTALL) is not None
    assert wildcard_test(pattern)(value) is expected


@given(st.text(max_size=60))
def test_no_text_breaks_the_parser(text: str) -> None:
    """Whatever a client sends is a pattern or a PatternError."""
    for one in (text, "{" + text + "}", "[" + text + "]", "%" + text + "%", "{ $." + text + " = 1 }"):
        try:
            pattern = parse_pattern(one)
        except PatternError:
            continue
        pattern.matches(EVENT)
        pattern.extract(LINE)
