"""The photo application: the demonstration passes, and its template says the same as its deployment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "photos"
sys.path.insert(0, str(EXAMPLE))

from deploy import Photos  # noqa: E402

from tests.support.python import PYTHON  # noqa: E402


class _Loader(yaml.SafeLoader):
    """CloudFormation's short functions, kept as (tag, value)."""


_Loader.add_multi_constructor("!", lambda loader, suffix, node: (suffix, node.value))  # type: ignore[no-untyped-call]


class _Sts:
    @staticmethod
    def get_caller_identity() -> dict[str, Any]:
        return {"Account": "123456789012"}


def test_the_demonstration_sees_every_effect() -> None:
    """`make demo ONCE=1` is the promise of the README: upload, thumbnail, table, stream, refusal, retry, message, list."""
    done = subprocess.run([sys.executable, str(EXAMPLE / "demo.py"), "--once"], capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Every effect was seen." in done.stdout
    assert "sqs:SendMessage" in done.stdout
    assert "Traceback" not in done.stderr


def test_the_template_and_the_deployment_describe_the_same_functions() -> None:
    """Whoever deploys with SAM gets what `deploy.py` makes with single calls (plus the permission that the demonstration withholds at first)."""
    template = yaml.load((EXAMPLE / "template.yaml").read_text(), _Loader)
    described = {r["Properties"]["FunctionName"]: r["Properties"] for r in template["Resources"].values() if r["Type"] == "AWS::Serverless::Function"}
    photos = Photos(lambda service: _Sts(), lambda what, text: None, "us-east-1")
    for function in photos.functions():
        properties = described.pop(function.name)
        runtime = PYTHON if properties["Runtime"] == ("Ref", "PythonRuntime") else properties["Runtime"]
        assert (runtime, properties["Handler"], properties["CodeUri"]) == (function.runtime, function.handler, f"{function.name}/")
        assert bool(properties.get("Layers")) == bool(function.layers)
        managed = [policy for policy in properties["Policies"] if isinstance(policy, str)]
        assert managed == [arn.rsplit("/", 1)[1] for arn in function.managed]
        actions = [statement["Action"] for policy in properties["Policies"] if isinstance(policy, dict) for statement in policy["Statement"]]
        assert actions == [statement["Action"] for statement in function.allows] or function.name == "index"
    assert not described
