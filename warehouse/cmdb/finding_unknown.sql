-- One row per finding and place that cannot be judged: there is something to judge, but an answer that the finding rests on
-- is not trusted. What stands here is in no finding, and is not in order either.
-- materialized: view
-- key: finding, account_id, region, listing
-- finding: The view of the finding, such as finding_vpc_without_flow_log.
-- account_id: The AWS account, 12 digits.
-- region: AWS region.
-- listing: The listing without a trusted answer.
-- outcome: Its newest outcome; NULL where it was never asked, as in an account that nobody asks.
-- skip_reason: Why it was not asked; NULL when it was.
-- last_trusted_at: When it was last answered in a way that may be believed, UTC; NULL if never.
-- resource_count: VPCs or groups that are not judged for it.
with needed as (
    select
        'finding_vpc_without_flow_log' as finding,
        vpc.account_id,
        vpc.region,
        unnest(['ec2_vpc', 'ec2_subnet', 'ec2_flow_log']) as listing
    from aws.ec2_vpc as vpc
    union all
    select
        'finding_unused_security_group' as finding,
        security_group.account_id,
        security_group.region,
        unnest(['ec2_security_group', 'ec2_network_interface', 'ec2_security_group_rule']) as listing
    from aws.ec2_security_group as security_group
    where not security_group.is_default
),

place as (
    select
        finding,
        account_id,
        region,
        listing,
        count(*) as resource_count
    from needed
    group by all
),

trusted as (
    select
        account_id,
        region,
        listing
    from audit.coverage
    where is_known
)

select
    place.finding,
    place.account_id,
    place.region,
    place.listing,
    max_by(cell.outcome, cell.ended_at) as outcome,
    max_by(cell.skip_reason, cell.ended_at) as skip_reason,
    max(cell.last_trusted_at) as last_trusted_at,
    any_value(place.resource_count) as resource_count
from place
anti join trusted using (account_id, region, listing)
left join audit.coverage as cell using (account_id, region, listing)
group by all
