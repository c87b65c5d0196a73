"""Filter policies: what they match, what they may be, and what they keep back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haneul.services.sns.filter_policies import BadFilter, FilterPolicy
from haneul.services.sns.messages import Attribute, Message
from tests.sns.support import Queue, make_topic, reason, subscribe, text
from tests.support.running import Running


def refused(policy: Any, attributes: dict[str, Any]) -> str | None:
    """Why a message with these attributes is not wanted: texts are Strings, numbers Numbers, lists String.Arrays, bytes Binary."""
    made: dict[str, Attribute] = {}
    for name, value in attributes.items():
        if isinstance(value, bytes):
            made[name] = Attribute("Binary", binary=value)
        elif isinstance(value, list):
            made[name] = Attribute("String.Array", json.dumps(value))
        else:
            made[name] = Attribute("String" if isinstance(value, str) else "Number", str(value))
    return FilterPolicy(json.dumps(policy), "MessageAttributes").refusal(Message("i", 0, "x", made), "sqs")


def refused_body(policy: Any, body: Any) -> str | None:
    document = body if isinstance(body, str) else json.dumps(body)
    return FilterPolicy(json.dumps(policy), "MessageBody").refusal(Message("i", 0, document, {}), "sqs")


# Conditions, values that fit, and values that do not (None: the message has no such attribute).
CASES: list[tuple[list[Any], list[Any], list[Any]]] = [
    (["rugby", "tennis"], ["rugby", "tennis", ["chess", "tennis"]], ["Rugby", "chess", ["chess"], [], 5, None]),
    ([{"anything-but": ["rugby", "tennis"]}], ["chess", ["rugby", "chess"]], ["rugby", ["rugby", "tennis"], None]),
    ([{"anything-but": "rugby"}], ["chess", "5"], ["rugby", None]),
    ([{"anything-but": {"prefix": "order-"}}], ["data-entry", "order_number"], ["order-cancelled", None]),
    ([{"anything-but": {"suffix": "ball"}}], ["rugby"], ["football", None]),
    ([{"prefix": "bas"}], ["baseball", "bas", ["rugby", "basketball"]], ["Baseball", "rugby", 5]),
    ([{"suffix": "ball"}], ["baseball", ["x", "ball"]], ["ballet"]),
    ([{"equals-ignore-case": "TENNIS"}], ["tennis", "Tennis"], ["tenni"]),
    ([{"cidr": "10.0.0.0/24"}], ["10.0.0.0", "10.0.0.255"], ["10.0.1.0", "nonsense", 5]),
    ([{"cidr": "2001:db8::/32"}], ["2001:db8::1"], ["2001:db9::1", "10.0.0.1"]),
    ([{"numeric": ["=", 301.5]}], [301.5, 3.015e2], [301.500011, "301.5"]),
    ([{"numeric": [">", 0, "<=", 150]}], [0.00001, 150, [200, 10]], [0, 150.1, -1, "10"]),
    ([{"numeric": ["<", 0]}], [-1], [0, 2_000_000_000]),
    ([{"anything-but": [100, 500]}], [101, 100.1, [100, 50]], [100, 500, [100]]),
    ([100], [100, 100.0, [100]], ["100", 101]),
    ([True, None], [[True], [None]], ["true", [False]]),
    ([{"exists": True}], ["x", 5, []], [None]),
    ([{"exists": False}], [None], ["x"]),
    ([{"exists": False}, {"anything-but": "x"}], [None, "y"], ["x"]),
]


@pytest.mark.parametrize(("conditions", "fits", "fits_not"), CASES)
def test_each_operator(conditions: list[Any], fits: list[Any], fits_not: list[Any]) -> None:
    """Because a subscription gets what its policy says, of attributes and of bodies alike."""
    for value in [*fits, *fits_not]:
        given: dict[str, Any] = {"other": "x"} if value is None else {"a": value, "other": "x"}
        wanted = value in fits and not (isinstance(value, str) and value in fits_not)
        assert (refused({"a": conditions}, given) is None) is wanted, value
        assert (refused_body({"a": conditions}, given) is None) is wanted, value


def test_names_are_all_wanted_and_alternatives_one() -> None:
    """Because the names of a policy are joined by and, values of a name and the objects of $or by or."""
    policy = {"source": ["aws"], "$or": [{"metric": ["cpu", "disk"]}, {"kind": ["x"], "namespace": ["y"]}]}
    assert refused(policy, {"source": "aws", "metric": "disk"}) is None
    assert refused(policy, {"source": "aws", "kind": "x", "namespace": "y"}) is None
    for attributes in ({"source": "aws"}, {"source": "aws", "kind": "x"}, {"metric": "cpu"}):
        assert refused(policy, attributes) == "MessageAttributes"


def test_bodies_are_matched_in_their_depth() -> None:
    """Because a body is a document: objects in arrays fit when one of them fits as a whole."""
    policy = {"order": {"lines": {"sku": ["a"], "count": [{"numeric": [">", 1]}]}, "state": [{"anything-but": "paid"}]}}
    assert refused_body(policy, {"order": {"state": "new", "lines": [{"sku": "b", "count": 9}, {"sku": "a", "count": 2}]}}) is None
    assert refused_body(policy, {"order": {"state": "new", "lines": [{"sku": "b", "count": 9}, {"sku": "a", "count": 1}]}}) == "MessageBody"
    assert refused_body({"order": {"$or": [{"a": [1]}, {"b": [2]}]}}, {"order": {"b": 2}}) is None
    assert refused_body(policy, "no JSON") == refused_body(policy, [1]) == "InvalidMessageBody"


def test_depths_that_no_one_means() -> None:
    """Because a policy or body of nothing but brackets must neither fail a Publish nor be taken."""
    deep: Any = ["x"]
    for _ in range(600):
        deep = {"a": deep}
    with pytest.raises(BadFilter, match="too complex"):
        FilterPolicy(json.dumps(deep), "MessageBody")
    body: Any = "x"
    for _ in range(900):
        body = [body]
    assert refused_body({"a": {"b": ["x"]}}, {"a": body}) == "InvalidMessageBody"


def test_the_reason_for_a_refusal_is_known() -> None:
    """Because the metrics tell them apart; binary attributes are as if they were not there."""
    broken = {"a": Attribute("String.Array", "[nonsense")}
    assert FilterPolicy('{"a": ["x"]}', "MessageAttributes").refusal(Message("i", 0, "x", broken), "sqs") == "InvalidAttributes"
    assert refused({"a": ["x"]}, {}) == "NoMessageAttributes" and refused({"a": ["x"]}, {"a": b"x"}) == "MessageAttributes"
    assert refused({"a": [{"exists": False}]}, {"a": b"x"}) is None


@pytest.mark.parametrize(
    ("policy", "message"),
    [
        ([], "Filter is not an object"),
        ({"a": "x"}, '"a" must be an object or an array'),
        ({"a": []}, "Empty arrays are not allowed"),
        ({"a": {}}, "Empty objects are not allowed"),
        ({"a": [["x"]]}, "Match value must be String, number, true, false, or null"),
        ({"a": [{}]}, "Match expression name not found"),
        ({"a": [{"like": "x"}]}, "Unrecognized match type like"),
        ({"a": [{"prefix": 5}]}, "prefix match pattern must be a string"),
        ({"a": [{"prefix": "a", "suffix": "b"}]}, "Only one key allowed in match expression"),
        ({"a": [{"exists": "x"}]}, "exists match pattern must be either true or false."),
        ({"a": [{"equals-ignore-case": 5}]}, "equals-ignore-case match pattern must be a string"),
        ({"a": [{"numeric": 5}]}, "Value of numeric must be an array."),
        ({"a": [{"numeric": []}]}, "Invalid member in numeric match: ]"),
        ({"a": [{"numeric": ["~", 5]}]}, "Unrecognized numeric range operator: ~"),
        ({"a": [{"numeric": ["=", "5"]}]}, "Value of equals must be numeric"),
        ({"a": [{"numeric": [">", True]}]}, "Value of > must be numeric"),
        ({"a": [{"numeric": ["=", 5, "<", 6]}]}, "Too many elements in numeric expression"),
        ({"a": [{"numeric": [">", 5, ">", 6]}]}, "Bad numeric range operator: >"),
        ({"a": [{"numeric": [">", 5, 6]}]}, "Bad value in numeric range: 6"),
        ({"a": [{"numeric": [">", 5, "<", 6, 7]}]}, "Too many terms in numeric range expression"),
        ({"a": [{"numeric": [">", 6, "<", 5]}]}, "Bottom must be less than top"),
        ({"a": [{"numeric": ["<", 2_000_000_000]}]}, "Value must be between -1.0E9 and 1.0E9, inclusive"),
        ({"a": [{"anything-but": True}]}, "Value of anything-but must be an array or single string/number value."),
        ({"a": [{"anything-but": [None]}]}, "Inside anything but list, start|null|boolean is not supported."),
        ({"a": [{"anything-but": ["x", 5]}]}, "Inside anything but list, either all values are number or string, mixed type is not supported"),
        ({"a": [{"anything-but": {"like": "x"}}]}, "Unsupported anything-but pattern: like"),
        ({"a": [{"anything-but": {"prefix": ""}}]}, "Null prefix/suffix not allowed"),
        ({"a": [{"anything-but": {"prefix": 5}}]}, "prefix/suffix match pattern must be a string"),
        ({"a": [{"cidr": 5}]}, "prefix match pattern must be a string"),
        ({"a": [{"cidr": "10.0.0.0"}]}, "Malformed CIDR, one '/' required in 10.0.0.0"),
        ({"a": [{"cidr": "x/8"}]}, "Malformed CIDR: x/8"),
        ({"$or": {"a": ["x"]}}, "It must be an Array followed with $or."),
        ({"$or": [{"a": ["x"]}]}, "There must have at least 2 Objects in $or relationship."),
        ({"$or": [{"a": ["x"]}, "b"]}, "Only JSON object is allowed in array of $or relationship."),
        ({letter: ["x"] for letter in "abcdef"}, "Filter policy can not have more than 5 keys"),
        ({"a": list("abcdefghijklmno"), "b": list("abcdefghijk")}, "Filter policy is too complex"),
        ({"a": {"b": {"c": [str(number) for number in range(51)]}}}, "Filter policy is too complex"),
        ({"a": ["x" * 262_144]}, "Filter policy is too long"),
    ],
)
def test_a_policy_that_cannot_be(policy: Any, message: str) -> None:
    """Because a policy that were understood otherwise than it was meant would keep back the wrong messages."""
    with pytest.raises(BadFilter) as caught:
        FilterPolicy(json.dumps(policy), "MessageBody")
    assert str(caught.value) == message


def test_filters_keep_messages_back(cloud: Running, sns: Any) -> None:
    """Because a subscriber gets what it asked for, by attributes or by the body, and a policy for attributes has no depth."""
    topic, by_attribute, by_body, every = make_topic(sns), Queue(cloud), Queue(cloud), Queue(cloud)
    subscribe(sns, topic, by_attribute, FilterPolicy='{"kind": ["a", {"prefix": "b"}]}')
    subscribe(sns, topic, by_body, FilterPolicy='{"order": {"kind": ["a"]}}', FilterPolicyScope="MessageBody")
    subscribe(sns, topic, every)
    sns.publish(TopicArn=topic, Message="1", MessageAttributes={"kind": text("bcd")})
    sns.publish(TopicArn=topic, Message='{"order": {"kind": "a"}}')
    sns.publish(TopicArn=topic, Message="3", MessageAttributes={"kind": text('["x", "a"]', "String.Array")})
    assert (sorted(by_attribute.notified()), by_body.notified(), len(every.take())) == (["1", "3"], ['{"order": {"kind": "a"}}'], 3)
    nested = {"TopicArn": topic, "Protocol": "sqs", "Endpoint": Queue(cloud).arn, "Attributes": {"FilterPolicy": '{"a": {"b": ["c"]}}'}}
    assert "nested" in reason(sns.subscribe, **nested)
