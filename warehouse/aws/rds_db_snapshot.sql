-- One row per snapshot of a DB instance or DB cluster that the account itself owns: none that others share with it.
-- key: arn
-- resource: id=name state=status created=created_at zone=availability_zone without=snapshot_type:automated
--   attributes=snapshot_type, source_name, source_resource_id, engine, engine_version,
--   allocated_storage_gb, is_encrypted, vpc_id
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- name: Snapshot identifier, unique in its account and region among those of its kind.
-- is_of_cluster: True for the snapshot of a cluster, false for that of an instance.
-- snapshot_type: manual, automated (goes with what it was made of) or awsbackup.
-- source_name: Identifier of the instance or cluster that it was made of, which may be gone or another by now.
-- source_resource_id: Resource id of that instance or cluster: what leads to it without doubt.
-- engine: Database engine.
-- engine_version: Version of the engine.
-- status: State in RDS's own words, such as available.
-- created_at: When it was taken, UTC; NULL while it is being taken.
-- availability_zone: Availability zone of the instance; NULL for that of a cluster.
-- allocated_storage_gb: Size of the storage that it can restore, GiB: what is billed is less, for it is incremental.
-- storage_type: Type of the storage of its source; NULL where RDS gives none.
-- is_encrypted: True when it is encrypted.
-- kms_key_id: Key of the encryption; NULL without.
-- vpc_id: VPC of its source.
-- tags: Tags; an empty map where it has none.
with snapshot as (
    select
        item.DBSnapshotArn as arn,
        region,
        item.DBSnapshotIdentifier as name,
        false as is_of_cluster,
        item.DBInstanceIdentifier as source_name,
        item.DbiResourceId as source_resource_id,
        item.AvailabilityZone as availability_zone,
        item.Encrypted as is_encrypted,
        item.SnapshotType as snapshot_type,
        item.Engine as engine,
        item.EngineVersion as engine_version,
        item.Status as status,
        item.SnapshotCreateTime as created_at,
        item.AllocatedStorage as allocated_storage_gb,
        item.StorageType as storage_type,
        item.KmsKeyId as kms_key_id,
        item.VpcId as vpc_id,
        item.TagList as tag_list,
        cell
    from landing(
            'rds_db_snapshot',
            'STRUCT(
            DBSnapshotArn VARCHAR, DBSnapshotIdentifier VARCHAR, DBInstanceIdentifier VARCHAR, DbiResourceId VARCHAR,
            AvailabilityZone VARCHAR, Encrypted BOOLEAN, SnapshotType VARCHAR, Engine VARCHAR, EngineVersion VARCHAR,
            Status VARCHAR, SnapshotCreateTime TIMESTAMPTZ, AllocatedStorage BIGINT, StorageType VARCHAR,
            KmsKeyId VARCHAR, VpcId VARCHAR, TagList STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
        )'
        )

    union all by name

    select
        item.DBClusterSnapshotArn as arn,
        region,
        item.DBClusterSnapshotIdentifier as name,
        true as is_of_cluster,
        item.DBClusterIdentifier as source_name,
        item.DbClusterResourceId as source_resource_id,
        null as availability_zone,
        item.StorageEncrypted as is_encrypted,
        item.SnapshotType as snapshot_type,
        item.Engine as engine,
        item.EngineVersion as engine_version,
        item.Status as status,
        item.SnapshotCreateTime as created_at,
        item.AllocatedStorage as allocated_storage_gb,
        item.StorageType as storage_type,
        item.KmsKeyId as kms_key_id,
        item.VpcId as vpc_id,
        item.TagList as tag_list,
        cell
    from landing(
            'rds_db_cluster_snapshot',
            'STRUCT(
            DBClusterSnapshotArn VARCHAR, DBClusterSnapshotIdentifier VARCHAR, DBClusterIdentifier VARCHAR,
            DbClusterResourceId VARCHAR, StorageEncrypted BOOLEAN, SnapshotType VARCHAR, Engine VARCHAR,
            EngineVersion VARCHAR, Status VARCHAR, SnapshotCreateTime TIMESTAMPTZ, AllocatedStorage BIGINT,
            StorageType VARCHAR, KmsKeyId VARCHAR, VpcId VARCHAR, TagList STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
        )'
        )
)

select
    arn,
    split_part(arn, ':', 5) as account_id,
    region,
    name,
    is_of_cluster,
    snapshot_type,
    source_name,
    source_resource_id,
    engine,
    engine_version,
    status,
    created_at,
    availability_zone,
    allocated_storage_gb,
    storage_type,
    is_encrypted,
    kms_key_id,
    vpc_id,
    map_from_entries(
        list_transform(coalesce(tag_list, []), lambda tag: { 'k': tag."Key", 'v': tag."Value" })
    ) as tags,
    cell.*
-- Automated ones come and go each day with their database: they are no items of their own (`without` above).
from snapshot
