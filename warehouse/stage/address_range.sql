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
    select
        unnest(
            [
                '0.0.0.0/0',
                '::/0',
                '0.0.0.0/8',
                '10.0.0.0/8',
                '100.64.0.0/10',
                '127.0.0.0/8',
                '169.254.0.0/16',
                '172.16.0.0/12', '192.168.0.0/16', '224.0.0.0/3'
            ]
        ) as cidr
),

parted as (
    select
        cidr,
        if(contains(cidr, ':'), 6, 4) as family,
        try_cast(split_part(cidr, '/', 2) as integer) as prefix,
        string_split(split_part(cidr, '/', 1), '.') as octets,
        list_filter(
            string_split(split_part(split_part(cidr, '/', 1), '::', 1), ':'), lambda part: part <> ''
        ) as before_gap,
        list_filter(
            string_split(split_part(split_part(cidr, '/', 1), '::', 2), ':'), lambda part: part <> ''
        ) as after_gap
    from named
    -- A prefix list is no range, and what is written as an IPv4 address within IPv6 is nobody's.
    where regexp_matches(cidr, '^([0-9.]+|[0-9a-fA-F:]+)/[0-9]+$')
),

worded as (
    select
        * exclude (octets, before_gap, after_gap),
        if(family = 4, 32, 128)::uhugeint as bits,
        if(
            family = 4,
            list_transform(octets, lambda part: try_cast(part as uhugeint)),
            list_transform(
                before_gap
                || list_transform(range(8 - len(before_gap) - len(after_gap)), lambda part: '0')
                || after_gap,
                lambda part: try_cast('0x' || part as uhugeint)
            )
        ) as word
    from parted
),

numbered as (
    select
        * exclude (word),
        if(
            family = 4,
            word[1] * 16777216 + word[2] * 65536 + word[3] * 256 + word[4],
            -- Two halves of four words, 16 bits each.
            (word[1] * 281474976710656 + word[2] * 4294967296 + word[3] * 65536 + word[4])
            * 18446744073709551616
            + word[5] * 281474976710656
            + word[6] * 4294967296
            + word[7] * 65536
            + word[8]
        )::uhugeint as address,
        -- Ones where the addresses of the range differ.
        case
            when prefix > 0 then (1::uhugeint << (bits - prefix::uhugeint)) - 1
            when family = 4 then 4294967295::uhugeint
            else ~0::uhugeint
        end as host
    from worded
    where prefix between 0 and bits
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
