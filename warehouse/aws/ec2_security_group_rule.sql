-- One row per rule of a security group: one direction, one range of ports, one source or destination. A rule of a group
-- that other accounts see is listed there too: it stands here once, under the group's owner. A rule is part of its
-- group, no configuration item of its own.
-- key: arn
-- owner: account_id
-- arn: Amazon Resource Name, built from owner, region and id.
-- account_id: The AWS account that owns the group: 12 digits, text because some begin with 0.
-- region: AWS region.
-- security_group_rule_id: Id, such as sgr-0123456789abcdef0.
-- security_group_id: The group that it is a rule of.
-- is_egress: True for what may go out, false for what may come in.
-- protocol: tcp, udp, icmp, icmpv6 or the protocol's number; -1 for all protocols.
-- from_port: First port; for ICMP its type, -1 for all types; NULL where the rule is for all protocols.
-- to_port: Last port; for ICMP its code, -1 for all codes; NULL where the rule is for all protocols.
-- cidr_ipv4: Source or destination as an IPv4 range; NULL where it is something else.
-- cidr_ipv6: Source or destination as an IPv6 range; NULL where it is something else.
-- prefix_list_id: Source or destination as a prefix list; NULL where it is something else.
-- referenced_group_id: Source or destination as a security group; NULL where it is something else.
-- referenced_account_id: The account of that security group, 12 digits; the rule's own where AWS names none.
-- is_open_to_world: True where it lets everybody in as it is written: from 0.0.0.0/0 or ::/0. What goes out is never open in this sense. Other spellings of everybody are in cmdb.finding_open_rule.
-- description: Description of the rule; NULL where it has none.
-- tags: Tags; an empty map where it has none, NULL where only other accounts listed it, which AWS does not show them.
select
    aws_arn('ec2', region, item.GroupOwnerId, 'security-group-rule/' || item.SecurityGroupRuleId) as arn,
    item.GroupOwnerId as account_id,
    region,
    item.SecurityGroupRuleId as security_group_rule_id,
    item.GroupId as security_group_id,
    item.IsEgress as is_egress,
    item.IpProtocol as protocol,
    if(item.IpProtocol = '-1', null, item.FromPort) as from_port,
    if(item.IpProtocol = '-1', null, item.ToPort) as to_port,
    item.CidrIpv4 as cidr_ipv4,
    item.CidrIpv6 as cidr_ipv6,
    item.PrefixListId as prefix_list_id,
    item.ReferencedGroupInfo.GroupId as referenced_group_id,
    if(
        item.ReferencedGroupInfo.GroupId is not null,
        coalesce(item.ReferencedGroupInfo.UserId, item.GroupOwnerId),
        null
    ) as referenced_account_id,
    not item.IsEgress
    and (coalesce(item.CidrIpv4 = '0.0.0.0/0', false) or coalesce(item.CidrIpv6 = '::/0', false))
        as is_open_to_world,
    item.Description as description,
    if(item.GroupOwnerId = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_security_group_rule',
        'STRUCT(
        GroupOwnerId VARCHAR, SecurityGroupRuleId VARCHAR, GroupId VARCHAR, IsEgress BOOLEAN, IpProtocol VARCHAR,
        FromPort INTEGER, ToPort INTEGER, CidrIpv4 VARCHAR, CidrIpv6 VARCHAR, PrefixListId VARCHAR,
        ReferencedGroupInfo STRUCT(GroupId VARCHAR, UserId VARCHAR), Description VARCHAR,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
