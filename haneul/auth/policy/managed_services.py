"""AWS managed policies for the use of single services (AWS Managed Policy Reference Guide, one page each)."""

from __future__ import annotations

from haneul.auth.policy.managed_policy import ManagedPolicy, actions, allow, creating_linked_roles, managed, passing_roles

_SCALING_READS = "DescribeScalableTargets DescribeScalingActivities DescribeScalingPolicies"
_ALARM_READS = "DescribeAlarmHistory DescribeAlarms DescribeAlarmsForMetric GetMetricStatistics ListMetrics GetMetricData"
_PIPELINE_READS = "DescribeObjects DescribePipelines GetPipelineDefinition ListPipelines QueryObjects"
_NETWORK_READS = "DescribeVpcs DescribeSubnets DescribeSecurityGroups"
_GROUP_READS = "ListGroups ListGroupResources GetGroup GetGroupQuery"
_STREAM_READS = "ListStreams DescribeStream DescribeStreamSummary"
_INSIGHTS = "arn:aws:cloudwatch:*:*:insight-rule/DynamoDBContributorInsights*"
_PULL_IMAGES = (
    "GetAuthorizationToken BatchCheckLayerAvailability GetDownloadUrlForLayer GetRepositoryPolicy DescribeRepositories ListImages DescribeImages "
    "BatchGetImage GetLifecyclePolicy GetLifecyclePolicyPreview ListTagsForResource DescribeImageScanFindings"
)

SERVICE_POLICIES: tuple[ManagedPolicy, ...] = (
    managed(
        "AmazonDynamoDBFullAccess",
        "Provides full access to Amazon DynamoDB via the AWS Management Console.",
        allow(
            ["dynamodb:*", "dax:*"],
            actions("application-autoscaling", "DeleteScalingPolicy DeregisterScalableTarget PutScalingPolicy RegisterScalableTarget " + _SCALING_READS),
            actions("cloudwatch", "DeleteAlarms PutMetricAlarm " + _ALARM_READS),
            actions("datapipeline", "ActivatePipeline CreatePipeline DeletePipeline PutPipelineDefinition " + _PIPELINE_READS),
            actions("ec2", _NETWORK_READS),
            actions("iam", "GetRole ListRoles"),
            actions("kms", "DescribeKey ListAliases"),
            actions("sns", "CreateTopic DeleteTopic ListSubscriptions ListSubscriptionsByTopic ListTopics Subscribe Unsubscribe SetTopicAttributes"),
            actions("lambda", "CreateFunction ListFunctions ListEventSourceMappings CreateEventSourceMapping DeleteEventSourceMapping"),
            actions("lambda", "GetFunctionConfiguration DeleteFunction"),
            actions("resource-groups", "DeleteGroup CreateGroup " + _GROUP_READS),
            "tag:GetResources",
            actions("kinesis", _STREAM_READS),
        ),
        allow("cloudwatch:GetInsightRuleReport", on=_INSIGHTS),
        passing_roles("application-autoscaling.amazonaws.com", "application-autoscaling.amazonaws.com.cn", "dax.amazonaws.com", operator="StringLike"),
        creating_linked_roles(
            "replication.dynamodb.amazonaws.com",
            "dax.amazonaws.com",
            "dynamodb.application-autoscaling.amazonaws.com",
            "contributorinsights.dynamodb.amazonaws.com",
            "kinesisreplication.dynamodb.amazonaws.com",
        ),
        version_id="v15",
        created_at="2021-01-29T17:38:30Z",
    ),
    managed(
        "AmazonDynamoDBReadOnlyAccess",
        "Provides read only access to Amazon DynamoDB via the AWS Management Console.",
        allow(
            actions("application-autoscaling", _SCALING_READS),
            actions("cloudwatch", _ALARM_READS),
            actions("datapipeline", _PIPELINE_READS),
            actions("dynamodb", "BatchGetItem Describe* List* GetItem GetResourcePolicy Query Scan PartiQLSelect"),
            actions("dax", "Describe* List* GetItem BatchGetItem Query Scan"),
            actions("ec2", _NETWORK_READS),
            actions("iam", "GetRole ListRoles"),
            actions("kms", "DescribeKey ListAliases"),
            actions("sns", "ListSubscriptionsByTopic ListTopics"),
            actions("lambda", "ListFunctions ListEventSourceMappings GetFunctionConfiguration"),
            actions("resource-groups", _GROUP_READS),
            "tag:GetResources",
            actions("kinesis", _STREAM_READS),
            sid="GeneralReadOnlyAccess",
        ),
        allow("cloudwatch:GetInsightRuleReport", on=_INSIGHTS, sid="CCIAccess"),
        version_id="v14",
        created_at="2024-03-20T15:45:01Z",
    ),
    managed(
        "AmazonS3FullAccess",
        "Provides full access to all buckets via the AWS Management Console.",
        allow("s3:*", "s3-object-lambda:*"),
        version_id="v2",
        created_at="2021-09-27T20:16:37Z",
    ),
    managed(
        "AmazonS3ReadOnlyAccess",
        "Provides read only access to all buckets via the AWS Management Console.",
        allow(actions("s3", "Get* List* Describe*"), actions("s3-object-lambda", "Get* List*")),
        version_id="v3",
        created_at="2023-08-10T21:31:39Z",
    ),
    managed("AmazonSQSFullAccess", "Provides full access to Amazon SQS via the AWS Management Console.", allow("sqs:*")),
    managed(
        "AmazonSQSReadOnlyAccess",
        "Provides read only access to Amazon SQS via the AWS Management Console.",
        allow(actions("sqs", "GetQueueAttributes GetQueueUrl ListDeadLetterSourceQueues ListQueues ListMessageMoveTasks")),
        version_id="v3",
        created_at="2023-06-15T15:37:35Z",
    ),
    managed("AmazonSNSFullAccess", "Provides full access to Amazon SNS via the AWS Management Console.", allow("sns:*")),
    managed(
        "AmazonSNSReadOnlyAccess",
        "Provides read only access to Amazon SNS via the AWS Management Console.",
        allow(actions("sns", "GetTopicAttributes List*")),
    ),
    managed(
        "CloudWatchLogsFullAccess",
        "Provides full access to CloudWatch Logs",
        allow("logs:*", actions("cloudwatch", "GenerateQuery GenerateQueryResultsSummary"), sid="CloudWatchLogsFullAccess"),
        version_id="v3",
        created_at="2025-05-20T17:07:06Z",
    ),
    managed(
        "CloudWatchLogsReadOnlyAccess",
        "Provides read only access to CloudWatch Logs",
        allow(
            actions("logs", "Describe* Get* List* StartQuery StopQuery TestMetricFilter FilterLogEvents StartLiveTail StopLiveTail"),
            "cloudwatch:GenerateQuery",
            sid="CloudWatchLogsReadOnlyAccess",
        ),
        version_id="v6",
        created_at="2023-11-26T18:11:33Z",
    ),
    managed(
        "CloudWatchFullAccess",
        "Provides full access to CloudWatch.",
        allow("autoscaling:Describe*", "cloudwatch:*", "logs:*", "sns:*", actions("iam", "GetPolicy GetPolicyVersion GetRole"), "oam:ListSinks"),
        creating_linked_roles(
            "events.amazonaws.com",
            operator="StringLike",
            on="arn:aws:iam::*:role/aws-service-role/events.amazonaws.com/AWSServiceRoleForCloudWatchEvents*",
        ),
        allow("oam:ListAttachedLinks", on="arn:aws:oam:*:*:sink/*"),
        version_id="v4",
        created_at="2022-11-27T13:23:49Z",
    ),
    managed(
        "CloudWatchReadOnlyAccess",
        "Provides read only access to CloudWatch.",
        allow(
            "application-autoscaling:DescribeScalingPolicies",
            "autoscaling:Describe*",
            actions("cloudwatch", "BatchGet* Describe* GenerateQuery Get* List*"),
            actions("logs", "Get* List* StartQuery StopQuery Describe* TestMetricFilter FilterLogEvents StartLiveTail StopLiveTail"),
            "oam:ListSinks",
            actions("sns", "Get* List*"),
            actions("xray", "BatchGet* Get* List* StartTraceRetrieval CancelTraceRetrieval"),
            sid="CloudWatchReadOnlyAccessPermissions",
        ),
        allow("oam:ListAttachedLinks", on="arn:aws:oam:*:*:sink/*", sid="OAMReadPermissions"),
        version_id="v14",
        created_at="2025-12-02T16:49:09Z",
        partial=True,
    ),
    managed(
        "AWSApplicationAutoscalingDynamoDBTablePolicy",
        "Policy granting permissions to Application Auto Scaling to access DynamoDB and CloudWatch.",
        allow(actions("dynamodb", "DescribeTable UpdateTable"), actions("cloudwatch", "PutMetricAlarm DescribeAlarms DeleteAlarms")),
        path="/aws-service-role/",
        created_at="2017-10-20T21:34:57Z",
    ),
    managed(
        "AWSApplicationAutoscalingLambdaConcurrencyPolicy",
        "Policy granting permissions to Application Auto Scaling to access Lambda and CloudWatch.",
        allow(
            actions("lambda", "PutProvisionedConcurrencyConfig GetProvisionedConcurrencyConfig DeleteProvisionedConcurrencyConfig"),
            actions("cloudwatch", "PutMetricAlarm DescribeAlarms DeleteAlarms"),
        ),
        path="/aws-service-role/",
        created_at="2019-10-21T20:04:14Z",
    ),
    managed(
        "AmazonCognitoPowerUser",
        "Provides administrative access to existing Amazon Cognito resources.",
        allow(
            ["cognito-identity:*", "cognito-idp:*", "cognito-sync:*"],
            actions("iam", "ListRoles ListOpenIdConnectProviders GetRole ListSAMLProviders GetSAMLProvider"),
            ["kinesis:ListStreams", "lambda:GetPolicy", "lambda:ListFunctions"],
            actions("sns", "GetSMSSandboxAccountStatus ListPlatformApplications"),
            actions("ses", "ListIdentities GetIdentityVerificationAttributes"),
            ["mobiletargeting:GetApps", "acm:ListCertificates", "sms-voice:DescribeAccountAttributes"],
        ),
        creating_linked_roles("cognito-idp.amazonaws.com", "email.cognito-idp.amazonaws.com"),
        allow(
            actions("iam", "DeleteServiceLinkedRole GetServiceLinkedRoleDeletionStatus"),
            on=[
                "arn:aws:iam::*:role/aws-service-role/cognito-idp.amazonaws.com/AWSServiceRoleForAmazonCognitoIdp*",
                "arn:aws:iam::*:role/aws-service-role/email.cognito-idp.amazonaws.com/AWSServiceRoleForAmazonCognitoIdpEmail*",
            ],
        ),
        version_id="v8",
        created_at="2026-02-11T22:19:03Z",
    ),
    managed(
        "AmazonCognitoReadOnly",
        "Provides read only access to Amazon Cognito resources.",
        allow(
            actions("cognito-identity", "Describe* Get* List*"),
            actions("cognito-idp", "Describe* AdminGet* AdminList* List* Get*"),
            actions("cognito-sync", "Describe* Get* List*"),
            actions("iam", "ListOpenIdConnectProviders ListRoles"),
            "sns:ListPlatformApplications",
        ),
        version_id="v4",
        created_at="2019-08-01T19:21:04Z",
    ),
    managed(
        "AmazonEC2ContainerRegistryFullAccess",
        "Provides administrative access to Amazon ECR resources",
        allow("ecr:*", "cloudtrail:LookupEvents"),
        creating_linked_roles("replication.ecr.amazonaws.com"),
        version_id="v3",
        created_at="2020-12-05T00:04:19Z",
    ),
    managed(
        "AmazonEC2ContainerRegistryPowerUser",
        "Provides full access to Amazon EC2 Container Registry repositories, but does not allow repository deletion or policy changes.",
        allow(actions("ecr", _PULL_IMAGES + " InitiateLayerUpload UploadLayerPart CompleteLayerUpload PutImage")),
        version_id="v3",
        created_at="2019-12-10T20:48:08Z",
    ),
    managed(
        "AmazonEC2ContainerRegistryReadOnly",
        "Provides read-only access to Amazon EC2 Container Registry repositories.",
        allow(actions("ecr", _PULL_IMAGES)),
        version_id="v3",
        created_at="2019-12-10T20:56:32Z",
    ),
    managed(
        "CloudFrontFullAccess",
        "Provides full access to the CloudFront console plus the ability to list Amazon S3 buckets via the AWS Management Console.",
        allow("s3:ListAllMyBuckets", on="arn:aws:s3:::*", sid="cfflistbuckets"),
        allow(
            ["acm:ListCertificates", "cloudfront:*", "cloudfront-keyvaluestore:*", "iam:ListServerCertificates"],
            ["waf:ListWebACLs", "waf:GetWebACL", "wafv2:ListWebACLs", "wafv2:GetWebACL", "kinesis:ListStreams"],
            sid="cffullaccess",
        ),
        allow("kinesis:DescribeStream", on="arn:aws:kinesis:*:*:*", sid="cffdescribestream"),
        allow("iam:ListRoles", on="arn:aws:iam::*:*", sid="cfflistroles"),
        version_id="v7",
        created_at="2024-01-04T16:56:08Z",
    ),
    managed("AmazonKinesisFullAccess", "Provides full access to all streams via the AWS Management Console.", allow("kinesis:*")),
    managed(
        "AmazonKinesisReadOnlyAccess",
        "Provides read only access to all streams via the AWS Management Console.",
        allow(actions("kinesis", "Get* List* Describe*")),
    ),
    managed("AmazonSSMReadOnlyAccess", "Provides read only access to Amazon SSM.", allow(actions("ssm", "Describe* Get* List*"))),
)
