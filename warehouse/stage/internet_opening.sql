-- What comes through from the internet, for each combination of security groups, network ACL and routes that a way in has: on which
-- ports, and for whom. A source counts where a rule of a group lets it in, the ACL does, its answers may leave by the ACL and their
-- route leads to an internet gateway. What is not known of a path keeps nothing out here. The same holds for each combination as it may
-- be, of which what is not trusted keeps nothing out either. Not part of the public interface; read cmdb.finding_exposure.
-- materialized: full
-- key: filter, protocol, from_port
-- filter: Hash of the combination, filter or possible_filter of stage.internet_entry.
-- protocol: tcp, udp, icmp, icmpv6 or the protocol's number; -1 for all that the ACL does not name.
-- from_port: First port; for ICMP the first type; 0 where there are none.
-- to_port: Last port; for ICMP the last type; 65535 where there are none.
-- audience: everybody, wide range, named ranges or own addresses.
-- audience_rank: 1 to 4, the worst first.
-- rule_arns: ARNs of the rules of security groups that open it.
-- cidrs: The ranges that these rules name.
-- is_stale: True where one of these rules is of a response that is not trusted any more.
with path as (
    select distinct
        filter,
        family,
        security_group_ids,
        acl,
        route
    from stage.internet_entry
    union
    select
        possible_filter as filter,
        family,
        security_group_ids,
        possible_acl as acl,
        possible_route as route
    from stage.internet_entry
),

grouped as (
    select
        filter,
        family,
        acl,
        route,
        unnest(security_group_ids) as security_group_id
    from path
),

named as (
    select
        grouped.* exclude (security_group_id),
        rule.arn,
        rule.is_stale,
        coalesce(rule.cidr_ipv4, rule.cidr_ipv6) as cidr,
        ip_protocol(rule.protocol) as protocol,
        coalesce(rule.from_port, -1) as from_port,
        coalesce(rule.to_port, -1) as to_port
    from grouped
    inner join aws.ec2_security_group_rule as rule using (security_group_id)
    where not rule.is_egress
),

rule as (
    select
        named.* exclude (from_port, to_port),
        source.prefix,
        source.first_address,
        source.last_address,
        if(named.protocol in ('tcp', 'udp', 'icmp', 'icmpv6'), greatest(named.from_port, 0), 0) as from_port,
        case
            when named.protocol in ('tcp', 'udp') and named.from_port >= 0 then named.to_port
            when named.protocol in ('icmp', 'icmpv6') then if(named.from_port >= 0, named.from_port, 255)
            else 65535
        end as to_port
    from named
    inner join stage.address_range as source on named.cidr = source.cidr and named.family = source.family
),

acl_protocol as (
    select distinct
        acl,
        protocol
    from stage.network_acl_range
),

judged as (
    select
        rule.*,
        coalesce(own.protocol, '-1') as acl_protocol
    from rule
    left join acl_protocol as own on rule.acl = own.acl and rule.protocol = own.protocol
    where rule.protocol <> '-1'
    union all
    select
        rule.* replace (own.protocol as protocol),
        own.protocol as acl_protocol
    from rule
    inner join acl_protocol as own on rule.acl = own.acl
    where rule.protocol = '-1'
),

answered as (
    select distinct
        acl,
        family,
        protocol,
        first_address,
        last_address
    from stage.network_acl_range
    where is_egress and is_allowed
),

piece as (
    select
        judged.filter,
        judged.family,
        judged.protocol,
        judged.acl_protocol = '-1' as is_unnamed,
        judged.arn,
        judged.cidr,
        judged.prefix,
        judged.is_stale,
        greatest(
            judged.first_address, inward.first_address, answered.first_address, routed.first_address
        ) as first_address,
        least(judged.last_address, inward.last_address, answered.last_address, routed.last_address)
            as last_address,
        greatest(judged.from_port, inward.from_port) as from_port,
        least(judged.to_port, inward.to_port, if(judged.protocol in ('icmp', 'icmpv6'), 255, 65535))
            as to_port
    from judged
    inner join stage.network_acl_range as inward
        on
            judged.acl = inward.acl
            and judged.family = inward.family
            and judged.acl_protocol = inward.protocol
            and judged.first_address <= inward.last_address
            and judged.last_address >= inward.first_address
    inner join answered
        on
            judged.acl = answered.acl
            and judged.family = answered.family
            and judged.acl_protocol = answered.protocol
            and judged.first_address <= answered.last_address
            and judged.last_address >= answered.first_address
    inner join stage.internet_route_range as routed
        on
            judged.route = routed.route
            and judged.family = routed.family
            and judged.first_address <= routed.last_address
            and judged.last_address >= routed.first_address
    where not inward.is_egress and inward.is_allowed
),

held as (
    select *
    from piece
    where first_address <= last_address and from_port <= to_port
),

other as (
    select distinct
        filter,
        protocol
    from held
    where is_unnamed and protocol <> '-1'
),

candidate as (
    select *
    from held
    union all
    select
        held.* replace (
            other.protocol as protocol,
            least(held.to_port, if(other.protocol in ('icmp', 'icmpv6'), 255, 65535)) as to_port
        )
    from held
    inner join other on held.filter = other.filter
    where held.protocol = '-1'
),

edge as (
    select
        filter,
        protocol,
        from_port as port
    from candidate
    union
    select
        filter,
        protocol,
        to_port + 1 as port
    from candidate
),

stretch as (
    select
        filter,
        protocol,
        port as from_port,
        lead(port) over (partition by filter, protocol order by port) - 1 as to_port
    from edge
),

opened as (
    select
        candidate.filter,
        candidate.family,
        candidate.protocol,
        candidate.is_unnamed,
        stretch.from_port,
        stretch.to_port,
        candidate.arn,
        candidate.cidr,
        candidate.is_stale,
        candidate.first_address,
        candidate.last_address,
        -- What lies within a range that came before adds nothing.
        greatest(
            candidate.first_address,
            coalesce(
                max(candidate.last_address) over (
                    partition by candidate.filter, candidate.protocol, stretch.from_port
                    order by
                        candidate.first_address asc,
                        candidate.last_address desc,
                        candidate.prefix asc,
                        candidate.arn asc
                    rows between unbounded preceding and 1 preceding
                ) + 1,
                0
            )
        ) as added_from
    from stretch
    inner join candidate
        on
            stretch.filter = candidate.filter
            and stretch.protocol = candidate.protocol
            and stretch.from_port between candidate.from_port and candidate.to_port
),

own_address as (
    select distinct ip_address(address)::hugeint as address
    from (
        select address
        from aws.ec2_network_interface_address
        where kind = 'public ipv4'
        union all
        select public_ip as address
        from aws.ec2_address
    ) as known
    where not contains(address, ':')
),

owned as (
    -- Small ranges only: addresses of one's own stand one by one.
    select
        small.first_address,
        small.last_address,
        count(*) as address_count
    from (
        select distinct
            first_address,
            last_address
        from opened
        where family = 4 and last_address - first_address < 256
    ) as small
    inner join own_address on own_address.address between small.first_address and small.last_address
    group by small.first_address, small.last_address
),

counted as (
    select
        opened.filter,
        opened.family,
        opened.protocol,
        bool_and(opened.is_unnamed) as is_unnamed,
        opened.from_port,
        opened.to_port,
        sum(greatest(opened.last_address - opened.added_from + 1, 0)) as address_count,
        bool_and(coalesce(owned.address_count = opened.last_address - opened.first_address + 1, false))
            as is_own,
        list(distinct opened.cidr order by opened.cidr) filter (
            where opened.added_from <= opened.last_address
        )
            as cidrs,
        list(distinct { 'arn': opened.arn, 'cidr': opened.cidr, 'is_stale': opened.is_stale }) as rules
    from opened
    left join owned
        on opened.first_address = owned.first_address
            and opened.last_address = owned.last_address
            and opened.family = 4
    group by opened.filter, opened.family, opened.protocol, opened.from_port, opened.to_port
),

public as (
    select
        family,
        sum(last_address - first_address + 1) as address_count
    from stage.public_range
    group by family
),

judged_stretch as (
    select
        counted.filter,
        counted.protocol,
        counted.is_unnamed,
        counted.from_port,
        counted.to_port,
        counted.cidrs,
        case
            when
                public.address_count - counted.address_count
                < if(counted.family = 4, 16777216::hugeint, 1::hugeint << 117::hugeint)
                then 1
            -- A /8, or /16 of IPv6, of which nobody on the internet has a quarter at most.
            when
                counted.address_count >= if(counted.family = 4, 12582912::hugeint, 1::hugeint << 112::hugeint)
                then 2
            when counted.is_own then 4
            else 3
        end as audience_rank,
        list_filter(counted.rules, lambda one: list_contains(counted.cidrs, one.cidr)) as rules
    from counted
    inner join public on counted.family = public.family
),

described as (
    select
        filter,
        protocol,
        is_unnamed,
        from_port,
        to_port,
        audience_rank,
        cidrs,
        list_sort(list_distinct(list_transform(rules, lambda one: one.arn))) as rule_arns,
        list_bool_or(list_transform(rules, lambda one: one.is_stale)) as is_stale
    from judged_stretch
),

begun as (
    select
        *,
        coalesce(
            lag(to_port) over same_ports + 1 <> from_port
            or lag(audience_rank) over same_ports <> audience_rank
            or lag(rule_arns) over same_ports <> rule_arns,
            true
        ) as is_first
    from described
    window same_ports as (partition by filter, protocol order by from_port)
),

joined as (
    select
        *,
        count(*) filter (where is_first) over (partition by filter, protocol order by from_port) as run_number
    from begun
),

opening as (
    select
        filter,
        protocol,
        is_unnamed,
        min(from_port) as from_port,
        max(to_port) as to_port,
        audience_rank,
        rule_arns,
        any_value(cidrs) as cidrs,
        bool_or(is_stale) as is_stale
    from joined
    group by filter, protocol, is_unnamed, audience_rank, rule_arns, run_number
)

select
    opening.filter,
    opening.protocol,
    opening.from_port,
    opening.to_port,
    ['everybody', 'wide range', 'named ranges', 'own addresses'][opening.audience_rank] as audience,
    opening.audience_rank,
    opening.rule_arns,
    opening.cidrs,
    opening.is_stale
from opening
-- What is open for all protocols need not be listed of each.
left join opening as whole
    on
        opening.filter = whole.filter
        and whole.protocol = '-1'
        and opening.protocol <> '-1'
        and opening.is_unnamed
        and opening.audience_rank >= whole.audience_rank
where whole.filter is null
