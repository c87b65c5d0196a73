"""How a command reaches the running cloud."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from haneul.cli.output import Trouble

DEFAULT_DATA_DIR = Path.home() / ".haneul"
_TIMEOUT_SECONDS = 900
_ADDRESS = re.compile(r"https?://[^/]")


def _sdk(module: str) -> Any:
    """A module of the AWS SDK, loaded by the commands that call the cloud: it takes longer to load than `haneul start` takes to start."""
    return importlib.import_module(module)


def local_path(text: str) -> Path:
    """A path that an option or a variable gives: `~` is the user's home wherever it comes from."""
    return Path(text).expanduser().absolute()


def add_connection_options(command: argparse.ArgumentParser) -> None:
    """--endpoint, --region, --data-dir: where the cloud is."""
    command.add_argument("--endpoint", metavar="URL", help="the cloud's address (default: that of the one started on this data directory)")
    command.add_argument("--region", help="the region to work in (default: the cloud's own)")
    command.add_argument("--data-dir", type=local_path, default=DEFAULT_DATA_DIR, metavar="PATH", help="the data directory of the cloud (default: ~/.haneul)")


class Unreachable(Trouble):
    """No cloud answers where one was looked for."""


class Connection:
    """The running cloud, found by --endpoint or through the data directory."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.facts: dict[str, Any] = {}
        path = options.data_dir / "server.json"
        if path.exists():
            self.facts = json.loads(path.read_text())
        self.endpoint: str = options.endpoint or self.facts.get("endpoint", "http://localhost:4566")
        if not _ADDRESS.match(self.endpoint):
            raise Trouble(f"--endpoint takes a URL such as http://localhost:4566, not {self.endpoint!r}")
        self.region: str = options.region or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or self.facts.get("region", "us-east-1")
        self._key = os.environ.get("AWS_ACCESS_KEY_ID", "test")
        self._secret = os.environ.get("AWS_SECRET_ACCESS_KEY", "test")
        self._token = os.environ.get("AWS_SESSION_TOKEN")

    @property
    def failures(self) -> tuple[type[Exception], ...]:
        """What a client raises when the cloud refuses or does not answer."""
        exceptions = _sdk("botocore.exceptions")
        return (exceptions.ClientError, exceptions.BotoCoreError)

    def client(self, service: str) -> Any:
        """A boto3 client for the cloud, with the keys of the environment or the development keys."""
        return _sdk("boto3").client(
            service,
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self._key,
            aws_secret_access_key=self._secret,
            aws_session_token=self._token,
            config=_sdk("botocore.config").Config(read_timeout=_TIMEOUT_SECONDS, retries={"total_max_attempts": 1, "mode": "standard"}),
        )

    def sign_with(self, key_id: str, secret: str) -> None:
        """Use these keys from now on."""
        self._key, self._secret, self._token = key_id, secret, None

    def admin(self, method: str, name: str, body: Any = None) -> dict[str, Any]:
        """Call `/_haneul/<name>`, signed."""
        data = json.dumps(body).encode() if body is not None else b""
        request = _sdk("botocore.awsrequest").AWSRequest(method, f"{self.endpoint}/_haneul/{name}", data=data, headers={"Content-Type": "application/json"})
        keys = _sdk("botocore.credentials").Credentials(self._key, self._secret, self._token)
        _sdk("botocore.auth").SigV4Auth(keys, "sts", self.region).add_auth(request)
        prepared = request.prepare()
        try:
            wish = urllib.request.Request(prepared.url, data=data or None, headers=dict(prepared.headers), method=method)
            with urllib.request.urlopen(wish, timeout=_TIMEOUT_SECONDS, context=self._trust()) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                text = json.loads(text)["error"]
            except (ValueError, KeyError, TypeError):
                pass
            raise Trouble(text) from error
        except (urllib.error.URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            advice = "Start one with `haneul start`."
            if isinstance(reason, ssl.SSLCertVerificationError):
                advice = "Whoever answers there is not trusted; AWS_CA_BUNDLE names a file with the certificates that are."
            raise Unreachable(f"no cloud answers at {self.endpoint} ({reason}). {advice}") from error

    def _trust(self) -> ssl.SSLContext | None:
        """Whose certificates count: those of AWS_CA_BUNDLE (or of the profile's `ca_bundle`) where it is set, as for the SDK's clients."""
        if not self.endpoint.startswith("https:"):
            return None
        bundle = _sdk("botocore.session").Session().get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
        try:
            if not bundle:
                return ssl.create_default_context()
            return ssl.create_default_context(capath=bundle) if os.path.isdir(bundle) else ssl.create_default_context(cafile=bundle)
        except OSError as error:
            raise Trouble(f"AWS_CA_BUNDLE names {bundle}, which cannot be read as certificates: {error.strerror or error}") from error
