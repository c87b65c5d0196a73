"""The filter pattern language of CloudWatch Logs ("Filter pattern syntax for metric filters, subscription filters, filter log events, and Live Tail")."""

from haneul.services.logs.patterns.parse import Pattern, PatternError, parse_pattern

__all__ = ["Pattern", "PatternError", "parse_pattern"]
