-- One row per finding and place that it cannot judge: a response that the finding rests on is not trusted, was refused, or was
-- never requested, as in an account that no profile reaches. What stands here is in no finding, and is not in order either; no
-- row means that every place could be judged. The same of every table is audit.claim_gap.
-- materialized: view
-- rests_on: nothing because it lists itself what is unknown
-- key: finding, account_id, region, listing
-- finding: The view of the finding, such as finding_vpc_without_flow_log.
-- account_id: The AWS account, 12 digits; NULL where a role never sent a request.
-- region: AWS region; aws-global where the account's regions are not known, or the listing has none.
-- listing: The listing without a trusted response.
-- outcome: Its newest outcome; NULL where it was never requested.
-- skip_reason: Why it was not requested; NULL when it was, and where nobody tried.
-- last_trusted_at: When it was last fetched with a trusted response, UTC; NULL if never.
-- resource_count: VPCs, groups or rules known there that are not judged for it; NULL where none is
-- known, as in an account that was never requested, and of a finding about neither.
with held as (
    select
        'finding_vpc_without_flow_log' as finding,
        account_id,
        region
    from aws.ec2_vpc
    union all
    select
        'finding_unused_security_group' as finding,
        account_id,
        region
    from aws.ec2_security_group
    where not is_default
    union all
    select
        unnest(['finding_open_rule', 'finding_security_group_across_accounts']) as finding,
        account_id,
        region
    from aws.ec2_security_group_rule
),

known as (
    select
        finding,
        account_id,
        region,
        count(*) as resource_count
    from held
    group by all
)

select
    substr(gap.claim, length('cmdb.') + 1) as finding,
    gap.account_id,
    gap.region,
    gap.listing,
    -- A listing that both roles request may have a cell of each.
    max_by(gap.outcome, gap.last_trusted_at is not null) as outcome,
    max_by(gap.skip_reason, gap.last_trusted_at is not null) as skip_reason,
    max(gap.last_trusted_at) as last_trusted_at,
    any_value(known.resource_count) as resource_count
from audit.claim_gap as gap
left join known
    on
        substr(gap.claim, length('cmdb.') + 1) = known.finding
        and gap.account_id = known.account_id
        and gap.region = known.region
where starts_with(gap.claim, 'cmdb.finding_')
group by all
