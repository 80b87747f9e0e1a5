-- One row per security group rule that lets everybody in, by what lies behind its ports: from 0.0.0.0/0 or ::/0, from
-- ranges that with other rules of its group come to as much, or from a wide range of public addresses. What a prefix list
-- lets in is unknown: cmdb.finding_open_rule_unknown.
-- materialized: view
-- key: arn
-- arn: ARN of the rule.
-- account_id: The AWS account that owns the group, 12 digits.
-- region: AWS region.
-- security_group_id: The group that it is a rule of.
-- security_group_name: Name of that group; NULL where it was not listed.
-- vpc_id: The VPC of that group; NULL where it was not listed.
-- security_group_rule_id: Id of the rule.
-- port_class: all ports, ssh, rdp, database, web or other, by ref.port_class: the worst that the rule opens so.
-- port_class_rank: The lower, the worse; NULL for other.
-- protocol: tcp, udp, icmp, icmpv6 or the protocol's number; -1 for all protocols.
-- from_port: First port; for ICMP its type; NULL where the rule is for all protocols.
-- to_port: Last port; for ICMP its code; NULL where the rule is for all protocols.
-- cidr: The range that it lets in.
-- exposure: world (by itself: 0.0.0.0/0, ::/0, or all but a few of the public addresses), world in parts (together with other rules of the group, on the ports of port_class) or wide range (public addresses of /8 and more, /16 for IPv6).
-- description: Description of the rule; NULL where it has none.
-- interface_count: Network interfaces that the rule opens now; NULL where they could not be listed.
-- public_interface_count: Those among them that have an address of the internet, the primary one or another; NULL where they could not be listed.
with opening as (
    select distinct
        arn,
        exposure
    from stage.open_rule
),

opened as (
    select
        rule.*,
        coalesce(rule.cidr_ipv4, rule.cidr_ipv6) as cidr,
        opening.exposure
    from aws.ec2_security_group_rule as rule
    inner join opening on rule.arn = opening.arn
),

classed as (
    select
        opening.arn,
        min_by(class.port_class, class.rank) as port_class,
        min(class.rank) as port_class_rank
    from stage.open_rule as opening -- noqa: AL04
    inner join ref.port_class as class
        on
            opening.protocol = '-1' and class.is_whole
            or (
                opening.protocol = class.protocol
                and case
                    when class.is_whole
                        then opening.from_port <= class.from_port and opening.to_port >= class.to_port
                    else opening.from_port <= class.to_port and opening.to_port >= class.from_port
                end
            )
    group by opening.arn
),

outside as (
    select distinct arn
    from aws.ec2_network_interface_address
    where is_public
),

interface as (
    select
        security_group_id,
        count(*) as interface_count,
        count(*) filter (where attached.is_public) as public_interface_count
    from (
        select
            unnest(listed.security_group_ids) as security_group_id,
            outside.arn is not null as is_public
        from aws.ec2_network_interface as listed
        left join outside on listed.arn = outside.arn
    ) as attached
    group by security_group_id
)

select
    opened.arn,
    opened.account_id,
    opened.region,
    opened.security_group_id,
    security_group.name as security_group_name,
    security_group.vpc_id,
    opened.security_group_rule_id,
    coalesce(classed.port_class, 'other') as port_class,
    classed.port_class_rank,
    opened.protocol,
    opened.from_port,
    opened.to_port,
    opened.cidr,
    opened.exposure,
    opened.description,
    case when cell.is_known then coalesce(interface.interface_count, 0) end as interface_count,
    case when cell.is_known then coalesce(interface.public_interface_count, 0) end as public_interface_count,
    opened.is_stale,
    opened.run_id,
    opened.listing,
    opened.role,
    opened.caller_account_id,
    opened.cell_region,
    opened.collected_at
from opened
left join classed using (arn)
left join interface using (security_group_id)
left join aws.ec2_security_group as security_group using (security_group_id)
left join audit.coverage as cell
    on
        opened.account_id = cell.account_id
        and opened.region = cell.region
        and cell.listing = 'ec2_network_interface'
        and cell.is_known
