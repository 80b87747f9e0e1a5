-- One row per security group that nothing uses: no network interface has it, no instance, function or database names it, no
-- other group's rule does, and it is not the default group, which cannot be deleted. Groups of an account and region whose
-- interfaces, rules, instances, functions or databases could not be listed are unknown, no finding: those are in cmdb.finding_unknown; so are those of a VPC
-- that an account uses which is not collected: cmdb.finding_unused_security_group_unknown. Launch templates may name a group that
-- nothing else does.
-- materialized: view
-- rests_on: without=lambda_function_tag because tags of functions name no group
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

-- What would name a group there is not known: the response does not count, or nobody requested it.
unheard as (
    select
        account_id,
        region
    from audit.expected_cell
    where
        listing_name in ('ec2_instance', 'lambda_function', 'rds_db_instance', 'rds_db_cluster')
        and not is_judged
),

-- Groups that rules of other groups name.
named as (
    select referenced_group_id as security_group_id
    from aws.ec2_security_group_rule
    where referenced_group_id <> security_group_id
),

opening as (
    select distinct arn
    from stage.open_rule
    where exposure in ('world', 'world in parts')
),

ruled as (
    select
        rule.security_group_id,
        count(*) as rule_count,
        count(opening.arn) as open_rule_count
    from aws.ec2_security_group_rule as rule
    left join opening on rule.arn = opening.arn
    group by rule.security_group_id
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
anti join unheard
    on
        security_group.account_id = unheard.account_id
        and unheard.region in (security_group.region, 'aws-global')
left join ruled using (security_group_id)
anti join stage.used_security_group using (security_group_id)
anti join named using (security_group_id)
anti join cmdb.finding_unused_security_group_unknown as unjudged on security_group.arn = unjudged.arn
where not security_group.is_default and not security_group.is_stale
