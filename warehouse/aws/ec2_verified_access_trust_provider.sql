-- One row per trust provider of Verified Access: who vouches for users or devices. Its client secret is dropped.
-- key: arn
-- resource: id=trust_provider_id created=created_at attributes=trust_provider_type, provider, issuer, policy_reference_name,
--   description
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- trust_provider_id: Id, such as vatp-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- trust_provider_type: user or device.
-- provider: iam-identity-center, oidc, jamf, crowdstrike or jumpcloud.
-- issuer: Issuer of the tokens; NULL for another provider than oidc.
-- tenant_id: Tenant with the provider of devices; NULL for users.
-- policy_reference_name: What policies call it.
-- description: What its maker wrote; NULL where nothing.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none.
select
    aws_arn(
        'ec2', region, account_id, 'verified-access-trust-provider/' || item.VerifiedAccessTrustProviderId
    ) as arn,
    account_id,
    region,
    item.VerifiedAccessTrustProviderId as trust_provider_id,
    tag_map(item.Tags)['Name'] as name,
    item.TrustProviderType as trust_provider_type,
    coalesce(item.UserTrustProviderType, item.DeviceTrustProviderType) as provider,
    coalesce(item.OidcOptions.Issuer, item.NativeApplicationOidcOptions.Issuer) as issuer,
    item.DeviceOptions.TenantId as tenant_id,
    item.PolicyReferenceName as policy_reference_name,
    nullif(item.Description, '') as description,
    try_cast(item.CreationTime as timestamptz) as created_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_verified_access_trust_provider',
        'STRUCT(
        VerifiedAccessTrustProviderId VARCHAR, TrustProviderType VARCHAR, UserTrustProviderType VARCHAR,
        DeviceTrustProviderType VARCHAR, OidcOptions STRUCT(Issuer VARCHAR),
        NativeApplicationOidcOptions STRUCT(Issuer VARCHAR), DeviceOptions STRUCT(TenantId VARCHAR),
        PolicyReferenceName VARCHAR, Description VARCHAR, CreationTime VARCHAR,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
