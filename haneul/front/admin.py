"""`/_haneul/…`: health, the clock, the bill, cuts between regions, reset and status, for root or, while development keys are on, for anybody on this machine."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Awaitable, Callable

import orjson

from haneul import __version__
from haneul.auth.root import is_loopback
from haneul.clock import SECOND
from haneul.clock.durations import parse_duration
from haneul.core.cloud import Cloud
from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest, HttpResponse
from haneul.front.bill import read_wish

_LAST = 7_258_118_400 * SECOND  # 2200-01-01: beyond it, times no longer fit where 64 bits hold nanoseconds.
_REGION = re.compile(r"[a-z]{2,3}(-[a-z]+){1,3}-[0-9]{1,2}")
_JSON = {"Content-Type": "application/json"}


def _json(status: int, body: object) -> HttpResponse:
    return HttpResponse(status, dict(_JSON), orjson.dumps(body, option=orjson.OPT_INDENT_2) + b"\n")


def _names_this_machine(host: str) -> bool:
    """True for a Host that no stranger's domain can have: a page whose name was made to point here is not this machine's owner."""
    name = host.rsplit(":", 1)[0] if ":" in host and not host.endswith("]") else host
    name = name.lower().rstrip(".")
    if name in ("", "localhost", "localhost.localstack.cloud") or name.endswith((".localhost", ".localhost.localstack.cloud")):
        return True
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


class Admin:
    """Administration over HTTP. `advance` (nanoseconds), `reset`, `stop` and `bill` (of an account, from, to) are given by `app.py`: they reach further than one cloud's inside."""

    def __init__(
        self,
        cloud: Cloud,
        advance: Callable[[int], Awaitable[None]],
        reset: Callable[[], Awaitable[None]],
        stop: Callable[[], None],
        facts: Callable[[], dict[str, object]],
        bill: Callable[[str, int, int], Awaitable[dict[str, object]]],
        root_key: tuple[str, str],
    ) -> None:
        self._cloud = cloud
        self._advance = advance
        self._reset = reset
        self._stop = stop
        self._facts = facts
        self._bill = bill
        self._root_key = root_key

    async def answer(self, request: HttpRequest, name: str) -> HttpResponse:
        """Answer a request for `/_haneul/<name>`."""
        if name == "health":
            isolation = self._cloud.settings.sandbox
            return _json(200, {"status": "running", "version": __version__, "isolation": isolation, "services": sorted(self._cloud.services)})
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        if name == "status" and request.method == "GET":
            return _json(200, self._facts())
        if name == "root-key" and request.method == "GET":
            return _json(200, {"root_access_key_id": self._root_key[0], "root_secret_access_key": self._root_key[1]})
        if name == "clock" and request.method == "GET":
            return _json(200, self._clock())
        if name == "clock" and request.method == "POST":
            return await self._move_clock(request)
        if name == "bill" and request.method == "GET":
            return await self._make_bill(request)
        if name == "regions" and request.method == "GET":
            return _json(200, self._regions())
        if name == "regions" and request.method == "POST":
            return await self._cut_or_heal(request)
        if name == "reset" and request.method == "POST":
            await self._reset()
            return _json(200, {"status": "reset"})
        if name == "stop" and request.method == "POST":
            self._stop()
            return _json(202, {"status": "stopping"})
        return _json(404, {"error": f"there is no {request.method} /_haneul/{name}; there are GET health, status, clock, bill, regions, root-key and POST clock, regions, reset, stop"})

    def _refusal(self, request: HttpRequest) -> HttpResponse | None:
        if self._cloud.settings.dev_keys and is_loopback(request.remote) and _names_this_machine(request.host):
            # A page in a browser on this machine is not its owner: it cannot set this header across origins without being asked first.
            if "origin" in request.headers:
                return _json(403, {"error": "administration does not answer pages of other sites"})
            return None
        try:
            caller = self._cloud.authority.authenticate(request, "sts").caller
        except ServiceError as error:
            return _json(403, {"error": error.message})
        if caller.is_root_of(self._cloud.settings.account):
            return None
        return _json(403, {"error": "administration answers requests signed by root (service name sts), or any from this machine while development keys are on"})

    def _clock(self) -> dict[str, object]:
        clock = self._cloud.clock
        return {"now": clock.now() / SECOND, "offset_seconds": clock.offset // SECOND, "frozen": clock.frozen}

    async def _move_clock(self, request: HttpRequest) -> HttpResponse:
        try:
            wish = orjson.loads(request.body or b"{}")
            step = parse_duration(wish["advance"])
            if not 0 <= step <= _LAST - self._cloud.clock.now():
                raise ValueError("time moves forward only, and to 2200 at most")
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            return _json(400, {"error": f'say how far: {{"advance": "35d"}} (units ms, s, m, h, d), not {request.body[:80]!r} ({error})'})
        await self._advance(step)
        return _json(200, self._clock())

    async def _make_bill(self, request: HttpRequest) -> HttpResponse:
        """`?account=…&from=2026-11&to=2026-12-05T10:00:00Z`: the account is this cloud's, and the time the current month, unless they are named."""
        try:
            wish = read_wish(request.query, self._cloud.settings.account, self._cloud.clock.now())
        except ValueError as error:
            return _json(400, {"error": str(error)})
        return _json(200, await self._bill(*wish))

    def _regions(self) -> dict[str, object]:
        return {"cuts": [{"region": region, **({"from": other} if other else {})} for region, other in self._cloud.links.cuts]}

    async def _cut_or_heal(self, request: HttpRequest) -> HttpResponse:
        """`{"cut": region}` takes a region off the others, `{"cut": region, "from": other}` off one of them; `heal` takes it back (`"all"`: everything)."""
        try:
            wish = orjson.loads(request.body)
            kinds = [kind for kind in ("cut", "heal") if kind in wish]
            region, other = str(wish[kinds[0]]), str(wish.get("from", ""))
            if len(kinds) != 1 or not set(wish) <= {"cut", "heal", "from"} or region == other:
                raise ValueError("either cut or heal, and two different regions")
            if not all(_REGION.fullmatch(one) for one in (region, other) if one and one != "all"):
                raise ValueError("no region has such a name")
            if region in ("", "all") and kinds[0] == "cut":
                raise ValueError("name the region to cut off")
        except (orjson.JSONDecodeError, AttributeError, IndexError, TypeError, ValueError) as error:
            return _json(400, {"error": f'say what to cut or heal: {{"cut": "eu-west-1"}}, {{"heal": "eu-west-1"}}, {{"heal": "all"}} ({error})'})
        if kinds[0] == "cut":
            await self._cloud.links.cut(region, other)
        else:
            await self._cloud.links.heal("" if region == "all" else region, other)
        return _json(200, self._regions())
