"""Invoke, against the pages "Invoke" of the API reference and "Lambda quotas"."""

from __future__ import annotations

import base64
import json

import pytest
from botocore.exceptions import ClientError

from tests.lambda_.build import function, invoke
from tests.support.running import Running


def test_a_function_answers_with_what_its_handler_returns(cloud: Running) -> None:
    """Because that is what a function is."""
    function(cloud, "echo")
    answer = cloud.client("lambda").invoke(FunctionName="echo", Payload=b'{"a": [1, 2]}')
    assert json.loads(answer["Payload"].read()) == {"a": [1, 2]}
    assert answer["StatusCode"] == 200 and answer["ExecutedVersion"] == "$LATEST" and "FunctionError" not in answer
