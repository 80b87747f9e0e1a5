-- One row per code signing configuration: who may sign the code of functions that use it. Which functions do, AWS tells of one at a
-- time, so it is not known. Requested in the regions in which the account has a function.
-- key: arn
-- resource: id=code_signing_config_id attributes=description, signing_profile_version_arns, untrusted_artifact_policy
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- code_signing_config_id: Id, such as csc-0123456789abcdef0.
-- description: What its maker wrote; NULL where nothing.
-- signing_profile_version_arns: Versions of the signing profiles whose signatures count, sorted.
-- untrusted_artifact_policy: What happens to code that nobody of them signed: Enforce refuses it, Warn lets it in.
-- modified_at: When it was last changed, UTC.
-- name: The same as code_signing_config_id, as every item has one.
select
    item.CodeSigningConfigArn as arn,
    split_part(item.CodeSigningConfigArn, ':', 5) as account_id,
    region,
    item.CodeSigningConfigId as code_signing_config_id,
    nullif(item.Description, '') as description,
    list_sort(coalesce(item.AllowedPublishers.SigningProfileVersionArns, [])) as signing_profile_version_arns,
    item.CodeSigningPolicies.UntrustedArtifactOnDeployment as untrusted_artifact_policy,
    try_cast(item.LastModified as timestamptz) as modified_at,
    item.CodeSigningConfigId as name,
    cell.*
from landing(
        'lambda_code_signing_config',
        'STRUCT(
        CodeSigningConfigArn VARCHAR, CodeSigningConfigId VARCHAR, Description VARCHAR, LastModified VARCHAR,
        AllowedPublishers STRUCT(SigningProfileVersionArns VARCHAR[]),
        CodeSigningPolicies STRUCT(UntrustedArtifactOnDeployment VARCHAR)
    )'
    )
