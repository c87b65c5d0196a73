"""What every kind of pattern can do."""

from __future__ import annotations


class PatternError(ValueError):
    """A text that is no filter pattern; the message is what the service says of it."""


class Pattern:
    """A compiled filter pattern. `regexes` counts its regular expressions, which the service limits."""

    regexes = 0

    def matches(self, message: str) -> bool:
        """Whether an event's message is one that the pattern describes."""
        raise NotImplementedError

    def extract(self, message: str) -> dict[str, str]:
        """The values that the pattern names in a message that matches (`$ip`, `$.status`); empty for plain terms."""
        return {}


class Everything(Pattern):
    """The empty pattern."""

    def matches(self, message: str) -> bool:
        return True
