"""dynamodb-admin, a console for DynamoDB that people use, opened in a browser against a real Haneul process."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dynamodb.test_clients import CREDENTIALS, NODE
from tests.process.haneul_process import Process, free_port

CLIENTS = Path(sys.prefix) / "share" / "haneul-clients" / "node_modules"
DRIVER = Path(__file__).parent / "browser.cjs"
CHROMIUM = shutil.which("chromium")

pytestmark = [
    pytest.mark.process,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (scripts/clients installs it where it may: apt-get install chromium)"),
    pytest.mark.skipif(not (NODE.exists() and (CLIENTS / "dynamodb-admin").exists() and (CLIENTS / "playwright-core").exists()), reason="dynamodb-admin is not installed (scripts/clients does that)"),
]


@contextlib.contextmanager
def dynamodb_admin(endpoint: str) -> Iterator[str]:
    """A running dynamodb-admin; its address. Without a session token of its own it would make one up, which nobody accepts."""
    port = free_port()
    command = [str(NODE), str(CLIENTS / "dynamodb-admin" / "dist" / "dynamodb-admin.js"), "--host", "127.0.0.1", "--port", str(port), "--dynamo-endpoint", endpoint]
    running = subprocess.Popen(command, env={**os.environ, **CREDENTIALS, "AWS_SESSION_TOKEN": ""}, stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        assert any("listening on" in line for line in running.stdout), "dynamodb-admin did not start"
        yield f"http://127.0.0.1:{port}"
    finally:
        running.kill()
        running.wait()
        if running.stdout is not None:
            running.stdout.close()


def test_tables_and_items_in_a_browser(tmp_path: Path) -> None:
    """Because a console is how many people meet a table: it lists, creates, puts, edits and queries through the SDK for JavaScript."""
    with Process(tmp_path / "data") as haneul, dynamodb_admin(haneul.endpoint) as admin:
        dynamodb = haneul.client("dynamodb")
        keys = {"AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}], "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}]}
        dynamodb.create_table(TableName="before", BillingMode="PAY_PER_REQUEST", **keys)
        environment = {**os.environ, "NODE_PATH": str(CLIENTS), "ADMIN": admin, "CHROMIUM": str(CHROMIUM), "PROFILE": str(tmp_path / "profile")}
        done = subprocess.run([str(NODE), str(DRIVER)], env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        seen = json.loads(done.stdout)
        book = {"author": "Han Kang", "year": 2007, "title": "The Vegetarian", "pages": 188, "tags": ["novel"]}
        edited = {**book, "pages": 247, "prizes": {"booker": 2016}}
        assert seen["tables"] == ["before"] and seen["errors"] == []
        assert seen["refused"] == "STRING_VALUE cannot be converted to Long"  # As the real service says to this form, until it sends numbers.
        assert (seen["item"], seen["edited"], seen["scanned"]) == (book, edited, 3)
        assert [row[:2] for row in seen["queried"]] == [['"Han Kang"', "2007"], ['"Han Kang"', "2014"]]
        kept = dynamodb.get_item(TableName="books", Key={"author": {"S": "Han Kang"}, "year": {"N": "2007"}})["Item"]
        assert kept["pages"] == {"N": "247"} and kept["prizes"] == {"M": {"booker": {"N": "2016"}}}
