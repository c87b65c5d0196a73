"""The server process: `python -m haneul '<settings as JSON>'`. People use `haneul start`, which checks the options and runs this.

`python -m haneul reader DESCRIPTOR` is how that process starts those beside it (`haneul start --workers`).
With `{"root_key_of": <data directory>}` it serves nothing: it prints that directory's root key, as JSON, for `haneul status --keys`.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import shlex
import ssl
import sys
from pathlib import Path
from typing import Any

import uvloop

from haneul import __version__
from haneul.app import App, root_key_in, serve
from haneul.core.cloud import Settings
from haneul.store.port import StoreError
from haneul.store.shared import SharedMemory
from haneul.workers.messages import unpack
from haneul.workers.reader import read

_LOCK = "lock"
_FACTS = "server.json"


def main() -> int:
    """Run until told to stop. Exit codes: 0 stopped, 1 could not start."""
    if sys.argv[1] == "reader":
        return _read(int(sys.argv[2]))
    wish = json.loads(sys.argv[1])
    if "root_key_of" in wish:
        return _show_root_key(Path(wish["root_key_of"]))
    tls = wish.pop("tls", None)
    keys = _root_keys(wish.pop("root_keys_descriptor", None))
    settings = Settings(data_dir=Path(wish.pop("data_dir")), root_keys=keys, **wish)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    if settings.sandbox == "none":
        logging.warning("FUNCTIONS WILL RUN WITHOUT ISOLATION (--sandbox none): they can read and change whatever this user can, and reach the whole network.")
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = open(settings.data_dir / _LOCK, "w")  # noqa: SIM115 - held until the process ends
    except OSError as error:
        print(f"Haneul cannot use the data directory {settings.data_dir}: {error.strerror}.", file=sys.stderr)
        return 1
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        print(f"Another Haneul is using {settings.data_dir}. Stop it with `haneul stop`, or give another --data-dir.", file=sys.stderr)
        return 1
    facts = settings.data_dir / _FACTS
    try:
        uvloop.run(serve(settings, lambda app, port: _ready(app, port, facts, tls is not None), tls=_tls(tls), tls_files=tls))
    except StoreError as error:
        print(f"Haneul cannot start: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        # What is wrong with an address names no file, and what is wrong with a file does.
        advice = " Choose another --port or --host, or look at what is using it." if error.filename is None else ""
        print(f"Haneul cannot start: {error}.{advice}", file=sys.stderr)
        return 1
    finally:
        facts.unlink(missing_ok=True)
    return 0


def _read(descriptor: int) -> int:
    """Run a process that only reads, over shared memory. What it needs to know comes in the first line of its standard input, which stays open as long as it is wanted."""
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    told = unpack(bytes.fromhex(sys.stdin.buffer.readline().decode()))
    given = told["settings"]
    given |= {"data_dir": Path(given["data_dir"]), "root_keys": tuple((key_id, secret, account) for key_id, secret, account in given["root_keys"])}
    uvloop.run(read(Settings(**given), SharedMemory(descriptor), told["secret"], _tls(told["tls"])))
    return 0


def _show_root_key(data_dir: Path) -> int:
    try:
        key_id, secret = root_key_in(data_dir)
    except (OSError, StoreError) as error:
        print(error, file=sys.stderr)
        return 1
    print(json.dumps({"root_access_key_id": key_id, "root_secret_access_key": secret}))
    return 0


def _root_keys(descriptor: int | None) -> tuple[tuple[str, str, str], ...]:
    """The keys that `haneul start` left in a pipe, which is closed before anything else is started."""
    if descriptor is None:
        return ()
    with open(descriptor, "rb") as pipe:
        return tuple((str(key_id), str(secret), str(account)) for key_id, secret, account in json.load(pipe))


def _tls(files: dict[str, str] | None) -> ssl.SSLContext | None:
    if files is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(files["certificate"], files["key"])
    return context


def _ready(app: App, port: int, facts: Path, tls: bool) -> None:
    settings = app.cloud.settings
    host = "localhost" if settings.host in ("127.0.0.1", "::1", "0.0.0.0", "::") else settings.host
    endpoint = f"{'https' if tls else 'http'}://{host}:{port}"
    seen: dict[str, Any] = {"pid": os.getpid(), "endpoint": endpoint, "account": settings.account, "region": settings.region, "version": __version__}
    facts.write_text(json.dumps(seen))
    if not sys.stdout.isatty():
        print(json.dumps({**seen, "data_dir": str(settings.data_dir)}), flush=True)
        return
    keys = "test / test (development keys: root of the default account, from this machine only)" if settings.dev_keys else "development keys are off"
    show_keys = "haneul status --keys" + ("" if settings.data_dir == Path.home() / ".haneul" else f" --data-dir {shlex.quote(str(settings.data_dir))}")
    key_id, secret = ("test", "test") if settings.dev_keys else (app.root_key[0], "...")
    region = settings.region
    activate = "" if os.environ.get("VIRTUAL_ENV") == sys.prefix or sys.prefix == sys.base_prefix else f"\n    . {shlex.quote(sys.prefix)}/bin/activate"
    print(
        f"""
  Haneul {__version__} is running.

  endpoint   {endpoint}
  keys       {keys}
             {app.root_key[0]} (root's own; the secret: `{show_keys}`)
  account    {settings.account}, region {settings.region}
  data       {settings.data_dir}

  Try next:{activate}
    export AWS_ENDPOINT_URL={endpoint} AWS_ACCESS_KEY_ID={key_id} AWS_SECRET_ACCESS_KEY={secret} AWS_REGION={region} AWS_DEFAULT_REGION={region}
    aws s3 mb s3://hello && aws s3 ls
    haneul deploy handler.py --url

  Ctrl-C stops it; everything acknowledged is kept.
""",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
