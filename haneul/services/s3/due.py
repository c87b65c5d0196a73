"""When lifecycle rules are going to remove what: which rules take something in, and the day that answers show (S3 User Guide, "Lifecycle configuration elements")."""

from __future__ import annotations

from urllib.parse import quote

from haneul.clock import DAY
from haneul.core.ports import Shape
from haneul.services.s3.records import Bucket, Object
from haneul.services.s3.times import http_date, midnight_after


def prefix_of(rule: Shape) -> str:
    """What the keys begin with that a rule is about."""
    filtered = rule.get("Filter") or {}
    return str(rule.get("Prefix") or filtered.get("Prefix") or (filtered.get("And") or {}).get("Prefix") or "")


def fits(rule: Shape, key: str, found: Object) -> bool:
    """Whether a rule's filter takes in a version."""
    if not key.startswith(prefix_of(rule)):
        return False
    filtered = rule.get("Filter") or {}
    both = filtered.get("And") or {}
    tags = [filtered["Tag"]] if "Tag" in filtered else both.get("Tags") or []
    if any(found.tags.get(tag["Key"]) != tag["Value"] for tag in tags):
        return False
    larger = filtered.get("ObjectSizeGreaterThan", both.get("ObjectSizeGreaterThan"))
    smaller = filtered.get("ObjectSizeLessThan", both.get("ObjectSizeLessThan"))
    return (larger is None or found.size > larger) and (smaller is None or found.size < smaller)


def show_expiration(bucket: Bucket, key: str, current: Object) -> Shape:
    """What answers say of the day when a current version expires, and by which rule; nothing when none will."""
    if bucket.lifecycle is None:
        return {}
    found: list[tuple[int, str]] = []
    for rule in bucket.lifecycle:
        expiration = rule.get("Expiration") or {}
        if rule["Status"] == "Enabled" and ("Days" in expiration or "Date" in expiration) and fits(rule, key, current):
            day = expiration["Date"] if "Date" in expiration else midnight_after(current.modified + expiration["Days"] * DAY)
            found.append((day, rule["ID"]))
    if not found:
        return {}
    day, rule_id = min(found)
    return {"Expiration": f'expiry-date="{http_date(day)}", rule-id="{quote(rule_id, safe="")}"'}


def show_abort(bucket: Bucket, key: str, initiated: int) -> Shape:
    """The same of the day when an upload in progress is given up."""
    found: list[tuple[int, str]] = []
    for rule in bucket.lifecycle or ():
        if rule["Status"] == "Enabled" and "AbortIncompleteMultipartUpload" in rule and key.startswith(prefix_of(rule)):
            found.append((midnight_after(initiated + rule["AbortIncompleteMultipartUpload"]["DaysAfterInitiation"] * DAY), rule["ID"]))
    if not found:
        return {}
    day, rule_id = min(found)
    return {"AbortDate": day, "AbortRuleId": rule_id}
