"""AWS managed policies for functions and the services around them (AWS Managed Policy Reference Guide, one page each)."""

from __future__ import annotations

from haneul.auth.policy.managed_policy import ManagedPolicy, actions, allow, creating_linked_roles, managed, passing_roles

_SERVICE_ROLE = "/service-role/"
_WRITE_LOGS = actions("logs", "CreateLogGroup CreateLogStream PutLogEvents")

FUNCTION_POLICIES: tuple[ManagedPolicy, ...] = (
    managed(
        "AWSLambdaBasicExecutionRole",
        "Provides write permissions to CloudWatch Logs.",
        allow(_WRITE_LOGS),
        path=_SERVICE_ROLE,
        created_at="2015-04-09T15:03:43Z",
    ),
    managed(
        "AWSLambdaBasicDurableExecutionRolePolicy",
        "Provides write permissions to CloudWatch Logs and permissions that durable functions need.",
        allow(_WRITE_LOGS, actions("lambda", "CheckpointDurableExecution GetDurableExecutionState")),
        path=_SERVICE_ROLE,
        created_at="2025-12-02T15:04:12Z",
    ),
    managed(
        "AWSLambdaVPCAccessExecutionRole",
        "Provides minimum permissions for a Lambda function to execute while accessing a resource within a VPC - create, describe, delete network "
        "interfaces and write permissions to CloudWatch Logs.",
        allow(
            _WRITE_LOGS,
            actions("ec2", "CreateNetworkInterface DescribeNetworkInterfaces DescribeSubnets DeleteNetworkInterface"),
            actions("ec2", "AssignPrivateIpAddresses UnassignPrivateIpAddresses"),
            sid="AWSLambdaVPCAccessExecutionPermissions",
        ),
        path=_SERVICE_ROLE,
        version_id="v3",
        created_at="2024-01-05T22:38:00Z",
    ),
    managed(
        "AWSLambdaENIManagementAccess",
        "Provides minimum permissions for a Lambda function to manage ENIs (create, describe, delete) used by a VPC-enabled Lambda Function.",
        allow(actions("ec2", "CreateNetworkInterface DescribeNetworkInterfaces DeleteNetworkInterface AssignPrivateIpAddresses UnassignPrivateIpAddresses")),
        path=_SERVICE_ROLE,
        version_id="v2",
        created_at="2020-10-01T20:07:00Z",
    ),
    managed(
        "AWSLambdaDynamoDBExecutionRole",
        "Provides list and read access to DynamoDB streams and write permissions to CloudWatch Logs.",
        allow(actions("dynamodb", "DescribeStream GetRecords GetShardIterator ListStreams"), _WRITE_LOGS),
        path=_SERVICE_ROLE,
        created_at="2015-04-09T15:09:29Z",
    ),
    managed(
        "AWSLambdaInvocation-DynamoDB",
        "Provides read access to DynamoDB Streams.",
        allow("lambda:InvokeFunction"),
        allow(actions("dynamodb", "DescribeStream GetRecords GetShardIterator ListStreams")),
    ),
    managed(
        "AWSLambdaSQSQueueExecutionRole",
        "Provides receive message, delete message, and read attribute access to SQS queues, and write permissions to CloudWatch logs.",
        allow(actions("sqs", "ReceiveMessage DeleteMessage GetQueueAttributes"), _WRITE_LOGS),
        path=_SERVICE_ROLE,
        created_at="2018-06-14T21:50:45Z",
    ),
    managed(
        "AWSLambdaKinesisExecutionRole",
        "Provides list and read access to Kinesis streams and write permissions to CloudWatch logs.",
        allow(
            actions("kinesis", "DescribeStream DescribeStreamSummary GetRecords GetShardIterator ListShards ListStreams SubscribeToShard"),
            _WRITE_LOGS,
        ),
        path=_SERVICE_ROLE,
        version_id="v2",
        created_at="2018-11-19T20:09:24Z",
    ),
    managed(
        "AWSLambdaMSKExecutionRole",
        "Provides permissions required to access MSK Cluster within a VPC, manage ENIs (create, describe, delete) in the VPC and write permissions to "
        "CloudWatch Logs.",
        allow(
            actions("kafka", "DescribeCluster DescribeClusterV2 GetBootstrapBrokers"),
            actions("ec2", "CreateNetworkInterface DescribeNetworkInterfaces DescribeVpcs DeleteNetworkInterface DescribeSubnets DescribeSecurityGroups"),
            _WRITE_LOGS,
        ),
        path=_SERVICE_ROLE,
        version_id="v2",
        created_at="2022-08-02T20:08:02Z",
    ),
    managed(
        "AWSLambdaRole",
        "Default policy for AWS Lambda service role.",
        allow("lambda:InvokeFunction", on=["*"]),
        path=_SERVICE_ROLE,
    ),
    managed(
        "AWSLambdaExecute",
        "Provides Put, Get access to S3 and full access to CloudWatch Logs.",
        allow("logs:*", on="arn:aws:logs:*:*:*"),
        allow(actions("s3", "GetObject PutObject"), on="arn:aws:s3:::*"),
    ),
    managed(
        "AWSXRayDaemonWriteAccess",
        "Allow the AWS X-Ray Daemon to relay raw trace segments data to the service's API and retrieve sampling data (rules, targets, etc.) to be used by the "
        "X-Ray SDK.",
        allow(
            actions("xray", "PutTraceSegments PutTelemetryRecords GetSamplingRules GetSamplingTargets GetSamplingStatisticSummaries"),
            on=["*"],
            sid="AWSXRayDaemonWriteAccess",
        ),
        version_id="v2",
        created_at="2024-02-13T21:58:30Z",
    ),
    managed(
        "AWSLambda_FullAccess",
        "Grants full access to AWS Lambda service, AWS Lambda console features, and other related AWS services.",
        allow(
            actions("cloudformation", "DescribeStacks ListStackResources"),
            actions("cloudwatch", "ListMetrics GetMetricData"),
            actions("ec2", "DescribeSecurityGroups DescribeSubnets DescribeVpcs"),
            actions("kms", "DescribeKey ListAliases"),
            actions("iam", "GetPolicy GetPolicyVersion GetRole GetRolePolicy ListAttachedRolePolicies ListRolePolicies ListRoles"),
            ["lambda:*", "logs:DescribeLogGroups"],
            actions("states", "DescribeStateMachine ListStateMachines"),
            ["tag:GetResources", "xray:GetTraceSummaries", "xray:BatchGetTraces"],
        ),
        passing_roles("lambda.amazonaws.com"),
        allow(actions("logs", "DescribeLogStreams GetLogEvents FilterLogEvents StartLiveTail StopLiveTail"), on="arn:aws:logs:*:*:log-group:/aws/lambda/*"),
        creating_linked_roles("lambda.amazonaws.com", on="arn:aws:iam::*:role/aws-service-role/lambda.amazonaws.com/AWSServiceRoleForLambda"),
        version_id="v5",
        created_at="2026-02-11T22:18:56Z",
    ),
    managed(
        "AWSLambda_ReadOnlyAccess",
        "Grants read-only access to AWS Lambda service, AWS Lambda console features, and other related AWS services.",
        allow(
            actions("cloudformation", "DescribeStacks ListStacks ListStackResources"),
            actions("cloudwatch", "GetMetricData ListMetrics"),
            actions("ec2", "DescribeSecurityGroups DescribeSubnets DescribeVpcs"),
            ["kms:ListAliases"],
            actions("iam", "GetPolicy GetPolicyVersion GetRole GetRolePolicy ListAttachedRolePolicies ListRolePolicies ListRoles"),
            ["logs:DescribeLogGroups", "lambda:Get*", "lambda:List*"],
            actions("states", "DescribeStateMachine ListStateMachines"),
            ["tag:GetResources", "xray:GetTraceSummaries", "xray:BatchGetTraces"],
        ),
        allow(
            actions("logs", "DescribeLogStreams GetLogEvents FilterLogEvents StartQuery StopQuery DescribeQueries GetLogGroupFields GetLogRecord"),
            "logs:GetQueryResults",
            on="arn:aws:logs:*:*:log-group:/aws/lambda/*",
        ),
        version_id="v2",
        created_at="2023-07-27T17:32:05Z",
    ),
    managed(
        "AmazonAPIGatewayAdministrator",
        "Provides full access to create/edit/delete APIs in Amazon API Gateway via the AWS Management Console.",
        allow("apigateway:*", on="arn:aws:apigateway:*::/*"),
        created_at="2015-07-09T17:34:45Z",
    ),
    managed(
        "AmazonAPIGatewayInvokeFullAccess",
        "Provides full access to invoke APIs in Amazon API Gateway.",
        allow(actions("execute-api", "Invoke ManageConnections"), on="arn:aws:execute-api:*:*:*"),
        version_id="v2",
        created_at="2018-12-18T18:25:43Z",
    ),
    managed(
        "AmazonAPIGatewayPushToCloudWatchLogs",
        "Allows API Gateway to push logs to user's account.",
        allow(_WRITE_LOGS, actions("logs", "DescribeLogGroups DescribeLogStreams GetLogEvents FilterLogEvents")),
        path=_SERVICE_ROLE,
        created_at="2015-11-11T23:41:46Z",
    ),
    managed(
        "AWSAppSyncPushToCloudWatchLogs",
        "Allows AppSync to push logs to user's CloudWatch account.",
        allow(_WRITE_LOGS),
        path=_SERVICE_ROLE,
        created_at="2018-04-09T19:38:55Z",
    ),
    managed(
        "AmazonS3ObjectLambdaExecutionRolePolicy",
        "Provides AWS Lambda functions permissions to interact with Amazon S3 Object Lambda. Also grants Lambda permissions to write to CloudWatch Logs.",
        allow(_WRITE_LOGS, "s3-object-lambda:WriteGetObjectResponse"),
        path=_SERVICE_ROLE,
        created_at="2021-08-18T10:22:34Z",
    ),
    managed(
        "AmazonSNSRole",
        "Default policy for Amazon SNS service role.",
        allow(_WRITE_LOGS, actions("logs", "PutMetricFilter PutRetentionPolicy")),
        path=_SERVICE_ROLE,
    ),
)
