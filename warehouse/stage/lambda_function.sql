-- Functions of each account and region, by lambda:ListFunctions. Not part of the public interface; read
-- aws.lambda_function. Their environment variables are never landed.
-- key: arn
-- arn: Amazon Resource Name, without a version.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- name: Name, unique in its account and region.
-- description: Description; NULL where it has none.
-- package_type: Zip or Image.
-- runtime: Runtime, such as python3.13; NULL for a container image.
-- architectures: Instruction sets: x86_64 or arm64.
-- handler: Entry point in its code; NULL for a container image.
-- role_arn: The role that it runs as.
-- memory_mb: Memory, MiB.
-- timeout_seconds: How long it may run, seconds.
-- ephemeral_storage_mb: Size of its /tmp, MiB.
-- code_size_bytes: Size of its code; 0 for a container image.
-- code_sha256: Hash of its code: another one is another code.
-- layer_arns: ARNs of the versions of its layers.
-- modified_at: When its code or configuration was last changed, UTC.
-- vpc_id: VPC that it reaches into; NULL where it is in none.
-- subnet_ids: Ids of its subnets in that VPC.
-- security_group_ids: Ids of its security groups there.
-- kms_key_arn: Customer's own key of its environment; NULL where it is AWS's.
-- dead_letter_arn: Where failed events go; NULL where they go nowhere.
-- tracing_mode: Of X-Ray: Active (it traces some of its calls) or PassThrough (only where the caller does).
-- snap_start: PublishedVersions where new versions start from a snapshot; None where none do.
-- log_format: Text or JSON.
-- application_log_level: Least level of its own lines in the log, such as INFO; NULL where log_format is Text.
-- system_log_level: Least level of Lambda's lines in the log; NULL where log_format is Text.
-- log_group: Log group of CloudWatch Logs that it writes to.
-- file_system_arns: ARNs of the file systems' access points that it mounts.
-- signing_profile_version_arn: Signing profile that its code was signed with; NULL where it was not.
-- edge_master_arn: For a Lambda@Edge function, the function that it is a copy of; NULL for any other.
-- tenant_isolation_mode: PER_TENANT where each tenant runs apart; NULL where none does.
-- capacity_provider_arn: Capacity provider whose instances it runs on; NULL where it runs on Lambda's own.
select
    item.FunctionArn as arn,
    split_part(item.FunctionArn, ':', 5) as account_id,
    region,
    item.FunctionName as name,
    nullif(item.Description, '') as description,
    item.PackageType as package_type,
    item.Runtime as runtime,
    coalesce(item.Architectures, []) as architectures,
    item.Handler as handler,
    item.Role as role_arn,
    item.MemorySize as memory_mb,
    item.Timeout as timeout_seconds,
    item.EphemeralStorage.Size as ephemeral_storage_mb,
    item.CodeSize as code_size_bytes,
    item.CodeSha256 as code_sha256,
    list_transform(coalesce(item.Layers, []), lambda layer: layer.Arn) as layer_arns,
    item.LastModified as modified_at,
    nullif(item.VpcConfig.VpcId, '') as vpc_id,
    coalesce(item.VpcConfig.SubnetIds, []) as subnet_ids,
    coalesce(item.VpcConfig.SecurityGroupIds, []) as security_group_ids,
    item.KMSKeyArn as kms_key_arn,
    item.DeadLetterConfig.TargetArn as dead_letter_arn,
    item.TracingConfig.Mode as tracing_mode,
    item.SnapStart.ApplyOn as snap_start,
    item.LoggingConfig.LogFormat as log_format,
    item.LoggingConfig.ApplicationLogLevel as application_log_level,
    item.LoggingConfig.SystemLogLevel as system_log_level,
    item.LoggingConfig.LogGroup as log_group,
    list_transform(coalesce(item.FileSystemConfigs, []), lambda mounted: mounted.Arn) as file_system_arns,
    item.SigningProfileVersionArn as signing_profile_version_arn,
    item.MasterArn as edge_master_arn,
    item.TenancyConfig.TenantIsolationMode as tenant_isolation_mode,
    item.CapacityProviderConfig.LambdaManagedInstancesCapacityProviderConfig.CapacityProviderArn
        as capacity_provider_arn,
    cell.*
from landing(
        'lambda_function',
        'STRUCT(
        FunctionArn VARCHAR, FunctionName VARCHAR, Description VARCHAR, PackageType VARCHAR, Runtime VARCHAR,
        Architectures VARCHAR[], Handler VARCHAR, Role VARCHAR, MemorySize BIGINT, Timeout BIGINT,
        EphemeralStorage STRUCT(Size BIGINT), CodeSize BIGINT, CodeSha256 VARCHAR, Layers STRUCT(Arn VARCHAR)[],
        LastModified TIMESTAMPTZ,
        VpcConfig STRUCT(VpcId VARCHAR, SubnetIds VARCHAR[], SecurityGroupIds VARCHAR[]), KMSKeyArn VARCHAR,
        DeadLetterConfig STRUCT(TargetArn VARCHAR), TracingConfig STRUCT(Mode VARCHAR),
        SnapStart STRUCT(ApplyOn VARCHAR),
        LoggingConfig STRUCT(
            LogFormat VARCHAR, ApplicationLogLevel VARCHAR, SystemLogLevel VARCHAR, LogGroup VARCHAR
        ),
        FileSystemConfigs STRUCT(Arn VARCHAR)[], SigningProfileVersionArn VARCHAR, MasterArn VARCHAR,
        TenancyConfig STRUCT(TenantIsolationMode VARCHAR),
        CapacityProviderConfig STRUCT(
            LambdaManagedInstancesCapacityProviderConfig STRUCT(CapacityProviderArn VARCHAR)
        )
    )'
    )
