"""Networks of sandboxes, by netlink: a loopback of their own, and a pair of virtual cables that leads out of each into the uplink.

The uplink is a network namespace that the spawner makes (`haneul.runtime.uplink`). It forwards from every cable to its one way out, and from there
back; never from one sandbox to another. Addresses are of 198.18.0.0/15, which RFC 2544 keeps for networks under test: nobody's own network has them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import socket
import struct
from collections.abc import Iterator

from haneul.runtime.inside import linux

NETWORK = "198.18.0.0/16"
NAME_SERVER = "198.18.0.3"
GATEWAY = "169.254.1.1"
"""The uplink's address on every cable."""
INSIDE_NAME = "eth0"
TUN = "/dev/net/tun"
MTU = 65520
BACK_TABLE = 100
"""The uplink's routes to the sandboxes, for what comes in by its way out."""

_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_TUNSETIFF, _TUNSETPERSIST = 0x400454CA, 0x400454CB
_IFF_TAP, _IFF_NO_PI = 2, 0x1000
_NEW_LINK, _GET_LINK, _NEW_ADDRESS, _NEW_ROUTE, _NEW_RULE, _SET_NEIGHBOURS = 16, 18, 20, 24, 32, 67
_REQUEST, _ACKNOWLEDGE, _EXCLUSIVE, _CREATE = 1, 4, 0x200, 0x400
_ERROR = 2
_LINK_NAME, _LINK_MTU, _LINK_STATE, _LINK_KIND, _LINK_PID, _LINK_FD = 3, 4, 16, 18, 19, 28
_STATE_UP = 6
_KIND_NAME, _KIND_DATA, _PEER = 1, 2, 1
_ADDRESS, _LOCAL = 1, 2
_TO, _OUT, _VIA = 1, 4, 5
_RULE_PRIORITY, _RULE_IN = 6, 3
_TABLE_NAME, _TABLE_PARAMETERS, _PARAMETERS_LINK, _PROXY_DELAY = 1, 6, 1, 13
_MAIN_TABLE, _STATIC, _EVERYWHERE, _LINK_ONLY = 254, 4, 0, 253
_UNICAST, _UNREACHABLE = 1, 7
_LOOPBACK, _INSIDE_INDEX = 1, 2
_FIRST, _NUMBERS = 256, 65_000
"""Below, the addresses are the uplink's own."""
_FIRST_INDEX = 1000
_TRIES_MAX = 32
_NEWS_OF_LINKS = 1
_CARRIER_SECONDS = 5.0


def raise_interface(name: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", name.encode(), _IFF_UP))


def enter(uplink: int) -> socket.socket:
    """Step into the uplink, whose namespace is behind the descriptor `uplink`; what is asked through the socket happens there, wherever this process goes."""
    linux.setns(uplink, linux.CLONE_NEWNET)
    return _netlink(_NEWS_OF_LINKS)


def connect(door: socket.socket, sandbox: int | None = None) -> None:
    """Connect a network namespace with the uplink that `door` came from: the one behind the descriptor `sandbox`, which is then entered, or this process's own."""
    number = _lay_cable(door, sandbox)
    if sandbox is not None:
        linux.setns(sandbox, linux.CLONE_NEWNET)
    raise_interface(INSIDE_NAME)
    with _netlink() as inside:
        _ask(
            inside,
            _address(_INSIDE_INDEX, _address_of(number)),
            _route(GATEWAY, 32, _INSIDE_INDEX, scope=_LINK_ONLY),
            _route("0.0.0.0", 0, _INSIDE_INDEX, gateway=GATEWAY),
        )
    _await_carrier(door, _FIRST_INDEX + number)


def set_up_uplink(way_out: str) -> None:
    """Turn this process's network namespace into an uplink, whose way out will be the interface of that name."""
    for name, value in (("ip_forward", "1"), ("conf/all/rp_filter", "0"), ("conf/default/rp_filter", "0"), ("conf/default/proxy_arp", "1")):
        with open(f"/proc/sys/net/ipv4/{name}", "w") as file:
            file.write(value)
    raise_interface("lo")
    _make_tap(way_out)
    with _netlink() as link:
        _ask(
            link,
            # It answers for the sandboxes when it is asked who they are: at once. After up to 0.8 seconds, as is usual, who asks has given up at times.
            _answers_at_once(socket.if_nametoindex(way_out)),
            _address(_LOOPBACK, GATEWAY),
            # Where clouds tell their machines who they are, and other things that are the host's alone.
            _route("169.254.0.0", 16, None, kind=_UNREACHABLE),
            _rule(way_out, 1),
            _rule("lo", 2),
        )


def _make_tap(name: str) -> None:
    """An interface that stays until somebody takes its other end."""
    with open(TUN, "r+b", buffering=0) as tun:
        fcntl.ioctl(tun, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
        fcntl.ioctl(tun, _TUNSETPERSIST, 1)


def _lay_cable(door: socket.socket, sandbox: int | None) -> int:
    start = os.getpid()
    for attempt in range(_TRIES_MAX):
        number = _FIRST + (start + attempt) % (_NUMBERS - _FIRST)
        index = _FIRST_INDEX + number
        try:
            _ask(door, _cable(number, index, sandbox), _route(_address_of(number), 32, index, table=BACK_TABLE, scope=_LINK_ONLY))
            return number
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.EBUSY) or attempt == _TRIES_MAX - 1:
                raise
    raise AssertionError


def _await_carrier(door: socket.socket, index: int) -> None:
    """The kernel takes note some time later that a cable's outer end, up first, has another end now; what comes for the sandbox until then is lost."""
    door.settimeout(_CARRIER_SECONDS)
    body = struct.pack("=BxHiII", 0, 0, index, 0, 0)
    door.send(struct.pack("=IHHII", 16 + len(body), _GET_LINK, _REQUEST, 0, 0) + body)
    # Its state as it is comes as the answer, and as it becomes as news.
    while not any(kind == _NEW_LINK and _is_up(message, index) for kind, message in _messages(door.recv(65536))):
        pass


def _is_up(message: bytes, index: int) -> bool:
    if struct.unpack_from("=i", message, 4)[0] != index:
        return False
    at = 16
    while at < len(message):
        size, kind = struct.unpack_from("=HH", message, at)
        if kind == _LINK_STATE:
            return message[at + 4] == _STATE_UP
        at += (size + 3) & ~3
    return False


def _address_of(number: int) -> str:
    return f"198.18.{number >> 8}.{number & 255}"


# ---- messages (netlink(7), rtnetlink(7))


def _netlink(groups: int = 0) -> socket.socket:
    """`groups` are those of whose news it hears."""
    made = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    made.bind((0, groups))
    return made


def _ask(link: socket.socket, *messages: tuple[int, bytes]) -> None:
    """Have the kernel do these things one after another; OSError for the first that it did not."""
    packets = [struct.pack("=IHHII", 16 + len(body), kind, _REQUEST | _ACKNOWLEDGE | _CREATE | _EXCLUSIVE, number, 0) + body for number, (kind, body) in enumerate(messages)]
    link.send(b"".join(packets))
    failed = 0
    answered = 0
    while answered < len(messages):
        for kind, message in _messages(link.recv(65536)):
            if kind == _ERROR:
                answered += 1
                failed = failed or -struct.unpack_from("=i", message)[0]
    if failed:
        raise OSError(failed, f"netlink: {os.strerror(failed)}")


def _messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """What has been received, message by message: its kind, and what follows its head."""
    at = 0
    while at < len(data):
        length, kind = struct.unpack_from("=IH", data, at)
        yield kind, data[at + 16 : at + length]
        at += (length + 3) & ~3


def _attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def _number(kind: int, value: int) -> bytes:
    return _attribute(kind, struct.pack("=I", value))


def _cable(number: int, index: int, sandbox: int | None) -> tuple[int, bytes]:
    """A pair of interfaces: one here, up, and one in the sandbox (which cannot be up yet when the other is made)."""
    where = _number(_LINK_PID, os.getpid()) if sandbox is None else _number(_LINK_FD, sandbox)
    inside = struct.pack("=BxHiII", 0, 0, _INSIDE_INDEX, 0, 0) + _attribute(_LINK_NAME, INSIDE_NAME.encode() + b"\0") + _number(_LINK_MTU, MTU) + where
    kind = _attribute(_KIND_NAME, b"veth\0") + _attribute(_KIND_DATA, _attribute(_PEER, inside))
    body = struct.pack("=BxHiII", 0, 0, index, _IFF_UP, _IFF_UP) + _attribute(_LINK_NAME, f"sandbox{number}".encode() + b"\0") + _number(_LINK_MTU, MTU) + _attribute(_LINK_KIND, kind)
    return _NEW_LINK, body


def _address(index: int, address: str) -> tuple[int, bytes]:
    packed = socket.inet_aton(address)
    return _NEW_ADDRESS, struct.pack("=BBBBI", socket.AF_INET, 32, 0, 0, index) + _attribute(_LOCAL, packed) + _attribute(_ADDRESS, packed)


def _route(
    to: str, bits: int, index: int | None, *, gateway: str = "", table: int = _MAIN_TABLE, scope: int = _EVERYWHERE, kind: int = _UNICAST
) -> tuple[int, bytes]:
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, bits, 0, 0, table, _STATIC, scope, kind, 0)
    if bits:
        body += _attribute(_TO, socket.inet_aton(to))
    if index is not None:
        body += _number(_OUT, index)
    if gateway:
        body += _attribute(_VIA, socket.inet_aton(gateway))
    return _NEW_ROUTE, body


def _rule(interface: str, priority: int) -> tuple[int, bytes]:
    """What comes from an interface is looked up among the routes to the sandboxes first."""
    body = struct.pack("=BBBBBBBBI", socket.AF_INET, 0, 0, 0, BACK_TABLE, 0, 0, 1, 0)
    return _NEW_RULE, body + _attribute(_RULE_IN, interface.encode() + b"\0") + _number(_RULE_PRIORITY, priority)


def _answers_at_once(index: int) -> tuple[int, bytes]:
    """An interface that answers for others does so without delay."""
    parameters = _number(_PARAMETERS_LINK, index) + _attribute(_PROXY_DELAY, struct.pack("=Q", 0))
    return _SET_NEIGHBOURS, struct.pack("=BBH", socket.AF_INET, 0, 0) + _attribute(_TABLE_NAME, b"arp_cache\0") + _attribute(_TABLE_PARAMETERS, parameters)
