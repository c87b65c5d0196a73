"""Temporary credentials: keys with a token that carries everything, and ends."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from haneul.core.caller import Caller
from haneul.core.ports import SessionKeys
from tests.auth.signature.support import KEY, SECRET, Bench, copy

ROLE = Caller(
    kind="role",
    account="123456789012",
    arn="arn:aws:sts::123456789012:assumed-role/worker/job",
    principal_id="AROAEXAMPLE:job",
    role_arn="arn:aws:iam::123456789012:role/worker",
    session_name="job",
    tags={"team": "blue"},
    transitive_tags=("team",),
)


def credentials_of(keys: SessionKeys, **other: Any) -> Credentials:
    return Credentials(other.get("key", keys.access_key_id), other.get("secret", keys.secret_access_key), other.get("token", keys.session_token))


@pytest.mark.parametrize("service", ["dynamodb", "lambda", "iam", "s3"])
def test_a_session_is_who_it_was_minted_for(bench: Bench, service: str) -> None:
    """Because policies are evaluated for the role, its tags and the session's own policies."""
    keys = bench.sessions.mint(ROLE, 3600, ('{"Statement": []}',), None)
    for request in (bench.sign(service, credentials=credentials_of(keys)), bench.presign(service, credentials=credentials_of(keys))):
        caller = bench.who(request, service).caller
        assert (caller.arn, caller.tags, caller.session_policies, caller.transitive_tags) == (ROLE.arn, {"team": "blue"}, ('{"Statement": []}',), ("team",))
        assert (caller.access_key_id, caller.token_issued_at_ns) == (keys.access_key_id, bench.clock.now())


@pytest.mark.parametrize(
    ("service", "expected"),
    [
        ("dynamodb", ("ExpiredTokenException", 400, "The security token included in the request is expired")),
        ("lambda", ("ExpiredTokenException", 403, "The security token included in the request is expired")),
        ("iam", ("ExpiredToken", 403, "The security token included in the request is expired")),
        ("s3", ("ExpiredToken", 400, "The provided token has expired.")),
    ],
)
def test_a_session_ends_by_the_clouds_clock(bench: Bench, service: str, expected: tuple[str, int, str]) -> None:
    """Because credentials that never end are not temporary; tests move the clock to see them end."""
    keys = bench.sessions.mint(ROLE, 900, (), None)
    bench.move(899)
    assert bench.who(bench.sign(service, credentials=credentials_of(keys)), service).caller.arn == ROLE.arn
    bench.move(1)
    assert bench.refusal(bench.sign(service, credentials=credentials_of(keys)), service) == expected


def test_a_token_of_another_cloud_is_refused(bench: Bench, tmp_path: Path) -> None:
    """Because only this cloud's vault seals its tokens."""
    (tmp_path / "other").mkdir()
    stranger = Bench(tmp_path / "other")
    keys = stranger.sessions.mint(ROLE, 3600, (), None)
    assert bench.refusal(bench.sign("iam", credentials=credentials_of(keys)), "iam")[0] == "InvalidClientTokenId"
    assert bench.refusal(bench.sign("s3", credentials=credentials_of(keys)), "s3")[:2] == ("InvalidToken", 400)


def test_token_and_key_belong_together(bench: Bench) -> None:
    """Because a token for one key must not lend its rights to another."""
    first, second = (bench.sessions.mint(ROLE, 3600, (), None) for _ in range(2))
    bench.who(bench.sign("iam", credentials=credentials_of(second)), "iam")  # It is remembered now.
    cases = [
        (credentials_of(first, token=second.session_token), "InvalidClientTokenId"),
        (credentials_of(first, secret=second.secret_access_key), "SignatureDoesNotMatch"),
        (credentials_of(first, key=second.access_key_id), "InvalidClientTokenId"),
        (Credentials(first.access_key_id, first.secret_access_key), "InvalidClientTokenId"),
        (Credentials(KEY, SECRET, first.session_token), "InvalidClientTokenId"),
    ]
    for credentials, code in cases:
        assert bench.refusal(bench.sign("iam", credentials=credentials), "iam")[0] == code


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(at=st.integers(0, 10_000), change=st.integers(1, 255))
def test_no_byte_of_a_token_can_be_changed(tmp_path_factory: pytest.TempPathFactory, at: int, change: int) -> None:
    """Because the token says whose rights it carries and until when."""
    bench = Bench(tmp_path_factory.mktemp("vault"))
    keys = bench.sessions.mint(ROLE, 3600, (), None)
    raw = bytearray(base64.b64decode(keys.session_token))
    raw[at % len(raw)] ^= change
    forged = credentials_of(keys, token=base64.b64encode(raw).decode())
    assert bench.refusal(bench.sign("iam", credentials=forged), "iam")[0] == "InvalidClientTokenId"


@pytest.mark.parametrize("token", ["x", "é", "====", "AAAA", "A" * 5000, "-_-_"])
def test_nonsense_is_no_token(bench: Bench, token: str) -> None:
    """Because tokens come from outside, and must not break anything."""
    request = bench.sign("iam", credentials=Credentials(KEY, SECRET))
    request.headers["x-amz-security-token"] = token
    assert bench.refusal(copy(request), "iam")[0] == "InvalidClientTokenId"
