-- What the network ACLs of ways in from the internet do with each range of addresses and ports: their numbered rules, of which the
-- first that fits counts, as ranges that lie apart. Not part of the public interface; read aws.ec2_network_acl.
-- materialized: full
-- key: acl, is_egress, family, protocol, first_address, from_port
-- acl: Hash of the rules, as in stage.internet_entry; empty for an ACL that is not known, which keeps nothing out here.
-- is_egress: True for what may go out, false for what may come in.
-- family: 4 or 6.
-- protocol: A protocol that the ACL names; -1 for all others.
-- first_address: First address of the range, as a number.
-- last_address: Last address.
-- from_port: First port; for ICMP its first type.
-- to_port: Last port; for ICMP its last type.
-- is_allowed: True where the ACL lets it pass.
with policy as (
    select distinct
        acl,
        entries
    from stage.internet_entry
    where entries is not null
),

numbered as (
    select
        acl,
        unnest(entries) as rule
    from policy
),

named as (
    select
        acl,
        rule.is_egress as is_egress,
        rule.rule_number as rule_number,
        rule.rule_action = 'allow' as is_allowed,
        rule.cidr_block as cidr,
        ip_protocol(rule.protocol) as protocol,
        rule.from_port as from_port,
        rule.to_port as to_port,
        rule.icmp_type as icmp_type
    from numbered
),

rule as (
    select
        named.acl,
        named.is_egress,
        named.rule_number,
        named.is_allowed,
        named.protocol,
        source.family,
        source.first_address,
        source.last_address,
        case
            when named.protocol in ('tcp', 'udp') then coalesce(named.from_port, 0)
            when named.protocol in ('icmp', 'icmpv6') then greatest(coalesce(named.icmp_type, 0), 0)
            else 0
        end as from_port,
        case
            when named.protocol in ('tcp', 'udp') then coalesce(named.to_port, 65535)
            when named.protocol in ('icmp', 'icmpv6') and named.icmp_type >= 0 then named.icmp_type
            else 65535
        end as to_port
    from named
    inner join stage.address_range as source on named.cidr = source.cidr
),

protocol as (
    select
        acl,
        protocol
    from rule
    union
    select
        acl,
        '-1' as protocol
    from policy
),

fitting as (
    select
        rule.* exclude (protocol),
        protocol.protocol
    from rule
    inner join protocol
        on rule.acl = protocol.acl and (rule.protocol = protocol.protocol or rule.protocol = '-1')
),

address_edge as (
    select
        acl,
        is_egress,
        family,
        protocol,
        first_address as edge
    from fitting
    union
    select
        acl,
        is_egress,
        family,
        protocol,
        last_address + 1 as edge
    from fitting
),

address_stretch as (
    select
        acl,
        is_egress,
        family,
        protocol,
        edge as first_address,
        lead(edge) over (partition by acl, is_egress, family, protocol order by edge) - 1 as last_address
    from address_edge
),

port_edge as (
    select
        acl,
        is_egress,
        family,
        protocol,
        from_port as edge
    from fitting
    union
    select
        acl,
        is_egress,
        family,
        protocol,
        to_port + 1 as edge
    from fitting
),

port_stretch as (
    select
        acl,
        is_egress,
        family,
        protocol,
        edge as from_port,
        lead(edge) over (partition by acl, is_egress, family, protocol order by edge) - 1 as to_port
    from port_edge
),

direction as (select unnest([true, false]) as is_egress)

select
    address.acl,
    address.is_egress,
    address.family,
    address.protocol,
    address.first_address,
    address.last_address,
    port.from_port,
    port.to_port,
    coalesce(arg_min(fitting.is_allowed, fitting.rule_number), false) as is_allowed
from address_stretch as address
inner join port_stretch as port using (acl, is_egress, family, protocol)
left join fitting
    on
        address.acl = fitting.acl
        and address.is_egress = fitting.is_egress
        and address.family = fitting.family
        and address.protocol = fitting.protocol
        and address.first_address between fitting.first_address and fitting.last_address
        and port.from_port between fitting.from_port and fitting.to_port
where address.last_address is not null and port.to_port is not null
group by all
union all
select
    '' as acl,
    direction.is_egress,
    whole.family,
    '-1' as protocol,
    whole.first_address,
    whole.last_address,
    0 as from_port,
    65535 as to_port,
    true as is_allowed
from stage.address_range as whole
cross join direction
where whole.cidr in ('0.0.0.0/0', '::/0')
