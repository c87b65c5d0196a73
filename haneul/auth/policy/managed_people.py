"""AWS managed policies for people: whole accounts, reading, auditing, identities (AWS Managed Policy Reference Guide)."""

from __future__ import annotations

from haneul.auth.policy.managed_policy import ManagedPolicy, actions, allow, managed

_READING = [
    *actions("apigateway", "GET"),
    *actions("cloudformation", "Describe* Detect* Estimate* Get* List*"),
    *actions("cloudfront", "Describe* Get* List*"),
    *actions("cloudwatch", "Describe* GenerateQuery Get* List*"),
    *actions("cognito-identity", "Describe* Get* List* Lookup*"),
    *actions("cognito-idp", "AdminGet* AdminList* Describe* Get* List*"),
    *actions("dynamodb", "BatchGet* Describe* Get* List* PartiQLSelect Query Scan"),
    *actions("ecr", "BatchCheck* BatchGet* Describe* Get* List*"),
    *actions("events", "Describe* List* Test*"),
    *actions("iam", "Generate* Get* List* Simulate*"),
    *actions("kinesis", "Describe* Get* List*"),
    *actions("kms", "Describe* Get* List*"),
    *actions("lambda", "Get* List*"),
    *actions("logs", "Describe* FilterLogEvents Get* ListTagsForResource ListTagsLogGroup StartLiveTail StartQuery StopLiveTail StopQuery TestMetricFilter"),
    *actions("s3", "DescribeJob Get* List*"),
    *actions("scheduler", "Get* List*"),
    *actions("secretsmanager", "Describe* GetResourcePolicy List*"),
    *actions("sns", "Check* Get* List*"),
    *actions("sqs", "Get* List* Receive*"),
    *actions("ssm", "Describe* Get* List*"),
    *actions("states", "Describe* GetExecutionHistory List* ValidateStateMachineDefinition"),
    *actions("sts", "GetAccessKeyInfo GetCallerIdentity GetSessionToken"),
    *actions("tag", "DescribeReportCreation Get*"),
    *actions("xray", "BatchGet* Get*"),
]

_AUDITING = [
    *actions("cloudformation", "DescribeStack* GetStackPolicy GetTemplate ListStack*"),
    *actions("cloudfront", "Get* List*"),
    *actions("cloudwatch", "Describe* GetDashboard ListDashboards ListTagsForResource"),
    *actions("cognito-identity", "Describe* GetIdentityPoolRoles ListIdentityPools ListTagsForResource"),
    *actions("cognito-idp", "Describe* ListDevices ListGroups ListIdentityProviders ListResourceServers ListTagsForResource ListUserImportJobs"),
    *actions("cognito-idp", "ListUserPoolClients ListUserPools ListUsers ListUsersInGroup"),
    *actions("dynamodb", "DescribeContinuousBackups DescribeExport DescribeGlobalTable DescribeKinesisStreamingDestination DescribeTable DescribeTimeToLive"),
    *actions("dynamodb", "ListBackups ListExports ListGlobalTables ListStreams ListTables ListTagsOfResource"),
    *actions("ecr", "BatchGetRepositoryScanningConfiguration DescribeImageScanFindings DescribeImages DescribeRegistry DescribeRepositories"),
    *actions("ecr", "GetLifecyclePolicy GetRegistryPolicy GetRegistryScanningConfiguration GetRepositoryPolicy ListImages ListTagsForResource"),
    *actions("events", "Describe* List* TestEventPattern"),
    *actions("iam", "GenerateCredentialReport GenerateServiceLastAccessedDetails Get* List* SimulateCustomPolicy SimulatePrincipalPolicy"),
    *actions(
        "kinesis", "DescribeLimits DescribeStream DescribeStreamConsumer DescribeStreamSummary ListShards ListStreamConsumers ListStreams ListTagsForStream"
    ),
    *actions("kms", "Describe* Get* List*"),
    *actions("lambda", "GetAccountSettings GetFunctionConfiguration GetFunctionEventInvokeConfig GetLayerVersionPolicy GetPolicy List*"),
    *actions("logs", "Describe* GetLogDelivery ListLogDeliveries ListTagsForResource ListTagsLogGroup"),
    *actions("s3", "GetAccelerateConfiguration GetAccessPoint GetAccessPointPolicy GetAccessPointPolicyStatus GetAccountPublicAccessBlock"),
    *actions("s3", "GetAnalyticsConfiguration GetBucket* GetEncryptionConfiguration GetInventoryConfiguration GetLifecycleConfiguration"),
    *actions("s3", "GetMetricsConfiguration GetMultiRegionAccessPointPolicy GetObjectAcl GetObjectVersionAcl GetReplicationConfiguration"),
    *actions("s3", "ListAccessPoints ListAllMyBuckets ListMultiRegionAccessPoints"),
    *actions("secretsmanager", "DescribeSecret GetResourcePolicy ListSecretVersionIds ListSecrets"),
    *actions("sns", "GetTopicAttributes ListSubscriptions ListSubscriptionsByTopic ListTagsForResource ListTopics"),
    *actions("sqs", "GetQueueAttributes ListDeadLetterSourceQueues ListQueueTags ListQueues"),
]

PEOPLE_POLICIES: tuple[ManagedPolicy, ...] = (
    managed(
        "AdministratorAccess",
        "Provides full access to AWS services and resources.",
        {"Effect": "Allow", "Action": "*", "Resource": "*"},
        created_at="2015-02-06T18:39:46Z",
    ),
    managed(
        "PowerUserAccess",
        "Provides full access to AWS services and resources, but does not allow management of Users and groups.",
        {"Effect": "Allow", "NotAction": ["iam:*", "organizations:*", "account:*"], "Resource": "*"},
        allow(
            actions("account", "GetAccountInformation GetGovCloudAccountInformation GetPrimaryEmail ListRegions"),
            actions("iam", "CreateServiceLinkedRole DeleteServiceLinkedRole ListRoles"),
            actions("organizations", "DescribeEffectivePolicy DescribeOrganization"),
        ),
        version_id="v12",
        created_at="2026-02-12T17:59:14Z",
    ),
    managed("ReadOnlyAccess", "Provides read-only access to AWS services and resources.", allow(_READING), partial=True),
    managed(
        "SecurityAudit",
        "The security audit template grants access to read security configuration metadata. It is useful for software that audits the configuration of an AWS "
        "account.",
        allow(_AUDITING),
        allow(
            "apigateway:GET",
            on=["arn:aws:apigateway:*::/apis", "arn:aws:apigateway:*::/apis/*", "arn:aws:apigateway:*::/restapis", "arn:aws:apigateway:*::/restapis/*"],
        ),
        partial=True,
    ),
    managed(
        "IAMFullAccess",
        "Provides full access to IAM via the AWS Management Console.",
        allow(
            "iam:*",
            actions("organizations", "DescribeAccount DescribeOrganization DescribeOrganizationalUnit DescribePolicy ListChildren ListParents"),
            actions("organizations", "ListPoliciesForTarget ListRoots ListPolicies ListTargetsForPolicy"),
        ),
        version_id="v2",
        created_at="2019-06-21T19:40:00Z",
    ),
    managed(
        "IAMReadOnlyAccess",
        "Provides read only access to IAM via the AWS Management Console.",
        allow(actions("iam", "GenerateCredentialReport GenerateServiceLastAccessedDetails Get* List* SimulateCustomPolicy SimulatePrincipalPolicy")),
        version_id="v4",
        created_at="2018-01-25T19:11:27Z",
    ),
    managed(
        "IAMUserChangePassword",
        "Provides the ability for an IAM user to change their own password.",
        allow("iam:ChangePassword", on=["arn:aws:iam::*:user/${aws:username}"]),
        allow("iam:GetAccountPasswordPolicy"),
        version_id="v2",
        created_at="2016-11-15T23:18:55Z",
    ),
)
