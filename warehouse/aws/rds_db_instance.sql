-- One row per DB instance: of Amazon RDS and Aurora, and of DocumentDB and Neptune, which respond to the same call.
-- key: arn
-- resource: id=resource_id state=status created=created_at zone=availability_zone attributes=engine,
--   engine_version, instance_class, allocated_storage_gb, storage_type, is_multi_az, is_encrypted,
--   is_publicly_accessible, has_deletion_protection, backup_retention_days, endpoint_address,
--   db_subnet_group, vpc_id, subnet_ids, security_group_ids, cluster_name, kms_key_id, iops,
--   storage_throughput_mibps, max_allocated_storage_gb, license_model, ca_certificate, network_type,
--   master_user_secret_arn, has_iam_authentication, has_auto_minor_version_upgrade, has_tags_on_snapshots,
--   maintenance_window, backup_window, parameter_group_names, option_group_names, log_exports,
--   has_performance_insights, monitoring_interval_seconds
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
-- storage_throughput_mibps: Provisioned throughput, MiB/s; NULL where none is.
-- max_allocated_storage_gb: Size that its storage may grow to by itself, GiB; NULL where it does not.
-- character_set: Character set that it was made with; NULL where the engine has none.
-- timezone: Time zone of its SQL Server; NULL for other engines.
-- db_capacity_reservation_id: Capacity reservation that it runs in; NULL where in none.
-- license_model: Licence, such as license-included, bring-your-own-license or postgresql-license.
-- cpu_core_count: Processor cores, where people chose how many; NULL where the class decides.
-- threads_per_core: Threads of each core, where people chose; NULL where the class decides.
-- is_multi_az: True when a standby stands in another zone.
-- secondary_availability_zone: Availability zone of the standby; NULL where there is none.
-- is_encrypted: True when its storage is encrypted.
-- encryption_type: sse-kms (a key of the account), sse-rds (one of RDS) or none; NULL where RDS does not report it.
-- kms_key_id: Key of the encryption; NULL without.
-- database_name: Database that it was made with; NULL where none was.
-- master_username: Name of the master user.
-- master_user_secret_arn: Secret of Secrets Manager that RDS keeps the master user's password in; NULL where RDS does not keep it.
-- has_iam_authentication: True where users may sign in by IAM.
-- role_arns: IAM roles that it uses, such as for import from S3.
-- domain_ids: Directories that its users sign in by; empty where by none.
-- is_publicly_accessible: True when its endpoint resolves to a public address.
-- has_deletion_protection: True when it cannot be deleted as it is.
-- backup_retention_days: Days that automated backups are kept; 0 for none.
-- backup_window: When automated backups are made, UTC, such as 03:00-03:30.
-- latest_restorable_at: The latest time that its backups can restore, UTC; NULL where RDS does not report it.
-- has_tags_on_snapshots: True where its snapshots get its tags.
-- maintenance_window: When it is maintained, UTC, such as sun:05:00-sun:06:00.
-- has_auto_minor_version_upgrade: True where RDS installs minor versions of the engine by itself.
-- pending_changes: Settings that wait for the maintenance window or a reboot, by AWS's names, JSON; NULL where none does but perhaps a new password, which is not kept.
-- is_reboot_pending: True where a changed parameter group waits for a reboot; NULL where it has no parameter group.
-- parameter_group_names: Its parameter groups.
-- option_group_names: Its option groups.
-- log_exports: Kinds of logs that it sends to CloudWatch Logs.
-- has_performance_insights: True where Performance Insights is on; NULL where the engine has none.
-- performance_insights_retention_days: Days that Performance Insights keeps; NULL where it is off.
-- performance_insights_kms_key_id: Key that encrypts them; NULL where it is off.
-- database_insights_mode: standard or advanced; NULL where RDS reports none.
-- monitoring_interval_seconds: Seconds between values of enhanced monitoring; 0 where it is off.
-- monitoring_role_arn: IAM role that writes them; NULL where it is off.
-- activity_stream_status: Of its database activity stream: stopped, starting, started or stopping; NULL where RDS reports none.
-- network_type: IPV4 or DUAL (IPv6 as well); NULL where RDS reports none.
-- endpoint_address: Host name of its endpoint; NULL while it has none.
-- endpoint_port: Port of its endpoint; NULL while it has none.
-- db_subnet_group: Name of the subnet group that it lies in.
-- vpc_id: VPC of the subnet group.
-- subnet_ids: Ids of the subnets of the subnet group.
-- security_group_ids: Ids of its VPC security groups.
-- cluster_name: Identifier of the cluster that it is a member of; NULL where it is none.
-- promotion_tier: Order in which the cluster's readers take over, 0 first; NULL outside Aurora.
-- replica_names: Identifiers or ARNs of its read replicas.
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
    nullif(item.StorageThroughput, 0) as storage_throughput_mibps,
    item.MaxAllocatedStorage as max_allocated_storage_gb,
    item.CharacterSetName as character_set,
    item.Timezone as timezone,
    item.DBCapacityReservationIdentifier as db_capacity_reservation_id,
    item.LicenseModel as license_model,
    try_cast(
        list_filter(item.ProcessorFeatures, lambda chosen: chosen."Name" = 'coreCount')[1]."Value" as bigint
    ) as cpu_core_count,
    try_cast(
        list_filter(item.ProcessorFeatures, lambda chosen: chosen."Name" = 'threadsPerCore')[1]."Value"
        as bigint
    ) as threads_per_core,
    item.MultiAZ as is_multi_az,
    item.SecondaryAvailabilityZone as secondary_availability_zone,
    item.StorageEncrypted as is_encrypted,
    item.StorageEncryptionType as encryption_type,
    item.KmsKeyId as kms_key_id,
    item.DBName as database_name,
    item.MasterUsername as master_username,
    item.MasterUserSecret.SecretArn as master_user_secret_arn,
    item.IAMDatabaseAuthenticationEnabled as has_iam_authentication,
    list_transform(coalesce(item.AssociatedRoles, []), lambda held: held.RoleArn) as role_arns,
    list_transform(coalesce(item.DomainMemberships, []), lambda joined: joined."Domain") as domain_ids,
    item.PubliclyAccessible as is_publicly_accessible,
    item.DeletionProtection as has_deletion_protection,
    item.BackupRetentionPeriod as backup_retention_days,
    item.PreferredBackupWindow as backup_window,
    item.LatestRestorableTime as latest_restorable_at,
    item.CopyTagsToSnapshot as has_tags_on_snapshots,
    item.PreferredMaintenanceWindow as maintenance_window,
    item.AutoMinorVersionUpgrade as has_auto_minor_version_upgrade,
    nullif(item.PendingModifiedValues::varchar, '{}')::json as pending_changes,
    list_bool_or(
        list_transform(
            item.DBParameterGroups, lambda parameters: parameters.ParameterApplyStatus = 'pending-reboot'
        )
    ) as is_reboot_pending,
    list_transform(coalesce(item.DBParameterGroups, []), lambda parameters: parameters.DBParameterGroupName)
        as parameter_group_names,
    list_transform(coalesce(item.OptionGroupMemberships, []), lambda options: options.OptionGroupName)
        as option_group_names,
    coalesce(item.EnabledCloudwatchLogsExports, []) as log_exports,
    item.PerformanceInsightsEnabled as has_performance_insights,
    item.PerformanceInsightsRetentionPeriod as performance_insights_retention_days,
    item.PerformanceInsightsKMSKeyId as performance_insights_kms_key_id,
    item.DatabaseInsightsMode as database_insights_mode,
    item.MonitoringInterval as monitoring_interval_seconds,
    item.MonitoringRoleArn as monitoring_role_arn,
    item.ActivityStreamStatus as activity_stream_status,
    item.NetworkType as network_type,
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
    item.PromotionTier as promotion_tier,
    list_concat(
        coalesce(item.ReadReplicaDBInstanceIdentifiers, []),
        coalesce(item.ReadReplicaDBClusterIdentifiers, [])
    ) as replica_names,
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
        StorageEncryptionType VARCHAR, DomainMemberships STRUCT("Domain" VARCHAR)[], CharacterSetName VARCHAR,
        Timezone VARCHAR, DBCapacityReservationIdentifier VARCHAR,
        StorageThroughput BIGINT, MaxAllocatedStorage BIGINT, LicenseModel VARCHAR,
        ProcessorFeatures STRUCT("Name" VARCHAR, "Value" VARCHAR)[], SecondaryAvailabilityZone VARCHAR,
        DBName VARCHAR, MasterUsername VARCHAR, MasterUserSecret STRUCT(SecretArn VARCHAR),
        IAMDatabaseAuthenticationEnabled BOOLEAN, AssociatedRoles STRUCT(RoleArn VARCHAR)[],
        PreferredBackupWindow VARCHAR, LatestRestorableTime TIMESTAMPTZ, CopyTagsToSnapshot BOOLEAN,
        PreferredMaintenanceWindow VARCHAR, AutoMinorVersionUpgrade BOOLEAN, PendingModifiedValues JSON,
        DBParameterGroups STRUCT(DBParameterGroupName VARCHAR, ParameterApplyStatus VARCHAR)[],
        OptionGroupMemberships STRUCT(OptionGroupName VARCHAR)[], EnabledCloudwatchLogsExports VARCHAR[],
        PerformanceInsightsEnabled BOOLEAN, PerformanceInsightsRetentionPeriod BIGINT,
        PerformanceInsightsKMSKeyId VARCHAR, DatabaseInsightsMode VARCHAR, MonitoringInterval BIGINT,
        MonitoringRoleArn VARCHAR, ActivityStreamStatus VARCHAR, NetworkType VARCHAR, PromotionTier BIGINT,
        ReadReplicaDBInstanceIdentifiers VARCHAR[], ReadReplicaDBClusterIdentifiers VARCHAR[],
        ReadReplicaSourceDBInstanceIdentifier VARCHAR, ReadReplicaSourceDBClusterIdentifier VARCHAR,
        AutomaticRestartTime TIMESTAMPTZ, CACertificateIdentifier VARCHAR,
        CertificateDetails STRUCT(CAIdentifier VARCHAR, ValidTill TIMESTAMPTZ), EngineLifecycleSupport VARCHAR,
        TagList STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
