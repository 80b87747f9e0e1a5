-- One row per Config aggregator of the operations account: an optional grant.
-- key: arn
-- arn: ARN of the aggregator.
-- account_id: The AWS account of the aggregator, 12 digits, text because some begin with 0.
-- region: AWS region of the aggregator.
-- name: Name of the aggregator.
-- is_of_organization: True where it collects the whole organisation, false where accounts that somebody named.
-- source_account_ids: The accounts that it names; empty where it is of the organisation.
-- source_regions: The regions that it names; empty where it collects all.
-- has_all_regions: True where every one of its sources collects all regions, later ones too.
-- created_at: When it was made, UTC.
-- updated_at: When it was last changed, UTC.
select
    item.ConfigurationAggregatorArn as arn,
    account_id,
    region,
    item.ConfigurationAggregatorName as name,
    item.OrganizationAggregationSource is not null as is_of_organization,
    list_distinct(
        flatten(
            list_transform(
                coalesce(item.AccountAggregationSources, []), lambda source: source.AccountIds
            )
        )
    ) as source_account_ids,
    list_distinct(
        list_concat(
            coalesce(item.OrganizationAggregationSource.AwsRegions, []),
            flatten(
                list_transform(
                    coalesce(item.AccountAggregationSources, []),
                    lambda source: coalesce(source.AwsRegions, [])
                )
            )
        )
    ) as source_regions,
    list_bool_and(
        list_concat(
            list_transform(
                coalesce(item.AccountAggregationSources, []),
                lambda source: coalesce(source.AllAwsRegions, false)
            ),
            if(
                item.OrganizationAggregationSource is null,
                [],
                [coalesce(item.OrganizationAggregationSource.AllAwsRegions, false)]
            )
        )
    ) as has_all_regions,
    item.CreationTime as created_at,
    item.LastUpdatedTime as updated_at,
    cell.*
from landing(
        'config_aggregator',
        'STRUCT(
        ConfigurationAggregatorName VARCHAR, ConfigurationAggregatorArn VARCHAR,
        OrganizationAggregationSource STRUCT(AwsRegions VARCHAR[], AllAwsRegions BOOLEAN),
        AccountAggregationSources STRUCT(AccountIds VARCHAR[], AwsRegions VARCHAR[], AllAwsRegions BOOLEAN)[],
        CreationTime TIMESTAMPTZ, LastUpdatedTime TIMESTAMPTZ
    )'
    )
