"""Actions that the policies of tables and of streams may name (Service Authorization Reference, "Actions, resources, and condition keys for Amazon DynamoDB")."""

from __future__ import annotations

TABLE_ACTIONS = (
    *("AssociateTableReplica", "BatchGetItem", "BatchWriteItem", "ConditionCheckItem", "CreateBackup", "CreateTable", "CreateTableReplica", "DeleteItem"),
    *("DeleteResourcePolicy", "DeleteTable", "DeleteTableReplica", "DescribeContinuousBackups", "DescribeContributorInsights", "DescribeGlobalTable"),
    *("DescribeGlobalTableSettings", "DescribeKinesisStreamingDestination", "DescribeTable", "DescribeTableReplicaAutoScaling", "DescribeTimeToLive"),
    *("DisableKinesisStreamingDestination", "EnableKinesisStreamingDestination", "ExportTableToPointInTime", "GetItem", "GetResourcePolicy", "ImportTable"),
    *("ListTagsOfResource", "PartiQLDelete", "PartiQLInsert", "PartiQLSelect", "PartiQLUpdate", "PutItem", "PutResourcePolicy", "Query"),
    *("ReadDataForReplication", "ReplicateSettings", "RestoreTableFromAwsBackup", "RestoreTableFromBackup", "RestoreTableToPointInTime", "Scan"),
    *("StartAwsBackupJob", "TagResource", "UntagResource", "UpdateContinuousBackups", "UpdateContributorInsights", "UpdateGlobalTable"),
    *("UpdateGlobalTableSettings", "UpdateGlobalTableVersion", "UpdateItem", "UpdateKinesisStreamingDestination", "UpdateTable", "UpdateTableReplicaAutoScaling"),
    *("UpdateTimeToLive", "WriteDataForReplication"),
)
STREAM_ACTIONS = ("DeleteResourcePolicy", "DescribeStream", "GetRecords", "GetResourcePolicy", "GetShardIterator", "PutResourcePolicy")
