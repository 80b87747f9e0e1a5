-- One row per security group that nothing is seen to use, but that lies in a VPC which an account uses that is not collected: what
-- that account has may use the group. Which accounts use a shared VPC is shown by the interfaces that its owner sees there.
-- materialized: view
-- rests_on: nothing because it lists itself what is unknown
-- key: arn
-- arn: ARN of the group.
-- account_id: The AWS account that owns the group, 12 digits.
-- region: AWS region.
-- security_group_id: Id of the group.
-- name: Name of the group.
-- vpc_id: The VPC of the group.
-- participant_account_ids: The accounts with interfaces in that VPC whose own interfaces could not be listed.
with asked as (
    select
        account_id,
        region
    from audit.coverage
    where listing = 'ec2_network_interface' and is_known
),

participant as (
    select
        vpc.vpc_id,
        list_sort(list(distinct interface.account_id)) as account_ids
    from aws.ec2_network_interface as interface
    inner join aws.ec2_vpc as vpc on interface.vpc_id = vpc.vpc_id
    anti join asked on interface.account_id = asked.account_id and interface.region = asked.region
    where interface.account_id <> vpc.account_id
    group by vpc.vpc_id
)

select
    security_group.arn,
    security_group.account_id,
    security_group.region,
    security_group.security_group_id,
    security_group.name,
    security_group.vpc_id,
    participant.account_ids as participant_account_ids
from aws.ec2_security_group as security_group
inner join participant on security_group.vpc_id = participant.vpc_id
anti join stage.used_security_group as used
    on security_group.security_group_id = used.security_group_id
where not security_group.is_default and not security_group.is_stale
