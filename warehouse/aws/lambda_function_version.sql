-- One row per published version of a Lambda function: its code and settings as they were when it was published. What is not published,
-- $LATEST, is a row of aws.lambda_function; a function without rows has no published version. It is no configuration item of its own.
-- key: arn
-- arn: Amazon Resource Name: that of the function, and the version.
-- account_id: The AWS account of the function: 12 digits, text because some begin with 0.
-- region: AWS region.
-- function_arn: The function, without a version.
-- function_name: Name of the function.
-- version: Number of the version, as text: an alias leads to it by this.
-- description: Description of the version; NULL where it has none.
-- package_type: Zip or Image.
-- runtime: Runtime, such as python3.13; NULL for a container image.
-- architectures: Instruction sets: x86_64 or arm64.
-- handler: Entry point in its code; NULL for a container image.
-- role_arn: The role that it runs as.
-- memory_mb: Memory, MiB.
-- timeout_seconds: How long it may run, seconds.
-- code_size_bytes: Size of its code; 0 for a container image. Lambda counts the code of every version towards the account's limit.
-- code_sha256: Hash of its code: another one is another code.
-- layer_arns: ARNs of the versions of its layers.
-- vpc_id: VPC that it reaches into; NULL where it is in none.
-- subnet_ids: Ids of its subnets in that VPC.
-- security_group_ids: Ids of its security groups there.
-- snap_start: PublishedVersions where it starts from a snapshot; None where it does not.
-- modified_at: When it was published or changed last, UTC.
select
    -- Lambda writes the version behind the function's ARN.
    regexp_replace(item.FunctionArn, '(:function:[^:]+):.*$', '\1') || ':' || item."Version" as arn,
    split_part(item.FunctionArn, ':', 5) as account_id,
    region,
    regexp_replace(item.FunctionArn, '(:function:[^:]+):.*$', '\1') as function_arn,
    item.FunctionName as function_name,
    item."Version" as version,
    nullif(item.Description, '') as description,
    item.PackageType as package_type,
    item.Runtime as runtime,
    coalesce(item.Architectures, []) as architectures,
    item.Handler as handler,
    item.Role as role_arn,
    item.MemorySize as memory_mb,
    item.Timeout as timeout_seconds,
    item.CodeSize as code_size_bytes,
    item.CodeSha256 as code_sha256,
    list_transform(coalesce(item.Layers, []), lambda layer: layer.Arn) as layer_arns,
    nullif(item.VpcConfig.VpcId, '') as vpc_id,
    coalesce(item.VpcConfig.SubnetIds, []) as subnet_ids,
    coalesce(item.VpcConfig.SecurityGroupIds, []) as security_group_ids,
    item.SnapStart.ApplyOn as snap_start,
    item.LastModified as modified_at,
    cell.*
from landing(
        'lambda_function_version',
        'STRUCT(
        FunctionArn VARCHAR, FunctionName VARCHAR, "Version" VARCHAR, Description VARCHAR, PackageType VARCHAR,
        Runtime VARCHAR, Architectures VARCHAR[], Handler VARCHAR, Role VARCHAR, MemorySize BIGINT, Timeout BIGINT,
        CodeSize BIGINT, CodeSha256 VARCHAR, Layers STRUCT(Arn VARCHAR)[],
        VpcConfig STRUCT(VpcId VARCHAR, SubnetIds VARCHAR[], SecurityGroupIds VARCHAR[]),
        SnapStart STRUCT(ApplyOn VARCHAR), LastModified TIMESTAMPTZ
    )'
    )
where item."Version" <> '$LATEST'
