"""A disk that is full, seen from outside: errors are answered, nothing is half done, and it goes on when there is room."""

from __future__ import annotations

import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.process.haneul_process import Process

pytestmark = [pytest.mark.process, pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="limits of another process are Linux's")]

_BODY = b"x" * 300_000


@pytest.fixture
def process(tmp_path: Path) -> Iterator[Process]:
    with Process(tmp_path) as running:
        yield running


def limit(process: Process, size: int) -> None:
    """Let no file of the server's grow beyond `size` bytes, as if the disk ended there."""
    _, hard = resource.prlimit(process.popen.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(process.popen.pid, resource.RLIMIT_FSIZE, (size, hard))


def refused(operation: Any, **params: Any) -> bool:
    try:
        operation(**params)
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] == 500, error
        assert error.response["Error"]["Code"] in ("InternalFailure", "InternalError", "InternalServerError"), error
        return True
    return False


def test_a_full_disk(process: Process) -> None:
    """Because disks fill at night: what could not be kept is refused, what was there stays readable, and no restart is needed."""
    s3, sqs = process.client("s3"), process.client("sqs")
    s3.create_bucket(Bucket="files")
    queue = sqs.create_queue(QueueName="q")["QueueUrl"]
    s3.put_object(Bucket="files", Key="before", Body=_BODY)
    sqs.send_message(QueueUrl=queue, MessageBody="before")

    store = max(one.stat().st_size for one in (process.data_dir / "store").iterdir())
    limit(process, store + 60_000)
    sent, refusals = ["before"], 0
    for number in range(400):  # The log's two files have room for some of them, for more the slower this machine is at the moment.
        body = f"{number}:".ljust(20_000, "y")
        if refused(sqs.send_message, QueueUrl=queue, MessageBody=body):
            refusals += 1
        else:
            sent.append(body)
        if refusals > 5:
            break
    assert refusals > 5
    assert refused(s3.put_object, Bucket="files", Key="during", Body=b"x" * 5_000_000)
    assert s3.get_object(Bucket="files", Key="before")["Body"].read() == _BODY

    limit(process, resource.RLIM_INFINITY)
    s3.put_object(Bucket="files", Key="after", Body=_BODY)
    sqs.send_message(QueueUrl=queue, MessageBody="after")
    assert [one["Key"] for one in s3.list_objects_v2(Bucket="files")["Contents"]] == ["after", "before"]
    received: list[str] = []
    while got := sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10, WaitTimeSeconds=0).get("Messages"):
        received += [one["Body"] for one in got]
    assert sorted(received) == sorted([*sent, "after"]), "what was refused must not be there, and the rest must"
    assert process.stop() == 0
    files = [one for one in (process.data_dir / "blobs").rglob("*") if one.is_file()]
    assert len(files) == 2, "the upload that was refused left its file behind"
