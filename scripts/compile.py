"""Compiles the modules that every request runs through with mypyc, where there is a C compiler; elsewhere they run interpreted, to the same effect.

Which modules: `[tool.haneul] compiled` in pyproject.toml. Why, and what it brings: docs/decisions/0004-compiled-hot-path.md.
`python scripts/compile.py` brings everything up to date; `--remove` makes all modules interpreted again (for work on them).
"""

from __future__ import annotations

import compileall
import contextlib
import io
import json
import os
import shutil
import sys
import sysconfig
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MANIFEST = ROOT / "haneul" / "compiled.json"
_GROUP = "haneul_compiled"
_SUFFIX = sysconfig.get_config_var("EXT_SUFFIX")
# Calls between modules, and those of the interpreter, go straight and not through a table; arrays of arguments, which have a fixed length, are not guarded.
_FLAGS = ("-fvisibility=hidden", "-fno-semantic-interposition", "-fno-plt", "-fno-stack-protector")


def modules() -> list[str]:
    """Paths of the modules to compile, relative to the project's root."""
    names: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["haneul"]["compiled"]
    return names


def describe(paths: list[str]) -> dict[str, list[int | str]]:
    """What `haneul` compares at its start: time of change (nanoseconds) and hash of each source."""
    return {path: [(ROOT / path).stat().st_mtime_ns, sha256((ROOT / path).read_bytes()).hexdigest()] for path in paths}


def digest(paths: list[str]) -> str:
    """One hash over this interpreter, how it is compiled, and all sources."""
    found = sha256(f"{sys.version} {_FLAGS}".encode())
    for path in paths:
        found.update(path.encode() + (ROOT / path).read_bytes())
    return found.hexdigest()


def remove() -> None:
    """Take away all that was compiled."""
    MANIFEST.unlink(missing_ok=True)
    for file in [*(ROOT / "haneul").rglob("*.so"), *Path(sysconfig.get_paths()["purelib"]).glob(f"{_GROUP}*.so")]:
        file.unlink()


def build(paths: list[str]) -> None:
    """Compile into a temporary folder, then put the results where Python finds them. Raises what the compiler or mypyc raises."""
    from mypyc.build import mypycify  # noqa: PLC0415  Only where it is installed.
    from setuptools import setup  # noqa: PLC0415
    from setuptools.command.build_ext import build_ext  # noqa: PLC0415

    class Parallel(build_ext):
        """Compiles the files of an extension side by side, one on each core."""

        def build_extensions(self) -> None:
            one_by_one = self.compiler.compile

            def compile_all(sources: list[str], **options: Any) -> list[str]:
                with ThreadPoolExecutor(os.cpu_count()) as pool:
                    return [made for objects in pool.map(lambda source: one_by_one([source], **options), sources) for made in objects]

            self.compiler.compile = compile_all
            super().build_extensions()

    os.chdir(ROOT)
    with tempfile.TemporaryDirectory(prefix="haneul-compile-") as folder:
        options = ["--ignore-missing-imports", "--follow-imports=silent", f"--cache-dir={folder}/mypy"]
        extensions = mypycify([*options, *paths], opt_level="2", debug_level="0", target_dir=f"{folder}/c", group_name=_GROUP, multi_file=True)
        for one in extensions:
            one.extra_compile_args = [*one.extra_compile_args, *_FLAGS]
        os.chdir(folder)
        arguments = ["-q", "build_ext", "--build-lib", f"{folder}/lib", "--build-temp", f"{folder}/tmp"]
        setup(name="haneul-compiled", packages=[], ext_modules=extensions, script_args=arguments, cmdclass={"build_ext": Parallel})
        os.chdir(ROOT)
        built = Path(folder) / "lib"
        for file in built.glob(f"*{_SUFFIX}"):
            shutil.copy(file, sysconfig.get_paths()["purelib"])
        for file in (built / "haneul").rglob(f"*{_SUFFIX}"):
            shutil.copy(file, ROOT / file.relative_to(built))


def main() -> None:
    if "--remove" in sys.argv:
        remove()
        return
    # Bytecode of everything, so that the first start is as quick as any, also where Python may not write it.
    compileall.compile_dir(ROOT / "haneul", quiet=2)
    bring_up_to_date(modules())


def bring_up_to_date(paths: list[str]) -> None:
    """Compile what has changed, if it can be compiled here."""
    wanted = digest(paths)
    known = json.loads(MANIFEST.read_text()) if MANIFEST.exists() else {}
    if known.get("digest") == wanted:
        MANIFEST.write_text(json.dumps({"digest": wanted, "sources": describe(paths)}))
        return
    remove()
    if shutil.which(os.environ.get("CC", "gcc")) is None or not Path(sysconfig.get_paths()["include"], "Python.h").exists():
        print("setup: no C compiler with Python's headers here (Debian: gcc and python3-dev), so everything runs interpreted, somewhat slower", file=sys.stderr)
        return
    print(f"setup: compiling {len(paths)} modules (a minute)", file=sys.stderr)
    said = io.StringIO()
    try:
        with contextlib.redirect_stdout(said):
            build(paths)
    except (Exception, SystemExit) as problem:  # What cannot be compiled runs as it is.
        remove()
        print(f"setup: could not compile ({problem}), so everything runs interpreted, somewhat slower\n{said.getvalue()[-2000:]}", file=sys.stderr)
        return
    MANIFEST.write_text(json.dumps({"digest": wanted, "sources": describe(paths)}))


if __name__ == "__main__":
    main()
