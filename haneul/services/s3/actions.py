"""The actions and condition keys that S3 has, for policies of buckets: a policy that names others is refused.

Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3". Most, but not all, are operations by another name.
"""

from __future__ import annotations

_NAMES = """
    AbortMultipartUpload AssociateAccessGrantsIdentityCenter BypassGovernanceRetention CreateAccessGrant CreateAccessGrantsInstance
    CreateAccessGrantsLocation CreateAccessPoint CreateAccessPointForObjectLambda CreateBucket CreateBucketMetadataTableConfiguration CreateJob
    CreateMultiRegionAccessPoint CreateStorageLensGroup DeleteAccessGrant DeleteAccessGrantsInstance DeleteAccessGrantsInstanceResourcePolicy
    DeleteAccessGrantsLocation DeleteAccessPoint DeleteAccessPointForObjectLambda DeleteAccessPointPolicy DeleteAccessPointPolicyForObjectLambda
    DeleteBucket DeleteBucketMetadataTableConfiguration DeleteBucketPolicy DeleteBucketWebsite DeleteJobTagging DeleteMultiRegionAccessPoint DeleteObject
    DeleteObjectAnnotation DeleteObjectTagging DeleteObjectVersion DeleteObjectVersionTagging DeleteStorageLensConfiguration
    DeleteStorageLensConfigurationTagging DeleteStorageLensGroup DescribeJob DescribeMultiRegionAccessPointOperation DissociateAccessGrantsIdentityCenter
    GetAccelerateConfiguration GetAccessGrant GetAccessGrantsInstance GetAccessGrantsInstanceForPrefix GetAccessGrantsInstanceResourcePolicy
    GetAccessGrantsLocation GetAccessPoint GetAccessPointConfigurationForObjectLambda GetAccessPointForObjectLambda GetAccessPointPolicy
    GetAccessPointPolicyForObjectLambda GetAccessPointPolicyStatus GetAccessPointPolicyStatusForObjectLambda GetAccountPublicAccessBlock
    GetAnalyticsConfiguration GetBucketABAC GetBucketAcl GetBucketCORS GetBucketLocation GetBucketLogging GetBucketMetadataTableConfiguration
    GetBucketNotification GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus GetBucketPublicAccessBlock
    GetBucketRequestPayment GetBucketTagging GetBucketVersioning GetBucketWebsite GetDataAccess GetEncryptionConfiguration
    GetIntelligentTieringConfiguration GetInventoryConfiguration GetJobTagging GetLifecycleConfiguration GetMetricsConfiguration GetMultiRegionAccessPoint
    GetMultiRegionAccessPointPolicy GetMultiRegionAccessPointPolicyStatus GetMultiRegionAccessPointRoutes GetObject GetObjectAcl GetObjectAnnotation
    GetObjectAttributes GetObjectLegalHold GetObjectRetention GetObjectTagging GetObjectTorrent GetObjectVersion GetObjectVersionAcl
    GetObjectVersionAttributes GetObjectVersionForReplication GetObjectVersionTagging GetObjectVersionTorrent GetReplicationConfiguration
    GetStorageLensConfiguration GetStorageLensConfigurationTagging GetStorageLensDashboard GetStorageLensGroup InitiateReplication ListAccessGrants
    ListAccessGrantsInstances ListAccessGrantsLocations ListAccessPoints ListAccessPointsForObjectLambda ListAllMyBuckets ListBucket
    ListBucketMultipartUploads ListBucketVersions ListCallerAccessGrants ListJobs ListMultiRegionAccessPoints ListMultipartUploadParts
    ListObjectAnnotations ListStorageLensConfigurations ListStorageLensGroups ListTagsForResource ObjectOwnerOverrideToBucketOwner PauseReplication
    PutAccelerateConfiguration PutAccessGrantsInstanceResourcePolicy PutAccessPointConfigurationForObjectLambda PutAccessPointPolicy
    PutAccessPointPolicyForObjectLambda PutAccessPointPublicAccessBlock PutAccountPublicAccessBlock PutAnalyticsConfiguration PutBucketABAC PutBucketAcl
    PutBucketCORS PutBucketLogging PutBucketNotification PutBucketObjectLockConfiguration PutBucketOwnershipControls PutBucketPolicy
    PutBucketPublicAccessBlock PutBucketRequestPayment PutBucketTagging PutBucketVersioning PutBucketWebsite PutEncryptionConfiguration
    PutIntelligentTieringConfiguration PutInventoryConfiguration PutJobTagging PutLifecycleConfiguration PutMetricsConfiguration
    PutMultiRegionAccessPointPolicy PutObject PutObjectAcl PutObjectAnnotation PutObjectLegalHold PutObjectRetention PutObjectTagging PutObjectVersionAcl
    PutObjectVersionTagging PutReplicationConfiguration PutStorageLensConfiguration PutStorageLensConfigurationTagging ReplicateDelete ReplicateObject
    ReplicateTags RestoreObject SubmitMultiRegionAccessPointRoutes TagResource UntagResource UpdateAccessGrantsLocation
    UpdateBucketMetadataInventoryTableConfiguration UpdateBucketMetadataJournalTableConfiguration UpdateJobPriority UpdateJobStatus UpdateObjectEncryption
    UpdateStorageLensGroup
"""
ACTIONS = frozenset(_NAMES.split())

# What is asked of objects; everything else is asked of buckets.
OBJECT_ACTIONS = frozenset(
    name
    for name in ACTIONS
    if name in ("AbortMultipartUpload", "BypassGovernanceRetention", "ListMultipartUploadParts", "ListObjectAnnotations", "ObjectOwnerOverrideToBucketOwner")
    or name in ("InitiateReplication", "ReplicateDelete", "ReplicateObject", "ReplicateTags", "RestoreObject", "UpdateObjectEncryption")
    or name.startswith(("DeleteObject", "GetObject", "PutObject"))
)
# The parameters of listings are conditions on listings only.
LISTINGS = frozenset({"ListBucket", "ListBucketMultipartUploads", "ListBucketVersions"})
LISTING_KEYS = frozenset({"s3:delimiter", "s3:max-keys", "s3:prefix"})
_KEYS = """
    AccessGrantsInstanceArn AccessPointNetworkOrigin AllAccessRestrictedToLocalZoneGroup authType DataAccessPointAccount DataAccessPointArn delimiter
    destinationRegion ExistingJobOperation ExistingJobPriority if-match if-none-match InventoryAccessibleOptionalFields isReplicationPauseRequest
    JobSuspendedCause LocationConstraint max-keys object-lock-legal-hold object-lock-mode object-lock-remaining-retention-days
    object-lock-retain-until-date ObjectCreationOperation prefix RequestJobOperation RequestJobPriority RequestObjectTagKeys ResourceAccount signatureAge
    signatureversion TlsVersion versionid x-amz-acl x-amz-bucket-namespace x-amz-content-sha256 x-amz-copy-source x-amz-grant-full-control x-amz-grant-read
    x-amz-grant-read-acp x-amz-grant-write x-amz-grant-write-acp x-amz-metadata-directive x-amz-object-ownership x-amz-server-side-encryption
    x-amz-server-side-encryption-aws-kms-key-id x-amz-server-side-encryption-customer-algorithm x-amz-storage-class x-amz-website-redirect-location
"""
_CONDITION_KEYS = frozenset(f"s3:{name.lower()}" for name in _KEYS.split())
_TAG_KEYS = ("s3:accesspointtag/", "s3:buckettag/", "s3:existingobjecttag/", "s3:requestobjecttag/")


def is_condition_key(key: str) -> bool:
    """Whether a policy may name this condition key. Global keys and those of other services are not looked at: S3 takes any."""
    lowered = key.lower()
    prefix, colon, _ = lowered.partition(":")
    if not colon:
        return False
    return prefix != "s3" or lowered in _CONDITION_KEYS or any(lowered.startswith(one) and len(lowered) > len(one) for one in _TAG_KEYS)
