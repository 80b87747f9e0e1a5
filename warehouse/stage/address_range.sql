-- Ranges of addresses that rules, network ACLs and routes name, as numbers, so that ranges can be compared. Of IPv6 the part that
-- lies in 2000::/3, since nobody on the internet has other addresses. Not part of the public interface.
-- materialized: full
-- key: cidr
-- cidr: The range as AWS writes it, such as 10.0.0.0/8 or ::/0.
-- family: 4 or 6.
-- prefix: Bits of its prefix.
-- first_address: Its first address as a number.
-- last_address: Its last address as a number.
with named as (
    select coalesce(cidr_ipv4, cidr_ipv6) as cidr
    from aws.ec2_security_group_rule
    where not is_egress
    union
    select cidr_block as cidr
    from (select unnest(entries, recursive := true) from aws.ec2_network_acl) as rule
    union
    select destination as cidr
    from (select unnest(routes, recursive := true) from aws.ec2_route_table) as route
    union
    -- Everything, and what nobody on the internet has.
    select unnest(['0.0.0.0/0', '::/0'] || reserved_ipv4_ranges()) as cidr
),

parted as (
    select
        cidr,
        if(contains(cidr, ':'), 6, 4) as family,
        if(contains(cidr, ':'), 128, 32) as bits,
        try_cast(split_part(cidr, '/', 2) as integer) as prefix,
        ip_address(split_part(cidr, '/', 1)) as address
    from named
),

numbered as (
    select
        * exclude (bits),
        -- Ones where the addresses of the range differ.
        case
            when prefix > 0 then (1::uhugeint << (bits - prefix)::uhugeint) - 1
            when family = 4 then 4294967295::uhugeint
            else ~0::uhugeint
        end as host
    from parted
    -- A prefix list has no address; and nobody has what is written as an IPv4 address within IPv6.
    where address is not null and prefix between 0 and bits
),

spanned as (
    select
        cidr,
        family,
        prefix,
        greatest(address & ~host, if(family = 4, 0::uhugeint, 1::uhugeint << 125::uhugeint)) as first_address,
        least(address | host, if(family = 4, 4294967295::uhugeint, (1::uhugeint << 126::uhugeint) - 1))
            as last_address
    from numbered
)

select
    cidr,
    family,
    prefix,
    first_address::hugeint as first_address,
    last_address::hugeint as last_address
from spanned
where first_address <= last_address
