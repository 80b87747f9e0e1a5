-- One row per Lambda function. Lambda reports neither its state nor when it was created, and its environment variables are
-- never read, since they hold secrets.
-- materialized: full
-- key: arn
-- resource: id=name attributes=package_type, runtime, architectures, role_arn, memory_mb, timeout_seconds,
--   code_size_bytes, layer_arns, code_sha256, vpc_id, subnet_ids, security_group_ids, handler,
--   ephemeral_storage_mb, kms_key_arn, dead_letter_arn, tracing_mode, snap_start, log_format, log_group,
--   file_system_arns, signing_profile_version_arn
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
-- tags: Tags; an empty map where it has none, NULL where they could not be read.
-- record: The whole record as AWS gave it, JSON, without the fields that its listing redacts. NULL where an
--    earlier release collected the row and its landed record is gone.
select
    f.*,
    tag.tags
from stage.lambda_function as f
left join stage.lambda_function_tag as tag on f.arn = tag.arn and f.caller_account_id = tag.caller_account_id
