"""A product provider in an account of its own, and what it hears of its delegation requests."""

from __future__ import annotations

import itertools
import json
from typing import Any

from tests.iam.identities import Statement, policy
from tests.support.running import REGION, Running

PROVIDER = "111111111111"
_numbers = itertools.count(1)


def template(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def parameter(name: str, *values: str, kind: str = "string") -> dict[str, Any]:
    return {"Name": name, "Values": list(values), "Type": kind}


class Provider:
    """Its topic lets IAM publish, and a queue is subscribed to it."""

    def __init__(self, cloud: Running, account: str = PROVIDER) -> None:
        self.cloud, self.account = cloud, account
        self.iam, self.sns, self.sqs, self.sts = (cloud.client(service, key=account, secret="test") for service in ("iam", "sns", "sqs", "sts"))
        self.topic = self.sns.create_topic(Name="notices")["TopicArn"]
        self.open_topic({"Service": "iam.amazonaws.com"})
        self.queue = self.sqs.create_queue(QueueName="notices")["QueueUrl"]
        queue_arn = f"arn:aws:sqs:{REGION}:{account}:notices"
        allowed: Statement = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}, "Action": "sqs:SendMessage", "Resource": queue_arn}
        self.sqs.set_queue_attributes(QueueUrl=self.queue, Attributes={"Policy": policy(allowed)})
        self.sns.subscribe(TopicArn=self.topic, Protocol="sqs", Endpoint=queue_arn)

    def open_topic(self, principal: dict[str, str]) -> None:
        """Let only this principal publish to the topic."""
        statement: Statement = {"Effect": "Allow", "Principal": principal, "Action": "SNS:Publish", "Resource": self.topic}
        self.sns.set_topic_attributes(TopicArn=self.topic, AttributeName="Policy", AttributeValue=policy(statement))

    def template(self, *statements: dict[str, Any]) -> str:
        """The ARN of a new template."""
        made = self.iam.create_policy(PolicyName=f"T{next(_numbers)}", Path="/delegation-template/", PolicyDocument=template(*statements))
        arn: str = made["Policy"]["Arn"]
        return arn

    def params(self, *statements: dict[str, Any], **more: Any) -> dict[str, Any]:
        """Parameters of CreateDelegationRequest for a template of these statements."""
        number = next(_numbers)
        permissions: dict[str, Any] = {"PolicyTemplateArn": more.pop("PolicyTemplateArn", None) or self.template(*statements)}
        if "Parameters" in more:
            permissions["Parameters"] = more.pop("Parameters")
        given = {"Description": "to set things up", "Permissions": permissions, "RequestorWorkflowId": f"workflow-{number}"}
        return given | {"NotificationChannel": self.topic, "SessionDuration": 7200} | more

    def request(self, *statements: dict[str, Any], **more: Any) -> str:
        """The id of a new delegation request."""
        made: str = self.iam.create_delegation_request(**self.params(*statements, **more))["DelegationRequestId"]
        return made

    def notices(self) -> list[dict[str, Any]]:
        """The messages that have come since the last time, in any order."""
        self.cloud.settle()
        found = []
        while messages := self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                self.sqs.delete_message(QueueUrl=self.queue, ReceiptHandle=message["ReceiptHandle"])
                found.append(json.loads(json.loads(message["Body"])["Message"]))
        return found

    def token(self) -> str:
        """The trade-in token that has come."""
        (token,) = [notice["ExchangeToken"] for notice in self.notices() if notice["Type"] == "ExchangeToken"]
        return str(token)
