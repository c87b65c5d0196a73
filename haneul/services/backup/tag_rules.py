"""What tags may be given (API Reference: "TagResource")."""

from __future__ import annotations

from haneul.services.backup.errors import invalid_value

TAGS_MAX = 50


def checked_tags(tags: dict[str, str]) -> dict[str, str]:
    """Tags that a user may give. InvalidParameterValueException for others, or too many."""
    if any(name.lower().startswith("aws:") for name in tags):
        raise invalid_value("Tag keys cannot start with aws:")
    check_number(tags)
    return tags


def check_number(tags: dict[str, str]) -> None:
    """InvalidParameterValueException for more tags than a resource has."""
    if len(tags) > TAGS_MAX:
        raise invalid_value(f"A resource has at most {TAGS_MAX} tags")
