-- One row per security group rule that lets in what a prefix list holds: whether that is everybody is unknown, since
-- the contract grants no action that reads its entries (ec2:GetManagedPrefixListEntries). What stands here is in no row of
-- cmdb.finding_open_rule, and is not in order either.
-- materialized: view
-- rests_on: nothing because it lists itself what is unknown
-- key: arn
-- arn: ARN of the rule.
-- account_id: The AWS account that owns the group, 12 digits.
-- region: AWS region.
-- security_group_id: The group that it is a rule of.
-- security_group_name: Name of that group; NULL where it was not listed.
-- vpc_id: The VPC of that group; NULL where it was not listed.
-- security_group_rule_id: Id of the rule.
-- protocol: tcp, udp, icmp, icmpv6 or the protocol's number; -1 for all protocols.
-- from_port: First port; for ICMP its type; NULL where the rule is for all protocols.
-- to_port: Last port; for ICMP its code; NULL where the rule is for all protocols.
-- prefix_list_id: The prefix list.
-- description: Description of the rule; NULL where it has none.
select
    rule.arn,
    rule.account_id,
    rule.region,
    rule.security_group_id,
    security_group.name as security_group_name,
    security_group.vpc_id,
    rule.security_group_rule_id,
    rule.protocol,
    rule.from_port,
    rule.to_port,
    rule.prefix_list_id,
    rule.description,
    rule.is_stale,
    rule.run_id,
    rule.listing,
    rule.role,
    rule.caller_account_id,
    rule.cell_region,
    rule.collected_at
from aws.ec2_security_group_rule as rule
left join aws.ec2_security_group as security_group using (security_group_id)
where not rule.is_egress and rule.prefix_list_id is not null
