"""Receivers that wait for messages (long polling).

One message wakes one receiver, and a receiver that leaves messages behind wakes the next, so that a thousand idle receivers of a queue cost
nothing and one message does not stir them all.
"""

from __future__ import annotations

import asyncio
from collections import deque

Ticket = asyncio.Future[None]


class Waiters:
    """Who waits for which queue, first come first served.

    A receiver takes a ticket, looks for messages once more (one may have come before it had its ticket), and waits for the ticket's
    completion. It gives every ticket back.
    """

    def __init__(self) -> None:
        self._lines: dict[str, deque[Ticket]] = {}

    def enter(self, queue_id: str) -> Ticket:
        """Stand in line."""
        ticket: Ticket = asyncio.get_running_loop().create_future()
        self._lines.setdefault(queue_id, deque()).append(ticket)
        return ticket

    def leave(self, queue_id: str, ticket: Ticket, *, used: bool) -> None:
        """Give a ticket back. If it was called and its holder has not `used` the call to look for messages, the next one is called."""
        if ticket.done():
            if not used:
                self.wake(queue_id)
            return
        ticket.cancel()
        line = self._lines[queue_id]
        line.remove(ticket)
        if not line:
            del self._lines[queue_id]

    def wake(self, queue_id: str) -> None:
        """Call the one who has waited longest."""
        line = self._lines.get(queue_id)
        if line is not None:
            line.popleft().set_result(None)
            if not line:
                del self._lines[queue_id]

    def wake_all(self) -> None:
        """Call everybody: the service stops."""
        for queue_id in list(self._lines):
            while queue_id in self._lines:
                self.wake(queue_id)
