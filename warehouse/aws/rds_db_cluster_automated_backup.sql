-- One row per automated backup of a cluster: what its point-in-time recovery rests on. It may outlive its cluster.
-- key: arn
-- resource: id=source_resource_id state=status attributes=source_name, source_arn, is_retained, engine, engine_version,
--   allocated_storage_gb, retention_days, is_encrypted
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- source_name: Name of the cluster, which may be gone.
-- source_arn: ARN of the cluster, which may be gone.
-- source_resource_id: Id of the cluster that no later one of its name has.
-- status: active while the cluster is there, retained when it is gone, creating.
-- is_retained: True where it outlived its source, and costs money until its retention ends.
-- engine: Database engine.
-- engine_version: Version of the engine.
-- allocated_storage_gb: Storage of the source, GiB.
-- retention_days: Days for which it is kept.
-- is_encrypted: True where it is encrypted.
-- kms_key_arn: Key that it is encrypted with; NULL where it is not.
-- earliest_restore_at: First moment that it can be restored to, UTC.
-- latest_restore_at: Last moment that it can be restored to, UTC.
-- source_created_at: When the source was made, UTC.
-- name: The same as source_name, as every item has one.
-- tags: Tags; an empty map where it has none.
select
    item.DBClusterAutomatedBackupsArn as arn,
    split_part(item.DBClusterAutomatedBackupsArn, ':', 5) as account_id,
    region,
    item.DBClusterIdentifier as source_name,
    item.DBClusterArn as source_arn,
    item.DbClusterResourceId as source_resource_id,
    item.Status as status,
    item.Status = 'retained' as is_retained,
    item.Engine as engine,
    item.EngineVersion as engine_version,
    item.AllocatedStorage as allocated_storage_gb,
    item.BackupRetentionPeriod as retention_days,
    item.StorageEncrypted as is_encrypted,
    item.KmsKeyId as kms_key_arn,
    item.RestoreWindow.EarliestTime as earliest_restore_at,
    item.RestoreWindow.LatestTime as latest_restore_at,
    item.ClusterCreateTime as source_created_at,
    item.DBClusterIdentifier as name,
    tag_map(item.TagList) as tags,
    cell.*
from landing(
        'rds_db_cluster_automated_backup',
        'STRUCT(
        DBClusterAutomatedBackupsArn VARCHAR, DBClusterIdentifier VARCHAR, DBClusterArn VARCHAR,
        DbClusterResourceId VARCHAR, "Status" VARCHAR, Engine VARCHAR, EngineVersion VARCHAR, AllocatedStorage BIGINT,
        BackupRetentionPeriod BIGINT, StorageEncrypted BOOLEAN, KmsKeyId VARCHAR,
        RestoreWindow STRUCT(EarliestTime TIMESTAMPTZ, LatestTime TIMESTAMPTZ), ClusterCreateTime TIMESTAMPTZ,
        TagList STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
