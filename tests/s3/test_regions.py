"""A bucket is in one region: what requests get that were signed for another one, or came to the host of another one."""

from __future__ import annotations

import re
from json import dumps
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.s3.support import fetch
from tests.support.running import Running

HERE, THERE = "eu-west-1", "ap-northeast-2"


@pytest.fixture(scope="module")
def name(cloud: Running) -> str:
    """A bucket in HERE, with an object that everybody may read."""
    made = cloud.client("s3", region=HERE)
    made.create_bucket(Bucket="resident", CreateBucketConfiguration={"LocationConstraint": HERE})
    made.put_object(Bucket="resident", Key="k", Body=b"found")
    made.put_public_access_block(Bucket="resident", PublicAccessBlockConfiguration={"BlockPublicPolicy": False, "RestrictPublicBuckets": False})
    statement = {"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::resident/k"}
    made.put_bucket_policy(Bucket="resident", Policy=dumps({"Version": "2012-10-17", "Statement": [statement]}))
    return "resident"


def ask(cloud: Running, host: str, path: str, region: str, *, query: bool = False) -> tuple[int, dict[str, str], bytes]:
    """GET, signed for a region (unsigned where it is empty), with the given Host."""
    request = AWSRequest("GET", f"http://{host}{path}", headers={"Host": host})
    if region and query:
        S3SigV4QueryAuth(Credentials("test", "test"), "s3", region, 60).add_auth(request)
    elif region:
        S3SigV4Auth(Credentials("test", "test"), "s3", region).add_auth(request)
    return fetch(cloud, "GET", str(request.url), headers=dict(request.headers.items()))


HOSTS = ["localhost", "s3.amazonaws.com", "resident.s3.amazonaws.com", f"s3.{HERE}.amazonaws.com", f"resident.s3.{HERE}.amazonaws.com", f"s3.{THERE}.amazonaws.com"]


@pytest.mark.parametrize("host", HOSTS)
def test_who_signs_for_the_buckets_region_is_served(cloud: Running, name: str, host: str) -> None:
    """Whatever the host: a client that knows one address only goes on working."""
    path = "/k" if host.startswith(name) else f"/{name}/k"
    assert ask(cloud, host, path, HERE)[::2] == (200, b"found")
    assert ask(cloud, host, path, HERE, query=True)[::2] == (200, b"found")


@pytest.mark.parametrize("host", ["localhost", "s3.amazonaws.com", "resident.s3.amazonaws.com", f"s3.{THERE}.amazonaws.com", f"resident.s3-{THERE}.amazonaws.com", f"s3.dualstack.{THERE}.amazonaws.com"])
def test_elsewhere_the_bucket_is_redirected_to(cloud: Running, name: str, host: str) -> None:
    """S3 says where the bucket is, in a header too, so that it can be read off an answer to HEAD."""
    path = "/k" if host.startswith(name) else f"/{name}/k"
    status, headers, body = ask(cloud, host, path, THERE)
    assert status == 301 and headers["x-amz-bucket-region"] == HERE
    assert b"<Code>PermanentRedirect</Code>" in body and b"<Endpoint>resident.s3.eu-west-1.amazonaws.com</Endpoint>" in body and b"<Bucket>resident</Bucket>" in body


@pytest.mark.parametrize(("query", "code"), [(False, "AuthorizationHeaderMalformed"), (True, "AuthorizationQueryParametersError")])
def test_the_right_host_and_the_wrong_signature(cloud: Running, name: str, query: bool, code: str) -> None:
    """There is nowhere to redirect to: the signature is wrong, and S3 says which region it should have been for."""
    for host, path in ((f"s3.{HERE}.amazonaws.com", f"/{name}/k"), (f"{name}.s3.{HERE}.amazonaws.com", "/k")):
        status, _, body = ask(cloud, host, path, THERE, query=query)
        assert status == 400 and re.search(rb"<Code>(\w+)</Code>", body)[1] == code.encode()  # type: ignore[index]
        assert b"the region 'ap-northeast-2' is wrong; expecting 'eu-west-1'" in body and b"<Region>eu-west-1</Region>" in body


def test_without_a_signature_the_host_decides(cloud: Running, name: str) -> None:
    """A public object is served where no region was named, and where the right one was."""
    served = [ask(cloud, host, f"/{name}/k", "")[0] for host in ("localhost", "s3.amazonaws.com", f"s3.{HERE}.amazonaws.com", f"s3.{THERE}.amazonaws.com")]
    assert served == [200, 200, 200, 301]


def test_sdks_follow_both(cloud: Running, name: str) -> None:
    """boto3 signs anew for the region that it is told."""
    client: Any = cloud.client("s3", region=THERE)
    assert client.get_object(Bucket=name, Key="k")["Body"].read() == b"found"
    assert client.head_object(Bucket=name, Key="k")["ContentLength"] == 5
