"""Which driver `haneul start --sandbox` names."""

from __future__ import annotations

from haneul.runtime.drivers.bubblewrap import BubblewrapDriver
from haneul.runtime.drivers.namespaces import NamespaceDriver
from haneul.runtime.drivers.none import NoIsolationDriver
from haneul.runtime.drivers.port import Driver

AUTO = "auto"
_DRIVERS: dict[str, type[NamespaceDriver] | type[NoIsolationDriver]] = {
    "namespaces": NamespaceDriver,
    "bubblewrap": BubblewrapDriver,
    "none": NoIsolationDriver,
}


def driver_name(wish: str) -> str:
    """The driver that a wish leads to. `auto` is the default's and never one without isolation: where that does not work, functions do not run."""
    name = "namespaces" if wish == AUTO else wish
    if name not in _DRIVERS:
        raise ValueError(f"there is no sandbox {wish!r}; there are {', '.join([*_DRIVERS, AUTO])}")
    return name


def make_driver(wish: str, directory: str, *, outbound: bool = False) -> Driver:
    """The driver for a wish, not started; `directory` is its own. `outbound` is whether functions may connect to what is outside."""
    return _DRIVERS[driver_name(wish)](directory, outbound=outbound)
