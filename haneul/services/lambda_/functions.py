"""Finding functions: what a name and qualifier stand for right now, remembered until the store says that it changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import orjson

from haneul.clock import Ids
from haneul.services.lambda_.errors import function_not_found, not_found
from haneul.services.lambda_.names import LATEST, Target
from haneul.services.lambda_.records import (
    Alias,
    Function,
    InvokeConfig,
    Policy,
    Version,
    alias_key,
    function_key,
    invoke_config_key,
    policy_key,
    version_key,
)
from haneul.store.keys import pack, unpack
from haneul.store.port import Reader, Store
from haneul.store.records import decode

T = TypeVar("T")
_CACHE_FUNCTIONS_MAX = 4096


@dataclass(slots=True)
class Resolution:
    """What a target stands for. `alias` is None unless the qualifier is one; its weights choose another version at each invocation."""

    target: Target
    function: Function
    version: Version
    alias: Alias | None

    @property
    def arn(self) -> str:
        """The ARN as it was asked for."""
        return self.target.qualified_arn

    @property
    def version_target(self) -> Target:
        """The version itself, whatever the qualifier was."""
        return self.target._replace(qualifier=self.version.qualifier)


@dataclass(slots=True)
class _Remembered:
    resolutions: dict[str | None, Resolution] = field(default_factory=dict)
    policies: dict[str, str | None] = field(default_factory=dict)
    invoke_configs: dict[str, InvokeConfig | None] = field(default_factory=dict)


def read(reader: Reader, key: bytes, kind: type[T]) -> T | None:
    """The record at `key`, if there is one."""
    value = reader.get(key)
    return decode(value, kind) if value is not None else None


def policy_text(policy: Policy) -> str:
    """A resource policy as the JSON document that GetPolicy shows and that decides."""
    return orjson.dumps({"Version": "2012-10-17", "Id": "default", "Statement": list(policy.statements.values())}).decode()


class Functions:
    """Reads of functions, from memory where nothing has changed since the last time."""

    def __init__(self, store: Store, ids: Ids) -> None:
        self._store = store
        self._ids = ids
        self._known: dict[tuple[str, str, str], _Remembered] = {}
        store.watch(pack(("lambda",)), self._changed)

    def _changed(self, keys: Sequence[bytes]) -> None:
        for one in keys:
            parts = unpack(one)
            if len(parts) > 4 and parts[3] in ("function", "version", "alias", "policy", "invoke-config"):
                self._known.pop((str(parts[1]), str(parts[2]), str(parts[4])), None)

    def _remembered(self, target: Target) -> _Remembered:
        place = (target.account, target.region, target.name)
        known = self._known.get(place)
        if known is None:
            if len(self._known) >= _CACHE_FUNCTIONS_MAX:
                self._known.clear()
            known = self._known[place] = _Remembered()
        return known

    def resolve(self, target: Target) -> Resolution:
        """The function and version that a target names; ResourceNotFoundException when there is none."""
        known = self._remembered(target)
        found = known.resolutions.get(target.qualifier)
        if found is None:
            found = resolve_in(self._store, target)
            known.resolutions[target.qualifier] = found
        return found

    def choose(self, target: Target) -> Resolution:
        """As `resolve`, with an alias's routing weights thrown for one invocation."""
        found = self.resolve(target)
        alias = found.alias
        if alias is None or not alias.weights:
            return found
        dice = self._ids.random()
        for number, weight in alias.weights.items():
            dice -= weight
            if dice < 0:
                other = self.resolve(target._replace(qualifier=number))
                return Resolution(target, other.function, other.version, alias)
        return found

    def policy(self, target: Target) -> str | None:
        """The JSON text of the resource policy at a qualifier."""
        known = self._remembered(target)
        qualifier = target.qualifier or ""
        if qualifier not in known.policies:
            found = read(self._store, policy_key(target), Policy)
            known.policies[qualifier] = policy_text(found) if found is not None else None
        return known.policies[qualifier]

    def invoke_config(self, target: Target) -> InvokeConfig | None:
        """How asynchronous invocations of a qualifier are treated."""
        known = self._remembered(target)
        qualifier = target.qualifier or LATEST
        if qualifier not in known.invoke_configs:
            known.invoke_configs[qualifier] = read(self._store, invoke_config_key(target), InvokeConfig)
        return known.invoke_configs[qualifier]


def resolve_in(reader: Reader, target: Target) -> Resolution:
    """What a target names in one state of the store."""
    function = read(reader, function_key(target), Function)
    if function is None:
        raise function_not_found(target.qualified_arn)
    alias: Alias | None = None
    number = 0
    if target.qualifier and target.qualifier != LATEST:
        if target.qualifier.isdigit():
            number = int(target.qualifier)
            if number == 0:
                raise function_not_found(target.qualified_arn)
        else:
            alias = read(reader, alias_key(target, target.qualifier), Alias)
            if alias is None:
                raise function_not_found(target.qualified_arn)
            number = alias.version
    version = read(reader, version_key(target, number), Version)
    if version is None:
        raise function_not_found(target.qualified_arn)
    return Resolution(target, function, version, alias)


def alias_in(reader: Reader, target: Target, name: str) -> Alias:
    """An alias of a function, in one state of the store."""
    if reader.get(function_key(target)) is None:
        raise function_not_found(target.arn)
    found = read(reader, alias_key(target, name), Alias)
    if found is None:
        raise not_found(f"Cannot find alias arn: {target.arn}:{name}")
    return found
