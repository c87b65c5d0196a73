"""`haneul start`, `haneul stop`, `haneul reset`."""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import re
import shutil
import ssl
import sys
import time
from pathlib import Path

from haneul.cli.connection import DEFAULT_DATA_DIR, Connection, add_connection_options, local_path
from haneul.cli.output import Trouble, show
from haneul.cli.root_keys import VARIABLE, hand_over, root_keys

_STOP_SECONDS = 30.0
_WORKERS_MAX = 64
_CAPACITIES = ("enforced", "unlimited")
_SANDBOXES = ("auto", "namespaces", "bubblewrap", "none")
_NETWORKS = ("outbound", "none")


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands of this file."""
    command = commands.add_parser("start", help="run the cloud until Ctrl-C", description="Run the cloud until Ctrl-C. State stays in the data directory.")
    command.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine only)")
    command.add_argument("--port", type=int, default=4566, help="port to listen on (default: 4566; 0: any free one)")
    command.add_argument("--data-dir", type=local_path, default=DEFAULT_DATA_DIR, metavar="PATH", help="where all state is kept (default: ~/.haneul)")
    command.add_argument("--account", default="000000000000", help="id of the default account, 12 digits (default: 000000000000)")
    command.add_argument("--region", default="us-east-1", help="region of requests that name none (default: us-east-1)")
    command.add_argument(
        "--root-key",
        action="append",
        default=[],
        metavar="ID:SECRET[:ACCOUNT]",
        help="a key that is root of the account; may be given several times. The started server hides it; a file never shows it at all",
    )
    command.add_argument("--root-key-file", metavar="PATH", help="a file with such keys, one a line, that only its owner may read (mode 0600)")
    command.add_argument("--no-dev-keys", action="store_true", help="refuse the development keys (test/test and 12-digit key ids)")
    command.add_argument(
        "--capacity",
        choices=_CAPACITIES,
        default=_CAPACITIES[0],
        help="whether throughput is limited as in AWS, provisioned or on demand (default: enforced), or only counted (unlimited)",
    )
    command.add_argument(
        "--sandbox",
        choices=_SANDBOXES,
        default=_SANDBOXES[0],
        help="what functions are held in: Linux namespaces (default: auto, which is namespaces), bubblewrap, or none: no isolation at all, for machines that have no other",
    )
    command.add_argument(
        "--function-network",
        choices=_NETWORKS,
        default=_NETWORKS[0],
        help="what functions reach besides this cloud: whatever this machine reaches but its own loopback (default: outbound), or nothing (none)",
    )
    command.add_argument(
        "--workers",
        type=int,
        default=1,
        metavar="N",
        help="processes that answer requests (default: 1). One of them writes; the others answer reads of DynamoDB and pass on everything else",
    )
    command.add_argument("--tls-certificate", type=local_path, metavar="FILE", help="serve HTTPS with this certificate (PEM)")
    command.add_argument("--tls-key", type=local_path, metavar="FILE", help="the certificate's key (PEM)")
    command.set_defaults(run=start)
    command = commands.add_parser("stop", help="finish what is in flight and stop", description="Ask the running cloud to finish what is in flight and stop; wait until it has.")
    add_connection_options(command)
    command.set_defaults(run=stop)
    command = commands.add_parser("reset", help="forget every resource of every account", description="Delete every resource of every account. Keys of root stay.")
    add_connection_options(command)
    command.add_argument("--yes", action="store_true", help="do not ask")
    command.set_defaults(run=reset)


def start(options: argparse.Namespace) -> int:
    """Check the options and become the server process."""
    if not re.fullmatch(r"\d{12}", options.account):
        raise Trouble(f"--account takes 12 digits, not {options.account!r}")
    if not 0 <= options.port <= 65_535:
        raise Trouble(f"--port takes a number up to 65535, not {options.port}")
    if not re.fullmatch(r"[a-z0-9-]+", options.region):
        raise Trouble(f"--region takes a region's name such as us-east-1, not {options.region!r}")
    if not 1 <= options.workers <= _WORKERS_MAX:
        raise Trouble(f"--workers takes a number from 1 to {_WORKERS_MAX}, not {options.workers}")
    if options.sandbox == "bubblewrap" and shutil.which("bwrap") is None:
        raise Trouble("--sandbox bubblewrap needs the program bwrap in the PATH (Debian's package is bubblewrap)")
    if bool(options.tls_certificate) != bool(options.tls_key):
        raise Trouble("--tls-certificate and --tls-key go together")
    if options.tls_certificate:
        _check_tls(options.tls_certificate, options.tls_key)
    wish = {
        "host": options.host,
        "port": options.port,
        "data_dir": str(options.data_dir),
        "account": options.account,
        "region": options.region,
        "root_keys_descriptor": hand_over(root_keys(options)),
        "dev_keys": not options.no_dev_keys,
        "capacity_unlimited": options.capacity == "unlimited",
        "sandbox": options.sandbox,
        "function_network": options.function_network,
        "workers": options.workers,
    }
    if options.tls_certificate:
        wish["tls"] = {"certificate": str(options.tls_certificate), "key": str(options.tls_key)}
    sys.stdout.flush()
    kept = {name: value for name, value in os.environ.items() if name != VARIABLE}
    os.execve(sys.executable, [sys.executable, "-m", "haneul", json.dumps(wish)], kept)


def _check_tls(certificate: Path, key: Path) -> None:
    """Trouble that names the file and its option when the server could not serve with them."""
    for option, path in (("--tls-certificate", certificate), ("--tls-key", key)):
        try:
            path.read_bytes()
        except OSError as error:
            raise Trouble(f"{option} {path} cannot be read: {error.strerror}") from error
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(certificate)
    except ssl.SSLError as error:
        raise Trouble(f"--tls-certificate {certificate} is no certificate in PEM") from error
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: "")
    except ssl.SSLError as error:
        problem = f"does not belong to {certificate}" if error.reason == "KEY_VALUES_MISMATCH" else "is no private key in PEM, or needs a password"
        raise Trouble(f"--tls-key {key} {problem}") from error


def stop(options: argparse.Namespace) -> int:
    """Stop the cloud and wait until its process is gone."""
    connection = Connection(options)
    connection.admin("POST", "stop")
    process = connection.facts.get("pid")
    deadline = time.monotonic() + _STOP_SECONDS
    while process and _in_use(options.data_dir):
        if time.monotonic() > deadline:
            raise Trouble(f"the cloud (process {process}) is still finishing after {_STOP_SECONDS:.0f} s")
        time.sleep(0.02)
    show({"status": "stopped", "endpoint": connection.endpoint})
    return 0


def _in_use(data_dir: Path) -> bool:
    """Whether a server still holds the data directory: once it does not, the next one can be started."""
    try:
        with open(data_dir / "lock") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def reset(options: argparse.Namespace) -> int:
    """Forget everything, after asking a person."""
    connection = Connection(options)
    if not options.yes:
        if not sys.stdin.isatty():
            raise Trouble("reset deletes everything; say --yes to do it without being asked")
        if input(f"Delete every resource in {connection.endpoint}? [y/N] ").strip().lower() not in ("y", "yes"):
            raise Trouble("nothing was deleted")
    show(connection.admin("POST", "reset"))
    return 0
