"""Time and chance. Nothing in Haneul reads the machine's clock or random generator but the classes here."""

from haneul.clock.clock import DAY, HOUR, MICROSECOND, MILLISECOND, MINUTE, SECOND, Clock, Timer
from haneul.clock.ids import Ids

__all__ = ["DAY", "HOUR", "MICROSECOND", "MILLISECOND", "MINUTE", "SECOND", "Clock", "Ids", "Timer"]
