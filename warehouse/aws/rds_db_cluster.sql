-- One row per DB cluster: of Aurora and RDS Multi-AZ, and of DocumentDB and Neptune, which respond to the same call. Its VPC
-- is that of its members.
-- key: arn
-- resource: id=resource_id state=status created=created_at attributes=engine, engine_version, engine_mode,
--   is_multi_az, is_encrypted, has_deletion_protection, backup_retention_days, endpoint_address,
--   db_subnet_group, security_group_ids, member_names, storage_type, kms_key_id, iops,
--   storage_throughput_mibps, is_publicly_accessible, network_type, master_user_secret_arn,
--   has_iam_authentication, has_http_endpoint, has_auto_minor_version_upgrade, has_tags_on_snapshots,
--   maintenance_window, backup_window, parameter_group_name, option_group_names, log_exports,
--   serverless_min_capacity, serverless_max_capacity, global_cluster_id, has_performance_insights,
--   monitoring_interval_seconds
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
-- iops: Provisioned I/O operations a second; NULL where none are.
-- storage_throughput_mibps: Provisioned throughput, MiB/s; NULL where none is.
-- serverless_min_capacity: Least capacity of Aurora Serverless, ACU; NULL where none is set.
-- serverless_max_capacity: Most capacity of Aurora Serverless, ACU; NULL where none is set.
-- is_multi_az: True when its members stand in several zones.
-- is_encrypted: True when its storage is encrypted.
-- encryption_type: sse-kms (a key of the account), sse-rds (one of RDS) or none; NULL where RDS does not report it.
-- kms_key_id: Key of the encryption; NULL without.
-- database_name: Database that it was made with; NULL where none was.
-- master_username: Name of the master user.
-- master_user_secret_arn: Secret of Secrets Manager that RDS keeps the master user's password in; NULL where RDS does not keep it.
-- has_iam_authentication: True where users may sign in by IAM.
-- has_http_endpoint: True where statements may be sent by HTTP (the RDS Data API); NULL where RDS reports nothing.
-- role_arns: IAM roles that it uses, such as for import from S3.
-- domain_ids: Directories that its users sign in by; empty where by none.
-- is_publicly_accessible: True where an RDS Multi-AZ cluster resolves to a public address; NULL for Aurora, whose members say it.
-- has_deletion_protection: True when it cannot be deleted as it is.
-- backup_retention_days: Days that automated backups are kept.
-- backup_window: When automated backups are made, UTC, such as 03:00-03:30.
-- earliest_restorable_at: The earliest time that its backups can restore, UTC; NULL where RDS does not report it.
-- latest_restorable_at: The latest time that its backups can restore, UTC; NULL where RDS does not report it.
-- backtrack_window_seconds: Seconds that Aurora MySQL can be taken back; NULL or 0 where it cannot.
-- has_tags_on_snapshots: True where its snapshots get its tags.
-- maintenance_window: When it is maintained, UTC, such as sun:05:00-sun:06:00.
-- has_auto_minor_version_upgrade: True where RDS installs minor versions of the engine by itself; NULL where RDS reports nothing.
-- pending_changes: Settings that wait for the maintenance window, by AWS's names, JSON; NULL where none does but perhaps a new password, which is not kept.
-- parameter_group_name: Its cluster parameter group.
-- option_group_names: Its option groups.
-- log_exports: Kinds of logs that it sends to CloudWatch Logs.
-- has_performance_insights: True where Performance Insights is on for all members; NULL where each member says it.
-- performance_insights_retention_days: Days that Performance Insights keeps; NULL where it is off.
-- performance_insights_kms_key_id: Key that encrypts them; NULL where it is off.
-- database_insights_mode: standard or advanced; NULL where RDS reports none.
-- monitoring_interval_seconds: Seconds between values of enhanced monitoring; 0 where it is off, NULL where each member says it.
-- monitoring_role_arn: IAM role that writes them; NULL where it is off.
-- activity_stream_status: Of its database activity stream: stopped, starting, started or stopping; NULL where RDS reports none.
-- network_type: IPV4 or DUAL (IPv6 as well); NULL where RDS reports none.
-- ca_certificate: Certificate authority that its certificate is signed by; NULL where RDS reports its members' alone.
-- certificate_valid_until: When its certificate ends, UTC; NULL where RDS does not report it.
-- engine_lifecycle_support: open-source-rds-extended-support where RDS goes over to extended support, which costs extra, by itself; else open-source-rds-extended-support-disabled, NULL where RDS does not report it.
-- clone_group_id: What a cluster and its clones have alone in common; NULL where it was never cloned.
-- global_cluster_id: Global database that it is a part of; NULL where of none.
-- replication_source: ARN of the cluster or instance that it is a read replica of; NULL where it is none.
-- replica_names: ARNs of its read replicas in other regions.
-- custom_endpoint_addresses: Host names of the endpoints that people made.
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
    item.Iops as iops,
    nullif(item.StorageThroughput, 0) as storage_throughput_mibps,
    coalesce(item.ServerlessV2ScalingConfiguration.MinCapacity, item.ScalingConfigurationInfo.MinCapacity)
        as serverless_min_capacity,
    coalesce(item.ServerlessV2ScalingConfiguration.MaxCapacity, item.ScalingConfigurationInfo.MaxCapacity)
        as serverless_max_capacity,
    item.MultiAZ as is_multi_az,
    item.StorageEncrypted as is_encrypted,
    item.StorageEncryptionType as encryption_type,
    item.KmsKeyId as kms_key_id,
    item.DatabaseName as database_name,
    item.MasterUsername as master_username,
    item.MasterUserSecret.SecretArn as master_user_secret_arn,
    item.IAMDatabaseAuthenticationEnabled as has_iam_authentication,
    item.HttpEndpointEnabled as has_http_endpoint,
    list_transform(coalesce(item.AssociatedRoles, []), lambda held: held.RoleArn) as role_arns,
    list_transform(coalesce(item.DomainMemberships, []), lambda joined: joined."Domain") as domain_ids,
    item.PubliclyAccessible as is_publicly_accessible,
    item.DeletionProtection as has_deletion_protection,
    item.BackupRetentionPeriod as backup_retention_days,
    item.PreferredBackupWindow as backup_window,
    item.EarliestRestorableTime as earliest_restorable_at,
    item.LatestRestorableTime as latest_restorable_at,
    item.BacktrackWindow as backtrack_window_seconds,
    item.CopyTagsToSnapshot as has_tags_on_snapshots,
    item.PreferredMaintenanceWindow as maintenance_window,
    item.AutoMinorVersionUpgrade as has_auto_minor_version_upgrade,
    nullif(item.PendingModifiedValues::varchar, '{}')::json as pending_changes,
    item.DBClusterParameterGroup as parameter_group_name,
    list_transform(
        coalesce(item.DBClusterOptionGroupMemberships, []), lambda options: options.DBClusterOptionGroupName
    ) as option_group_names,
    coalesce(item.EnabledCloudwatchLogsExports, []) as log_exports,
    item.PerformanceInsightsEnabled as has_performance_insights,
    item.PerformanceInsightsRetentionPeriod as performance_insights_retention_days,
    item.PerformanceInsightsKMSKeyId as performance_insights_kms_key_id,
    item.DatabaseInsightsMode as database_insights_mode,
    item.MonitoringInterval as monitoring_interval_seconds,
    item.MonitoringRoleArn as monitoring_role_arn,
    item.ActivityStreamStatus as activity_stream_status,
    item.NetworkType as network_type,
    item.CertificateDetails.CAIdentifier as ca_certificate,
    item.CertificateDetails.ValidTill as certificate_valid_until,
    item.EngineLifecycleSupport as engine_lifecycle_support,
    item.CloneGroupId as clone_group_id,
    item.GlobalClusterIdentifier as global_cluster_id,
    nullif(item.ReplicationSourceIdentifier, '') as replication_source,
    coalesce(item.ReadReplicaIdentifiers, []) as replica_names,
    coalesce(item.CustomEndpoints, []) as custom_endpoint_addresses,
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
        StorageEncryptionType VARCHAR, DomainMemberships STRUCT("Domain" VARCHAR)[], CloneGroupId VARCHAR,
        Iops BIGINT, StorageThroughput BIGINT,
        ServerlessV2ScalingConfiguration STRUCT(MinCapacity DECIMAL(10, 2), MaxCapacity DECIMAL(10, 2)),
        ScalingConfigurationInfo STRUCT(MinCapacity DECIMAL(10, 2), MaxCapacity DECIMAL(10, 2)),
        DatabaseName VARCHAR, MasterUsername VARCHAR, MasterUserSecret STRUCT(SecretArn VARCHAR),
        IAMDatabaseAuthenticationEnabled BOOLEAN, HttpEndpointEnabled BOOLEAN,
        AssociatedRoles STRUCT(RoleArn VARCHAR)[], PubliclyAccessible BOOLEAN, PreferredBackupWindow VARCHAR,
        EarliestRestorableTime TIMESTAMPTZ, LatestRestorableTime TIMESTAMPTZ, BacktrackWindow BIGINT,
        CopyTagsToSnapshot BOOLEAN, PreferredMaintenanceWindow VARCHAR, AutoMinorVersionUpgrade BOOLEAN,
        PendingModifiedValues JSON, DBClusterParameterGroup VARCHAR,
        DBClusterOptionGroupMemberships STRUCT(DBClusterOptionGroupName VARCHAR)[],
        EnabledCloudwatchLogsExports VARCHAR[], PerformanceInsightsEnabled BOOLEAN,
        PerformanceInsightsRetentionPeriod BIGINT, PerformanceInsightsKMSKeyId VARCHAR,
        DatabaseInsightsMode VARCHAR, MonitoringInterval BIGINT, MonitoringRoleArn VARCHAR,
        ActivityStreamStatus VARCHAR, NetworkType VARCHAR,
        CertificateDetails STRUCT(CAIdentifier VARCHAR, ValidTill TIMESTAMPTZ), EngineLifecycleSupport VARCHAR,
        GlobalClusterIdentifier VARCHAR, ReplicationSourceIdentifier VARCHAR, ReadReplicaIdentifiers VARCHAR[],
        CustomEndpoints VARCHAR[],
        AutomaticRestartTime TIMESTAMPTZ, TagList STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
