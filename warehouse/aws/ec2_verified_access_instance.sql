-- One row per Verified Access instance: what judges who may reach applications without a VPN, by its trust providers.
-- key: arn
-- resource: id=verified_access_instance_id created=created_at attributes=description, trust_provider_ids,
--   trust_provider_types, is_fips_enabled
-- arn: Amazon Resource Name, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- verified_access_instance_id: Id, such as vai-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- description: What its maker wrote; NULL where nothing.
-- trust_provider_ids: Its trust providers; empty where it has none, and lets nobody in.
-- trust_provider_types: What these judge: user or device.
-- is_fips_enabled: True where it uses cryptography by the standard FIPS alone.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none.
select
    aws_arn(
        'ec2', region, account_id, 'verified-access-instance/' || item.VerifiedAccessInstanceId
    ) as arn,
    account_id,
    region,
    item.VerifiedAccessInstanceId as verified_access_instance_id,
    tag_map(item.Tags)['Name'] as name,
    nullif(item.Description, '') as description,
    list_sort(
        list_transform(
            coalesce(item.VerifiedAccessTrustProviders, []),
            lambda held: held.VerifiedAccessTrustProviderId
        )
    ) as trust_provider_ids,
    list_sort(
        list_distinct(
            list_transform(
                coalesce(item.VerifiedAccessTrustProviders, []), lambda held: held.TrustProviderType
            )
        )
    ) as trust_provider_types,
    coalesce(item.FipsEnabled, false) as is_fips_enabled,
    try_cast(item.CreationTime as timestamptz) as created_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_verified_access_instance',
        'STRUCT(
        VerifiedAccessInstanceId VARCHAR, Description VARCHAR, FipsEnabled BOOLEAN, CreationTime VARCHAR,
        VerifiedAccessTrustProviders STRUCT(VerifiedAccessTrustProviderId VARCHAR, TrustProviderType VARCHAR)[],
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
