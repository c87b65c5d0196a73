"""JSON schemas of models (draft 4), checked against request bodies."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

_DEPTH_MAX = 64
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "number": (int, float),
    "integer": (int,),
}


class SchemaError(ValueError):
    """What is wrong with a value, in words for the API's owner."""


class Schema:
    """One API's schema, with the other models that it may refer to."""

    def __init__(self, root: Any, models: dict[str, Any]) -> None:
        self._root = root
        self._models = models

    def check(self, value: Any) -> None:
        """Raise SchemaError when the value does not fit."""
        self._check(value, self._root, self._root, "#", 0)

    def _check(self, value: Any, schema: Any, root: Any, path: str, depth: int) -> None:
        if depth > _DEPTH_MAX:
            raise SchemaError(f"{path} is nested too deeply")
        if not isinstance(schema, dict):
            return
        if "$ref" in schema:
            target, target_root = self._resolve(str(schema["$ref"]), root)
            self._check(value, target, target_root, path, depth + 1)
            return
        _check_type(value, schema, path)
        if "enum" in schema and not any(_same(value, one) for one in schema["enum"]):
            raise SchemaError(f"{path} is not one of the values of the enumeration")
        if isinstance(value, str):
            _check_text(value, schema, path)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            _check_number(value, schema, path)
        elif isinstance(value, dict):
            self._check_object(value, schema, root, path, depth)
        elif isinstance(value, list):
            self._check_array(value, schema, root, path, depth)
        self._check_combined(value, schema, root, path, depth)

    def _resolve(self, reference: str, root: Any) -> tuple[Any, Any]:
        """A place in the same schema (`#/definitions/x`), or another model (`https://apigateway.amazonaws.com/restapis/ID/models/NAME`)."""
        if reference.startswith("#"):
            place = root
            for step in reference[1:].split("/")[1:]:
                place = place.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(place, dict) else None
            if place is None:
                raise SchemaError(f"{reference} refers to nothing")
            return place, root
        model = self._models.get(reference.rpartition("/models/")[2])
        if model is None:
            raise SchemaError(f"{reference} refers to nothing")
        return model, model

    def _check_object(self, value: dict[str, Any], schema: dict[str, Any], root: Any, path: str, depth: int) -> None:
        for name in schema.get("required", ()) if isinstance(schema.get("required"), list) else ():
            if name not in value:
                raise SchemaError(f"object has missing required properties ([\"{name}\"]) at {path}")
        _check_count(len(value), schema, "Properties", path)
        for name, needed in schema.get("dependencies", {}).items():
            if name in value and isinstance(needed, list):
                self._check_object(value, {"required": needed}, root, path, depth)
            elif name in value:
                self._check(value, needed, root, path, depth + 1)
        properties = schema.get("properties", {})
        patterns = schema.get("patternProperties", {})
        additional = schema.get("additionalProperties", True)
        for name, item in value.items():
            inner = f"{path}/{name}"
            known = name in properties
            if known:
                self._check(item, properties[name], root, inner, depth + 1)
            for pattern, one in patterns.items():
                if _pattern(pattern).search(name):
                    known = True
                    self._check(item, one, root, inner, depth + 1)
            if not known:
                if additional is False:
                    raise SchemaError(f"object instance has properties which are not allowed by the schema: [\"{name}\"] at {path}")
                self._check(item, additional, root, inner, depth + 1)

    def _check_array(self, value: list[Any], schema: dict[str, Any], root: Any, path: str, depth: int) -> None:
        _check_count(len(value), schema, "Items", path)
        if schema.get("uniqueItems") and any(_same(one, other) for at, one in enumerate(value) for other in value[:at]):
            raise SchemaError(f"array must not contain duplicate elements at {path}")
        items = schema.get("items")
        for at, item in enumerate(value):
            one = items[at] if isinstance(items, list) and at < len(items) else schema.get("additionalItems") if isinstance(items, list) else items
            if one is False:
                raise SchemaError(f"array is too long at {path}")
            self._check(item, one, root, f"{path}/{at}", depth + 1)

    def _check_combined(self, value: Any, schema: dict[str, Any], root: Any, path: str, depth: int) -> None:
        for one in schema.get("allOf", ()):
            self._check(value, one, root, path, depth + 1)
        if "anyOf" in schema and not any(self._fits(value, one, root, path, depth) for one in schema["anyOf"]):
            raise SchemaError(f"instance failed to match at least one required schema at {path}")
        if "oneOf" in schema and sum(self._fits(value, one, root, path, depth) for one in schema["oneOf"]) != 1:
            raise SchemaError(f"instance failed to match exactly one schema at {path}")
        if "not" in schema and self._fits(value, schema["not"], root, path, depth):
            raise SchemaError(f"instance matched a schema which it should not have at {path}")

    def _fits(self, value: Any, schema: Any, root: Any, path: str, depth: int) -> bool:
        try:
            self._check(value, schema, root, path, depth + 1)
        except SchemaError:
            return False
        return True


@lru_cache(maxsize=256)
def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error:
        raise SchemaError("a pattern of the schema cannot be read") from None


def _same(one: Any, other: Any) -> bool:
    """Equality of JSON values: true is not 1."""
    return type(one) is type(other) and one == other if isinstance(one, bool) or isinstance(other, bool) else bool(one == other)


def _check_type(value: Any, schema: dict[str, Any], path: str) -> None:
    wanted = schema.get("type")
    if wanted is None:
        return
    names = wanted if isinstance(wanted, list) else [wanted]
    for name in names:
        if isinstance(value, bool):
            if name == "boolean":
                return
        elif isinstance(value, _TYPES.get(str(name), ())) or (name == "integer" and isinstance(value, float) and value.is_integer()):
            return
    raise SchemaError(f"instance type does not match any allowed primitive type (allowed: {names}) at {path}")


def _check_text(value: str, schema: dict[str, Any], path: str) -> None:
    if len(value) < schema.get("minLength", 0) or len(value) > schema.get("maxLength", len(value)):
        raise SchemaError(f"string has a length that is not allowed at {path}")
    if "pattern" in schema and not _pattern(schema["pattern"]).search(value):
        raise SchemaError(f"ECMA 262 regex \"{schema['pattern']}\" does not match input string at {path}")


def _check_number(value: int | float, schema: dict[str, Any], path: str) -> None:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and (value < least or (value == least and schema.get("exclusiveMinimum") is True)):
        raise SchemaError(f"numeric instance is lower than the required minimum at {path}")
    if most is not None and (value > most or (value == most and schema.get("exclusiveMaximum") is True)):
        raise SchemaError(f"numeric instance is greater than the required maximum at {path}")
    step = schema.get("multipleOf")
    if step and value % step:
        raise SchemaError(f"numeric instance is not a multiple of {step} at {path}")


def _check_count(count: int, schema: dict[str, Any], what: str, path: str) -> None:
    if count < schema.get(f"min{what}", 0) or count > schema.get(f"max{what}", count):
        raise SchemaError(f"the number of {what.lower()} is not allowed at {path}")
