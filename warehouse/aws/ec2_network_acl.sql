-- One row per network ACL, the default one of each VPC included. Its rules hold for whole subnets, whatever the security
-- groups allow.
-- key: arn
-- owner: account_id
-- resource: id=network_acl_id attributes=vpc_id, is_default, subnet_ids, entries
-- relates: contained_in=AWS::EC2::VPC:vpc_id associated_with=AWS::EC2::Subnet:subnet_ids[]
-- arn: Amazon Resource Name, built from owner, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- network_acl_id: Id, such as acl-0123456789abcdef0.
-- vpc_id: VPC.
-- is_default: True for the one that subnets without another of their own have.
-- subnet_ids: Subnets whose traffic it filters; empty where none does.
-- entries: Its rules, in the order in which AWS applies them (direction, number): is_egress, rule_number, rule_action
--   (allow or deny), protocol (IANA's number; -1 for all), cidr_block (IPv4 or IPv6), from_port and to_port (NULL for all
--   ports), icmp_type and icmp_code. Rule 32767 ends each direction: it denies what no other rule allows.
-- name: Value of the tag Name; NULL where there is none.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    aws_arn('ec2', region, item.OwnerId, 'network-acl/' || item.NetworkAclId) as arn,
    item.OwnerId as account_id,
    region,
    item.NetworkAclId as network_acl_id,
    item.VpcId as vpc_id,
    coalesce(item.IsDefault, false) as is_default,
    list_sort(
        list_filter(
            list_transform(coalesce(item.Associations, []), lambda held: held.SubnetId),
            lambda id: id is not null
        )
    ) as subnet_ids,
    list_sort(
        list_transform(
            coalesce(item.Entries, []),
            lambda rule: {
                'is_egress': rule.Egress,
                'rule_number': rule.RuleNumber,
                'rule_action': rule.RuleAction,
                'protocol': rule.Protocol,
                'cidr_block': coalesce(rule.CidrBlock, rule.Ipv6CidrBlock),
                'from_port': rule.PortRange."From",
                'to_port': rule.PortRange."To",
                'icmp_type': rule.IcmpTypeCode."Type",
                'icmp_code': rule.IcmpTypeCode.Code
            }
        )
    ) as entries,
    tag_map(item.Tags)['Name'] as name,
    if(item.OwnerId = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_network_acl',
        'STRUCT(
        OwnerId VARCHAR, NetworkAclId VARCHAR, VpcId VARCHAR, IsDefault BOOLEAN,
        Associations STRUCT(SubnetId VARCHAR)[],
        Entries STRUCT(
            Egress BOOLEAN, RuleNumber BIGINT, RuleAction VARCHAR, Protocol VARCHAR, CidrBlock VARCHAR,
            Ipv6CidrBlock VARCHAR, PortRange STRUCT("From" BIGINT, "To" BIGINT),
            IcmpTypeCode STRUCT("Type" BIGINT, Code BIGINT)
        )[],
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
