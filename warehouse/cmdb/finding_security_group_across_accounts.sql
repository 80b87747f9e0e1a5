-- One row per security group rule that names a group of another account, or of nobody that the organisation knows.
-- materialized: view
-- key: arn
-- arn: ARN of the rule.
-- account_id: The AWS account that owns the rule's group, 12 digits.
-- region: AWS region.
-- security_group_id: The group that it is a rule of.
-- security_group_name: Name of that group; NULL where it was not listed.
-- security_group_rule_id: Id of the rule.
-- is_egress: True for what may go out to the other group, false for what may come in from it.
-- protocol: tcp, udp, icmp, icmpv6 or the protocol's number; -1 for all protocols.
-- from_port: First port; for ICMP its type; NULL where the rule is for all protocols.
-- to_port: Last port; for ICMP its code; NULL where the rule is for all protocols.
-- referenced_account_id: The account of the group that it names, 12 digits.
-- referenced_account_name: Name of that account; NULL where it is not of the organisation.
-- is_in_organization: True where that account belongs to the organisation.
-- referenced_group_id: The group that it names.
-- referenced_group_name: Name of that group; NULL where it was not listed.
-- description: Description of the rule; NULL where it has none.
select
    rule.arn,
    rule.account_id,
    rule.region,
    rule.security_group_id,
    security_group.name as security_group_name,
    rule.security_group_rule_id,
    rule.is_egress,
    rule.protocol,
    rule.from_port,
    rule.to_port,
    rule.referenced_account_id,
    account.account_name as referenced_account_name,
    account.account_id is not null as is_in_organization,
    rule.referenced_group_id,
    referenced.name as referenced_group_name,
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
left join aws.ec2_security_group as referenced on rule.referenced_group_id = referenced.security_group_id
left join org.account as account
    on rule.referenced_account_id = account.account_id and account.state <> 'LEFT'
where rule.referenced_account_id <> rule.account_id
