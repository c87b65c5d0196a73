"""Who may write and read logs. A function logs as its role: without the permission there is no log."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from haneul.services.iam.service import Iam
from haneul.services.logs.service import Logs
from haneul.services.sts.service import Sts
from tests.logs.support import error_of, make_stream, messages, now_ms, put
from tests.support.running import Running


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with Running(services=[Logs, Iam, Sts]) as running:
        yield running


def client_of(cloud, name, *statements):
    """A client for a new user with these statements."""
    iam = cloud.client("iam")
    iam.create_user(UserName=name)
    if statements:
        iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": list(statements)}))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    return cloud.client("logs", key=key["AccessKeyId"], secret=key["SecretAccessKey"])


def test_nobody_may_without_a_policy(cloud):
    """The denial names the stream that was meant."""
    client = client_of(cloud, "nobody")
    code, message = error_of(client.put_log_events, logGroupName="/g", logStreamName="s", logEvents=[{"timestamp": now_ms(cloud), "message": "x"}])
    assert code == "AccessDeniedException"
    assert message == (
        "User: arn:aws:iam::000000000000:user/nobody is not authorized to perform: logs:PutLogEvents on resource: "
        "arn:aws:logs:us-east-1:000000000000:log-group:/g:log-stream:s because no identity-based policy allows the logs:PutLogEvents action"
    )
    code, message = error_of(client.describe_log_groups)
    assert "arn:aws:logs:us-east-1:000000000000:log-group::log-stream:" in message


def test_the_policies_that_people_write(cloud):
    """`log-group:NAME:*` covers the group's streams and the group itself, and no other group."""
    resource = "arn:aws:logs:us-east-1:000000000000:log-group:/mine:*"
    actions = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:FilterLogEvents", "logs:GetLogEvents"]
    client = client_of(cloud, "writer", {"Effect": "Allow", "Action": actions, "Resource": resource})
    make_stream(client, "/mine")
    put(client, "/mine", "s", (now_ms(cloud), "hello"))
    assert messages(client.filter_log_events(logGroupName="/mine")) == ["hello"]
    assert messages(client.get_log_events(logGroupName="/mine", logStreamName="s")) == ["hello"]
    assert error_of(client.create_log_group, logGroupName="/mine2")[0] == "AccessDeniedException"
    assert error_of(client.delete_log_group, logGroupName="/mine")[0] == "AccessDeniedException"


def test_tagging_is_about_the_group_alone(cloud):
    """Tag permissions are checked on the ARN without the asterisk."""
    cloud.client("logs").create_log_group(logGroupName="/tagged")
    arn = "arn:aws:logs:us-east-1:000000000000:log-group:/tagged"
    client = client_of(cloud, "tagger", {"Effect": "Allow", "Action": "logs:TagResource", "Resource": arn})
    client.tag_resource(resourceArn=arn, tags={"a": "b"})
    assert error_of(client.list_tags_for_resource, resourceArn=arn)[0] == "AccessDeniedException"


def test_unmasking_takes_a_permission_of_its_own(cloud: Running) -> None:
    """Though nothing is masked here: who may not unmask is refused on AWS, whatever the group's data protection says."""
    logs = cloud.client("logs")
    logs.create_log_group(logGroupName="/masked")
    logs.create_log_stream(logGroupName="/masked", logStreamName="s")
    reader = client_of(cloud, "reader", {"Effect": "Allow", "Action": ["logs:GetLogEvents", "logs:FilterLogEvents"], "Resource": "*"})
    for call, place in ((reader.get_log_events, {"logGroupName": "/masked", "logStreamName": "s"}), (reader.filter_log_events, {"logGroupName": "/masked"})):
        assert call(**place)["events"] == []
        code, message = error_of(call, **place, unmask=True)[:2]
        assert code == "AccessDeniedException" and "logs:Unmask" in message
    assert logs.get_log_events(logGroupName="/masked", logStreamName="s", unmask=True)["events"] == []
