"""What environments need of the runtime that they belong to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from haneul.runtime.drivers.port import Driver
from haneul.runtime.port import AdoptListener


@dataclass(frozen=True)
class Surroundings:
    """`began` and `ended` are given the environment whose sandbox has just been made, or is gone."""

    driver: Driver
    monotonic_ns: Callable[[], int]
    wall_ns: Callable[[], int]
    adopt_listener: AdoptListener | None
    began: Callable[[Any], None]
    ended: Callable[[Any], None]
    init_timeout_ns: int
    new_id: Callable[[], str]
