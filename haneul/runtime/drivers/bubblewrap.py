"""The second driver: sandboxes that bubblewrap makes (the Debian package of that name), for who trusts a program that many use more than ours.

The spawner, control groups, disks and layers are those of `namespaces`; see `haneul.runtime.bubblewrap` for what differs. There are no zygotes, so that
an environment takes longer to start, and no snapshots.
"""

from __future__ import annotations

import shutil
from dataclasses import replace

from haneul.runtime.configuration import fresh_python
from haneul.runtime.drivers.namespaces import NamespaceDriver
from haneul.runtime.drivers.port import Plan, Sandbox
from haneul.runtime.interpreters import Kind
from haneul.runtime.port import RuntimeUnavailable


class BubblewrapDriver(NamespaceDriver):
    """Has the spawner start bubblewrap for each environment."""

    name = "bubblewrap"
    snapshots = False

    async def start(self) -> None:
        found = shutil.which("bwrap")
        if found is None:
            raise RuntimeUnavailable("bubblewrap is not installed: there is no bwrap in the PATH (Debian's package is bubblewrap).")
        self._bubblewrap = found
        await super().start()

    def prepare(self, kind: Kind) -> None:
        """Nothing is started in advance."""

    async def launch(self, plan: Plan) -> Sandbox:
        if plan.snapshot or plan.origin is not None:
            raise RuntimeUnavailable("Sandboxes of bubblewrap's cannot be restored from snapshots.")
        if plan.kind.family == "python" and not plan.configuration["argv"]:
            plan = replace(plan, configuration={**plan.configuration, "argv": fresh_python(plan.kind)})
        return await super().launch(plan)
