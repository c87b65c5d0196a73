"""Deployment packages with libraries in them, made of what is installed here."""

from __future__ import annotations

import io
import re
import zipfile
from importlib import metadata
from pathlib import Path

IN_THE_RUNTIME = frozenset(("boto3", "botocore", "s3transfer", "jmespath", "urllib3", "python-dateutil", "six"))


def bundle(libraries: list[str], files: dict[str, str]) -> bytes:
    """A zip file of the given files and of libraries with all that they need."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        for distribution in _with_needs(libraries):
            for file in metadata.distribution(distribution).files or []:
                if file.suffix in (".py", ".so", ".json") and not str(file).startswith(".."):
                    path = Path(str(file.locate()))
                    if path.is_file():
                        archive.write(path, str(file))
    return out.getvalue()


def _with_needs(libraries: list[str]) -> list[str]:
    found: dict[str, None] = {}
    waiting = list(libraries)
    while waiting:
        name = waiting.pop()
        if name in found or name in IN_THE_RUNTIME - set(libraries):
            continue
        found[name] = None
        for line in metadata.requires(name) or []:
            if "extra ==" not in line:
                need = re.split(r"[^A-Za-z0-9._-]", line.strip(), maxsplit=1)[0].lower().replace("_", "-")
                if _is_installed(need):
                    waiting.append(need)
    return list(found)


def _is_installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
