"""Lifecycle policies: how they are written, and which images they choose (Amazon ECR User Guide, "Lifecycle policy evaluation rules")."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import orjson

from haneul.clock import DAY
from haneul.core.errors import NotBuilt, ServiceError
from haneul.services.ecr.limits import LIFECYCLE_RULES_MAX
from haneul.services.ecr.records import Image

_SINCE = ("sinceImagePushed", "sinceImagePulled")
_LIST_MAX = 10


@dataclass(frozen=True)
class Rule:
    """One rule. `patterns` are regular expressions, each of which some tag must fit; `number` is of images or of days."""

    priority: int
    status: str
    patterns: tuple[re.Pattern[str], ...]
    counting: str
    number: int

    def selects(self, image: Image) -> bool:
        """Whether the image is one that the rule speaks of."""
        if self.status == "untagged":
            return not image.tags
        if self.status == "any":
            return True
        return bool(image.tags) and all(any(pattern.fullmatch(tag) for tag in image.tags) for pattern in self.patterns)

    def expires(self, images: list[tuple[str, Image]], now: int) -> list[str]:
        """Digests of those, of the images that it selects, that are too many or too old. The images are the newest first."""
        if self.counting == "imageCountMoreThan":
            return [digest for digest, _ in images[self.number :]]
        limit = now - self.number * DAY
        if self.counting == "sinceImagePulled":
            return [digest for digest, image in images if (image.pulled_at or image.pushed_at) < limit]
        return [digest for digest, image in images if image.pushed_at < limit]


def read_policy(text: str) -> list[Rule]:
    """The rules in the order of their priority. Raises InvalidParameterException that says what is wrong."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _bad("the text is no JSON") from None
    found = document.get("rules") if isinstance(document, dict) else None
    if not isinstance(found, list) or not 1 <= len(found) <= LIFECYCLE_RULES_MAX or len(document) != 1:
        raise _bad(f"a policy is an object with a list 'rules' of 1 to {LIFECYCLE_RULES_MAX} rules")
    rules = sorted((_rule(one) for one in found), key=lambda rule: rule.priority)
    if len({rule.priority for rule in rules}) != len(rules):
        raise _bad("'rulePriority' must be unique among the rules")
    if any(rule.status == "any" for rule in rules[:-1]):
        raise _bad("a rule with tagStatus 'any' must have the highest 'rulePriority'")
    if sum(rule.status == "untagged" for rule in rules) > 1:
        raise _bad("there may be only one rule with tagStatus 'untagged'")
    return rules


def _rule(source: Any) -> Rule:
    if not isinstance(source, dict) or not source.keys() <= {"rulePriority", "description", "selection", "action"}:
        raise _bad("a rule has the members rulePriority, description, selection and action")
    priority, selection, action = source.get("rulePriority"), source.get("selection"), source.get("action")
    if not isinstance(priority, int) or isinstance(priority, bool) or priority < 1:
        raise _bad("'rulePriority' must be an integer greater than 0")
    if not isinstance(action, dict) or action.get("type") not in ("expire", "transition"):
        raise _bad("'action' must be of the type 'expire'")
    if action["type"] == "transition":
        raise NotBuilt("lifecycle rules that archive images (ecr:PutLifecyclePolicy)")
    if not isinstance(selection, dict):
        raise _bad("a rule needs a 'selection'")
    counting, number, unit = selection.get("countType"), selection.get("countNumber"), selection.get("countUnit")
    if counting not in ("imageCountMoreThan", *_SINCE):
        raise _bad("'countType' must be imageCountMoreThan, sinceImagePushed or sinceImagePulled")
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        raise _bad("'countNumber' must be an integer greater than 0")
    if (unit == "days") != (counting in _SINCE) or unit not in (None, "days"):
        raise _bad("'countUnit' must be 'days' for rules by age, and is absent for others")
    return Rule(priority, _status(selection), tuple(_patterns(selection)), counting, number)


def _status(selection: dict[str, Any]) -> str:
    status = selection.get("tagStatus")
    if status not in ("tagged", "untagged", "any"):
        raise _bad("'tagStatus' must be tagged, untagged or any")
    given = [name for name in ("tagPrefixList", "tagPatternList") if name in selection]
    if status == "tagged" and len(given) != 1:
        raise _bad("a rule for tagged images needs either 'tagPrefixList' or 'tagPatternList'")
    if status != "tagged" and given:
        raise _bad(f"'{given[0]}' is for rules with tagStatus 'tagged' only")
    return str(status)


def _patterns(selection: dict[str, Any]) -> list[re.Pattern[str]]:
    out = []
    for name, tail in (("tagPrefixList", "*"), ("tagPatternList", "")):
        values = selection.get(name, [])
        if not isinstance(values, list) or len(values) > _LIST_MAX or (name in selection and not values):
            raise _bad(f"'{name}' must be a list of 1 to {_LIST_MAX} strings")
        for value in values:
            if not isinstance(value, str) or not value or value.count("*") > 4:
                raise _bad(f"'{name}' must hold strings with at most four wildcards")
            pieces = (value + tail).split("*") if name == "tagPatternList" else [value, ""]
            out.append(re.compile(".*".join(re.escape(piece) for piece in pieces)))
    return out


def choose(rules: list[Rule], images: list[tuple[str, Image]], now: int) -> list[tuple[str, int]]:
    """Which images expire, with the priority of the rule that decides.

    Each rule looks at all images, as if no other rule were there; an image that a rule of higher priority speaks of, whether it expires it or not,
    is out of the reach of the others. Images that a list names stay until the list is gone.
    """
    newest_first = sorted(images, key=lambda one: (-one[1].pushed_at, one[0]))
    claimed: set[str] = set()
    chosen: list[tuple[str, int]] = []
    for rule in rules:
        selected = [one for one in newest_first if rule.selects(one[1])]
        parents = {digest for digest, image in selected if image.parents}
        chosen += [(digest, rule.priority) for digest in rule.expires(selected, now) if digest not in claimed and digest not in parents]
        claimed |= {digest for digest, _ in selected}
    return chosen


def _bad(reason: str) -> ServiceError:
    message = f"Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: {reason}'"
    return ServiceError("InvalidParameterException", message, 400)
