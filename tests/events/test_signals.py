"""Wake-ups within one process."""

from __future__ import annotations

from haneul.events.signals import Hub


def test_a_listener_is_called_at_each_notification_until_it_ends() -> None:
    """Because a poller that sleeps between two looks must not miss what happens in between."""
    hub, calls = Hub(), []
    end = hub.listen("queue:a", lambda: calls.append(1))
    hub.notify("queue:a")
    hub.notify("queue:b")
    hub.notify("queue:a")
    end()
    end()
    hub.notify("queue:a")
    assert calls == [1, 1]
