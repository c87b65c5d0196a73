"""Generates typings/haneul_shapes: for each service a stub module with the requests and answers of its operations as TypedDicts, for editors and mypy.

They come from the models as the wire reads them: times are integers (nanoseconds since the epoch), blobs are bytes, streaming bodies are what
`core/http.py` has for them. CONTRIBUTING.md says how they are used. Nothing of it exists at run time.
"""

from __future__ import annotations

import builtins
import keyword
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from haneul.core.service import Service
from haneul.services.registry import service_classes
from haneul.wire.model import OperationModel, ServiceModel, Shape, load_service

FOLDER = Path(__file__).parent.parent / "typings" / "haneul_shapes"
_SCALARS = {"string": "str", "character": "str", "blob": "bytes", "boolean": "bool", "timestamp": "int", "integer": "int", "long": "int", "float": "float", "double": "float"}
_STREAMS = {"Input": "BodyStream | bytes", "Output": "bytes | FileBody | AsyncIterator[bytes]"}
_HEADER = '''\
"""Shapes of {title}, made by `make stubs` from its model ({version}). Times are nanoseconds since the epoch.{note}"""

from collections.abc import AsyncIterator
from typing import Any, NotRequired, TypedDict

from haneul.core.http import BodyStream, FileBody
'''
_UNCHECKED = " The service itself checks\nrequests, so that even required members may be missing until it has."


class Stub:
    """The stub module of one service."""

    def __init__(self, service: type[Service]) -> None:
        self.model: ServiceModel = load_service(service.name)
        self.quirks = service.quirks
        self.title = str(self.model.metadata["serviceFullName"])
        self._nested: dict[str, Shape] = {}

    def text(self) -> str:
        """The module."""
        operations = [self.model.operations[name] for name in sorted(self.model.operations)]
        tops = Counter(shape.name for operation in operations for shape in (operation.input, operation.output) if shape is not None)
        for operation in operations:
            for shape in (operation.input, operation.output):
                for member in () if shape is None else shape.members.values():
                    self._gather(member)
        for name, count in tops.items():
            if count > 1:
                self._nested[name] = self.model.shape(name)
        parts = [_HEADER.format(title=self.title, version=self.model.api_version, note="" if self.quirks.validation else _UNCHECKED)]
        parts += [self._nested_class(shape) for _, shape in sorted(self._nested.items())]
        parts += [self._operation_class(operation, side) for operation in operations for side in _STREAMS]
        return "\n".join(parts)

    def _gather(self, shape: Shape) -> None:
        """Note the structures that a member is made of."""
        waiting = [shape]
        while waiting:
            one = waiting.pop()
            if self._is_opaque(one):
                continue
            if one.type == "list":
                waiting.append(one.member)
            elif one.type == "map":
                waiting.append(one.value)
            elif one.type == "structure" and one.name not in self._nested:
                self._nested[one.name] = self.model.shape(one.name)
                waiting.extend(one.members.values())

    def _is_opaque(self, shape: Shape) -> bool:
        """Whether a value is any JSON: the wire passes it on unread."""
        return shape.name in self.quirks.opaque_shapes or shape.is_document or bool(shape.traits.get("jsonvalue"))

    def _type(self, shape: Shape, side: str) -> str:
        if self._is_opaque(shape):
            return "Any"
        if shape.type == "list":
            return f"list[{self._type(shape.member, side)}]"
        if shape.type == "map":
            return f"dict[str, {self._type(shape.value, side)}]"
        if shape.type == "structure":
            return f"AsyncIterator[{shape.name}Shape]" if shape.is_event_stream else f"{shape.name}Shape"
        return _STREAMS[side] if shape.traits.get("streaming") else _SCALARS[shape.type]

    def _nested_class(self, shape: Shape) -> str:
        return "\n".join(self._class(f"{shape.name}Shape", shape, f"The shape {shape.name}.", "Input"))

    def _operation_class(self, operation: OperationModel, side: str) -> str:
        """`PutItemInput`, `PutItemOutput`: the operation's name counts, whatever the model calls the shape."""
        shape = operation.input if side == "Input" else operation.output
        name = operation.name + side
        title = f"{'What' if side == 'Input' else 'The answer of'} {operation.name}{' is asked with' if side == 'Input' else ''}. {self.title} API Reference, {operation.name}."
        if shape is not None and shape.name in self._nested:
            return f'\nclass {name}({shape.name}Shape):\n    """{title}"""\n'
        return "\n".join(self._class(name, shape, title, side))

    def _class(self, name: str, shape: Shape | None, title: str, side: str) -> Iterator[str]:
        members = {} if shape is None else {key: self._member(shape, key, member, side) for key, member in shape.members.items()}
        yield ""
        if all(_can_be_written(key) for key in members):
            yield f"class {name}(TypedDict):"
            yield f'    """{title}"""'
            yield from (f"    {key}: {kind}" for key, kind in members.items())
        else:
            yield f"# {title}"
            yield f'{name} = TypedDict("{name}", {{{", ".join(f"{key!r}: {kind!r}" for key, kind in members.items())}}})'
        yield ""

    def _member(self, shape: Shape, key: str, member: Shape, side: str) -> str:
        kind = self._type(member, side)
        return kind if key in shape.required else f"NotRequired[{kind}]"


def _can_be_written(key: str) -> bool:
    """Whether a member's name can stand in a class: a name of Python's own would hide it from the members below."""
    return key.isidentifier() and not keyword.iskeyword(key) and not ((hasattr(builtins, key) and key in _SCALARS.values()) or key in ("list", "dict"))


def module_of(service: type[Service]) -> str:
    """The stub's name: that of the service's package (`lambda_`)."""
    return service.__module__.split(".")[2]


def write(folder: Path, services: list[type[Service]]) -> None:
    """Write the stubs of services, and take away those of services that are gone."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {f"{module_of(service)}.pyi": service for service in services}
    for old in folder.glob("*.pyi"):
        if old.name not in wanted:
            old.unlink()
    (folder / "__init__.pyi").write_text('"""Requests and answers of the services\' operations; made by `make stubs`, not there at run time."""\n')
    for name, service in wanted.items():
        (folder / name).write_text(Stub(service).text())


def main() -> int:
    services = service_classes()
    write(FOLDER, services)
    print(f"wrote {len(services)} modules to {FOLDER.parent.name}/{FOLDER.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
