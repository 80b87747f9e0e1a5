-- One row per security group that nothing uses: no network interface has it, no other group's rule names it, and it is not
-- the default group, which cannot be deleted. Groups of an account and region whose interfaces or rules could not be listed
-- are unknown, no finding: those are in cmdb.finding_unknown. Launch templates and functions that have not run yet may name a
-- group that no interface has.
-- materialized: view
-- key: arn
-- arn: ARN of the group.
-- account_id: The AWS account that owns the group, 12 digits.
-- region: AWS region.
-- security_group_id: Id of the group.
-- name: Name of the group.
-- vpc_id: The VPC of the group.
-- description: Description of the group.
-- rule_count: Rules that it has.
-- open_rule_count: Rules among them that let everybody in.
with known as (
    select
        account_id,
        region
    from audit.coverage
    where listing in ('ec2_network_interface', 'ec2_security_group_rule') and is_known
    group by all
    having count(distinct listing) = 2
),

used as (
    select unnest(security_group_ids) as security_group_id
    from aws.ec2_network_interface
    union
    select referenced_group_id as security_group_id
    from aws.ec2_security_group_rule
    where referenced_group_id <> security_group_id
),

ruled as (
    select
        security_group_id,
        count(*) as rule_count,
        count(*) filter (where is_open_to_world) as open_rule_count
    from aws.ec2_security_group_rule
    group by security_group_id
)

select
    security_group.arn,
    security_group.account_id,
    security_group.region,
    security_group.security_group_id,
    security_group.name,
    security_group.vpc_id,
    security_group.description,
    coalesce(ruled.rule_count, 0) as rule_count,
    coalesce(ruled.open_rule_count, 0) as open_rule_count
from aws.ec2_security_group as security_group
inner join known using (account_id, region)
left join ruled using (security_group_id)
anti join used using (security_group_id)
where not security_group.is_default and not security_group.is_stale
