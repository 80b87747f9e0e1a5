-- One row per DB cluster: of Aurora and RDS Multi-AZ, and of DocumentDB and Neptune, which respond to the same call. Its VPC
-- is that of its members.
-- key: arn
-- resource: id=resource_id state=status created=created_at attributes=engine, engine_version, engine_mode,
--   is_multi_az, is_encrypted, has_deletion_protection, backup_retention_days, endpoint_address,
--   db_subnet_group, security_group_ids, member_names
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- resource_id: Id that no later cluster of the same name has, such as cluster-ABC….
-- name: DB cluster identifier, unique in its account and region.
-- engine: Database engine, such as aurora-postgresql, docdb or neptune.
-- engine_version: Version of the engine.
-- engine_mode: provisioned, serverless, ….
-- instance_class: Class of the instances of an RDS Multi-AZ cluster; NULL for all others.
-- status: State in RDS's own words, such as available or stopped.
-- created_at: When it was created, UTC.
-- availability_zones: Availability zones that its storage lies in.
-- allocated_storage_gb: Storage in GiB; 1 for Aurora, whose storage grows by itself.
-- storage_type: Type of its storage; NULL where RDS gives none.
-- is_multi_az: True when its members stand in several zones.
-- is_encrypted: True when its storage is encrypted.
-- kms_key_id: Key of the encryption; NULL without.
-- has_deletion_protection: True when it cannot be deleted as it is.
-- backup_retention_days: Days that automated backups are kept.
-- endpoint_address: Host name of the writer's endpoint; NULL while it has none.
-- reader_endpoint_address: Host name of the readers' endpoint; NULL while it has none.
-- endpoint_port: Port of its endpoints.
-- db_subnet_group: Name of the subnet group that it lies in.
-- security_group_ids: Ids of its VPC security groups.
-- member_names: Identifiers of the DB instances that are its members; empty for one without an instance.
-- writer_name: Identifier of the member that writes; NULL where none does.
-- restarts_at: When RDS starts it again by itself, UTC; NULL unless it is stopped and RDS reports it.
-- tags: Tags; an empty map where it has none.
select
    item.DBClusterArn as arn,
    split_part(item.DBClusterArn, ':', 5) as account_id,
    region,
    item.DbClusterResourceId as resource_id,
    item.DBClusterIdentifier as name,
    item.Engine as engine,
    item.EngineVersion as engine_version,
    item.EngineMode as engine_mode,
    item.DBClusterInstanceClass as instance_class,
    item.Status as status,
    item.ClusterCreateTime as created_at,
    coalesce(item.AvailabilityZones, []) as availability_zones,
    item.AllocatedStorage as allocated_storage_gb,
    item.StorageType as storage_type,
    item.MultiAZ as is_multi_az,
    item.StorageEncrypted as is_encrypted,
    item.KmsKeyId as kms_key_id,
    item.DeletionProtection as has_deletion_protection,
    item.BackupRetentionPeriod as backup_retention_days,
    item.Endpoint as endpoint_address,
    item.ReaderEndpoint as reader_endpoint_address,
    item.Port as endpoint_port,
    item.DBSubnetGroup as db_subnet_group,
    list_transform(
        coalesce(item.VpcSecurityGroups, []), lambda security_group: security_group.VpcSecurityGroupId
    ) as security_group_ids,
    list_transform(coalesce(item.DBClusterMembers, []), lambda member: member.DBInstanceIdentifier)
        as member_names,
    list_filter(item.DBClusterMembers, lambda member: member.IsClusterWriter)[1].DBInstanceIdentifier
        as writer_name,
    item.AutomaticRestartTime as restarts_at,
    map_from_entries(
        list_transform(coalesce(item.TagList, []), lambda tag: { 'k': tag."Key", 'v': tag."Value" })
    ) as tags,
    cell.*
from landing(
        'rds_db_cluster',
        'STRUCT(
        DBClusterArn VARCHAR, DbClusterResourceId VARCHAR, DBClusterIdentifier VARCHAR, Engine VARCHAR,
        EngineVersion VARCHAR, EngineMode VARCHAR, DBClusterInstanceClass VARCHAR, Status VARCHAR,
        ClusterCreateTime TIMESTAMPTZ, AvailabilityZones VARCHAR[], AllocatedStorage BIGINT, StorageType VARCHAR,
        MultiAZ BOOLEAN, StorageEncrypted BOOLEAN, KmsKeyId VARCHAR, DeletionProtection BOOLEAN,
        BackupRetentionPeriod BIGINT, Endpoint VARCHAR, ReaderEndpoint VARCHAR, Port BIGINT, DBSubnetGroup VARCHAR,
        VpcSecurityGroups STRUCT(VpcSecurityGroupId VARCHAR)[],
        DBClusterMembers STRUCT(DBInstanceIdentifier VARCHAR, IsClusterWriter BOOLEAN)[],
        AutomaticRestartTime TIMESTAMPTZ, TagList STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
