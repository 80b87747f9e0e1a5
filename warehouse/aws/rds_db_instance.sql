-- One row per DB instance: of Amazon RDS and Aurora, and of DocumentDB and Neptune, which respond to the same call.
-- key: arn
-- resource: id=resource_id state=status created=created_at zone=availability_zone attributes=engine,
--   engine_version, instance_class, allocated_storage_gb, storage_type, is_multi_az, is_encrypted,
--   is_publicly_accessible, has_deletion_protection, backup_retention_days, endpoint_address,
--   db_subnet_group, vpc_id, subnet_ids, security_group_ids, cluster_name
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- resource_id: Id that no later instance of the same name has, such as db-ABC….
-- name: DB instance identifier, unique in its account and region.
-- engine: Database engine, such as postgres, aurora-postgresql, docdb or neptune.
-- engine_version: Version of the engine.
-- instance_class: Class and size, such as db.m6g.large; db.serverless for Aurora Serverless.
-- status: State in RDS's own words, such as available or stopped.
-- created_at: When it was created, UTC; NULL while it is being created.
-- availability_zone: Availability zone; NULL while it is being created.
-- allocated_storage_gb: Storage in GiB; 1 for members of Aurora clusters, whose storage is the cluster's.
-- storage_type: gp2, gp3, io1, io2, standard or aurora.
-- iops: Provisioned I/O operations a second; NULL where none are.
-- is_multi_az: True when a standby stands in another zone.
-- is_encrypted: True when its storage is encrypted.
-- kms_key_id: Key of the encryption; NULL without.
-- is_publicly_accessible: True when its endpoint resolves to a public address.
-- has_deletion_protection: True when it cannot be deleted as it is.
-- backup_retention_days: Days that automated backups are kept; 0 for none.
-- endpoint_address: Host name of its endpoint; NULL while it has none.
-- endpoint_port: Port of its endpoint; NULL while it has none.
-- db_subnet_group: Name of the subnet group that it lies in.
-- vpc_id: VPC of the subnet group.
-- subnet_ids: Ids of the subnets of the subnet group.
-- security_group_ids: Ids of its VPC security groups.
-- cluster_name: Identifier of the cluster that it is a member of; NULL where it is none.
-- replica_source: Identifier or ARN of the instance that it is a read replica of; NULL where it is none.
-- restarts_at: When RDS starts it again by itself, UTC; NULL unless it is stopped and RDS reports it.
-- ca_certificate: Certificate authority that its certificate is signed by, such as rds-ca-rsa2048-g1; NULL where it has none.
-- certificate_valid_until: When its certificate ends, UTC; NULL where RDS does not report it.
-- engine_lifecycle_support: open-source-rds-extended-support where RDS goes over to extended support, which costs extra, by itself; else open-source-rds-extended-support-disabled, NULL where RDS does not report it.
-- tags: Tags; an empty map where it has none.
select
    item.DBInstanceArn as arn,
    split_part(item.DBInstanceArn, ':', 5) as account_id,
    region,
    item.DbiResourceId as resource_id,
    item.DBInstanceIdentifier as name,
    item.Engine as engine,
    item.EngineVersion as engine_version,
    item.DBInstanceClass as instance_class,
    item.DBInstanceStatus as status,
    item.InstanceCreateTime as created_at,
    item.AvailabilityZone as availability_zone,
    item.AllocatedStorage as allocated_storage_gb,
    item.StorageType as storage_type,
    item.Iops as iops,
    item.MultiAZ as is_multi_az,
    item.StorageEncrypted as is_encrypted,
    item.KmsKeyId as kms_key_id,
    item.PubliclyAccessible as is_publicly_accessible,
    item.DeletionProtection as has_deletion_protection,
    item.BackupRetentionPeriod as backup_retention_days,
    item.Endpoint.Address as endpoint_address,
    item.Endpoint.Port as endpoint_port,
    item.DBSubnetGroup.DBSubnetGroupName as db_subnet_group,
    item.DBSubnetGroup.VpcId as vpc_id,
    list_transform(coalesce(item.DBSubnetGroup.Subnets, []), lambda subnet: subnet.SubnetIdentifier)
        as subnet_ids,
    list_transform(
        coalesce(item.VpcSecurityGroups, []), lambda security_group: security_group.VpcSecurityGroupId
    ) as security_group_ids,
    item.DBClusterIdentifier as cluster_name,
    coalesce(item.ReadReplicaSourceDBInstanceIdentifier, item.ReadReplicaSourceDBClusterIdentifier)
        as replica_source,
    item.AutomaticRestartTime as restarts_at,
    coalesce(item.CertificateDetails.CAIdentifier, item.CACertificateIdentifier) as ca_certificate,
    item.CertificateDetails.ValidTill as certificate_valid_until,
    item.EngineLifecycleSupport as engine_lifecycle_support,
    map_from_entries(
        list_transform(coalesce(item.TagList, []), lambda tag: { 'k': tag."Key", 'v': tag."Value" })
    ) as tags,
    cell.*
from landing(
        'rds_db_instance',
        'STRUCT(
        DBInstanceArn VARCHAR, DbiResourceId VARCHAR, DBInstanceIdentifier VARCHAR, Engine VARCHAR,
        EngineVersion VARCHAR, DBInstanceClass VARCHAR, DBInstanceStatus VARCHAR, InstanceCreateTime TIMESTAMPTZ,
        AvailabilityZone VARCHAR, AllocatedStorage BIGINT, StorageType VARCHAR, Iops BIGINT, MultiAZ BOOLEAN,
        StorageEncrypted BOOLEAN, KmsKeyId VARCHAR, PubliclyAccessible BOOLEAN, DeletionProtection BOOLEAN,
        BackupRetentionPeriod BIGINT, Endpoint STRUCT(Address VARCHAR, Port BIGINT),
        DBSubnetGroup STRUCT(
            DBSubnetGroupName VARCHAR, VpcId VARCHAR, Subnets STRUCT(SubnetIdentifier VARCHAR)[]
        ),
        VpcSecurityGroups STRUCT(VpcSecurityGroupId VARCHAR)[], DBClusterIdentifier VARCHAR,
        ReadReplicaSourceDBInstanceIdentifier VARCHAR, ReadReplicaSourceDBClusterIdentifier VARCHAR,
        AutomaticRestartTime TIMESTAMPTZ, CACertificateIdentifier VARCHAR,
        CertificateDetails STRUCT(CAIdentifier VARCHAR, ValidTill TIMESTAMPTZ), EngineLifecycleSupport VARCHAR,
        TagList STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
