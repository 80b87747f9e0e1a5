-- What each rule of a security group lets in from the public internet: from everywhere by itself, from everywhere together
-- with other rules of its group, or from a wide range. Not part of the public interface; read cmdb.finding_open_rule.
-- Everywhere leaves out less than 1/256 of the public addresses: a range that is not 0.0.0.0/0 may mean as much, and so
-- may 0.0.0.0/1 and 128.0.0.0/1, or all ranges but the private ones. Ranges that are longer than /24 and /32 (IPv6) add
-- nothing to that.
-- materialized: full
-- key: arn, protocol, from_port, to_port
-- arn: ARN of the rule.
-- exposure: world, world in parts or wide range.
-- protocol: Protocol that it opens so; -1 for all protocols.
-- from_port: First port that it opens so; for ICMP its type; -1, or in parts 0, where the rule is for all.
-- to_port: Last port that it opens so; for ICMP its code, in parts its type again; -1, or in parts 65535, where the
-- rule is for all.
with said as (
    select
        arn,
        security_group_id,
        protocol,
        coalesce(from_port, -1) as from_port,
        coalesce(to_port, -1) as to_port,
        coalesce(cidr_ipv4, cidr_ipv6) as cidr
    from aws.ec2_security_group_rule
    where not is_egress and coalesce(cidr_ipv4, cidr_ipv6) is not null
    union all by name
    -- What nobody on the public internet has. Of IPv6 only 2000::/3 is given to anybody.
    select unnest(reserved_ipv4_ranges() || ['::/3', '4000::/2', '8000::/1']) as cidr
),

parted as (
    select
        * exclude (cidr),
        if(contains(cidr, ':'), 6, 4) as family,
        try_cast(split_part(cidr, '/', 2) as integer) as prefix,
        ip_address(split_part(cidr, '/', 1)) as whole_address
    from said
),

numbered as (
    -- An address as a number: 32 bits, or the first 64 of IPv6, which is all that a wide range has.
    select
        * exclude (whole_address),
        (whole_address >> (if(family = 4, 0, 64)::uhugeint))::hugeint as address,
        if(family = 4, 1::hugeint << 32, 1::hugeint << 64) as space,
        1::hugeint << (if(family = 4, 32, 64) - prefix) as size
    from parted
    where prefix <= if(family = 4, 24, 32)
),

network as (
    select
        * exclude (address),
        address - address % size as first_address
    from numbered
    where address is not null
),

reserved as (
    select *
    from network
    where arn is null
),

outward as (
    select network.*
    from network
    anti join reserved
        on
            network.family = reserved.family
            and network.first_address >= reserved.first_address
            and network.first_address + network.size <= reserved.first_address + reserved.size
),

alone as (
    select
        outward.arn,
        outward.protocol,
        outward.from_port,
        outward.to_port,
        case
            when
                outward.space - outward.size - coalesce(sum(reserved.size), 0)
                < if(any_value(outward.family) = 4, 1::hugeint << 24, 1::hugeint << 53)
                then 'world'
            when any_value(outward.prefix) <= if(any_value(outward.family) = 4, 8, 16) then 'wide range'
        end as exposure
    from outward
    left join reserved
        on
            outward.family = reserved.family
            and (
                reserved.first_address + reserved.size <= outward.first_address
                or reserved.first_address >= outward.first_address + outward.size
            )
    group by outward.arn, outward.protocol, outward.from_port, outward.to_port, outward.space, outward.size
),

named as (
    select distinct
        security_group_id,
        family,
        protocol
    from outward
),

-- Only a group with a large range can let everybody in by the thousand rules that it may have.
large as (
    select
        security_group_id,
        family
    from outward
    where size * 8192 >= space
),

world as (
    select arn
    from alone
    where exposure = 'world'
),

candidate as (
    select
        outward.arn,
        outward.security_group_id,
        outward.family,
        outward.first_address,
        outward.size,
        outward.space,
        other.protocol,
        -- A rule for all protocols opens what the others of its group name, too.
        if(outward.protocol = '-1' or outward.from_port < 0, 0, outward.from_port) as from_port,
        case
            when outward.protocol = '-1' or outward.from_port < 0 then 65535
            when outward.protocol in ('tcp', 'udp') then outward.to_port
            else outward.from_port
        end as to_port
    from outward
    inner join named as other
        on
            outward.security_group_id = other.security_group_id
            and outward.family = other.family
            and (outward.protocol = other.protocol or outward.protocol = '-1')
    semi join large
        on outward.security_group_id = large.security_group_id and outward.family = large.family
    anti join world on outward.arn = world.arn
),

edge as (
    select
        security_group_id,
        family,
        protocol,
        from_port as port
    from candidate
    union
    select
        security_group_id,
        family,
        protocol,
        to_port + 1 as port
    from candidate
),

stretch as (
    select
        security_group_id,
        family,
        protocol,
        port as from_port,
        lead(port) over (partition by security_group_id, family, protocol order by port) - 1 as to_port
    from edge
),

opening as (
    -- Every range from which a stretch of ports is open.
    select distinct
        stretch.*,
        candidate.first_address,
        candidate.size,
        candidate.space
    from stretch
    inner join candidate
        on
            stretch.security_group_id = candidate.security_group_id
            and stretch.family = candidate.family
            and stretch.protocol = candidate.protocol
            and stretch.from_port between candidate.from_port and candidate.to_port
    union
    select distinct
        stretch.*,
        reserved.first_address,
        reserved.size,
        reserved.space
    from stretch
    inner join reserved on stretch.family = reserved.family
    where stretch.to_port is not null
),

adding as (
    -- Ranges lie within each other or apart: what lies within another one adds nothing.
    select *
    from opening
    qualify
        first_address >= coalesce(
            max(first_address + size) over (
                partition by security_group_id, family, protocol, from_port
                order by first_address asc, size desc
                rows between unbounded preceding and 1 preceding
            ), 0
        )
),

whole as (
    select
        security_group_id,
        family,
        protocol,
        from_port,
        to_port
    from adding
    group by all
    having
        any_value(space) - sum(size)
        < if(family = 4, 1::hugeint << 24, 1::hugeint << 53)
),

together as (
    select
        candidate.arn,
        whole.protocol,
        whole.from_port,
        whole.to_port
    from candidate
    inner join whole
        on
            candidate.security_group_id = whole.security_group_id
            and candidate.family = whole.family
            and candidate.protocol = whole.protocol
            and whole.from_port between candidate.from_port and candidate.to_port
    semi join adding
        on
            whole.security_group_id = adding.security_group_id
            and whole.family = adding.family
            and whole.protocol = adding.protocol
            and whole.from_port = adding.from_port
            and candidate.first_address = adding.first_address
            and candidate.size = adding.size
)

select
    arn,
    exposure,
    protocol,
    from_port,
    to_port
from alone
anti join together using (arn)
where exposure is not null
union all
select
    arn,
    'world in parts' as exposure,
    protocol,
    from_port,
    to_port
from together
