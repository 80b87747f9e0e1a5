-- The addresses that somebody on the internet may have, as ranges that lie apart: all but those of private networks, carriers' own,
-- loopback, link-local, multicast and reserved ones; of IPv6 those of 2000::/3. Not part of the public interface.
-- materialized: full
-- key: family, first_address
-- family: 4 or 6.
-- first_address: First address of the range, as a number.
-- last_address: Last address.
with reserved as (
    select
        family,
        first_address,
        last_address
    from stage.address_range
    where list_contains(reserved_ipv4_ranges(), cidr)
),

between_them as (
    -- They begin with the first address of all and end with the last.
    select
        family,
        last_address + 1 as first_address,
        lead(first_address) over (order by first_address) - 1 as last_address
    from reserved
)

select *
from between_them
where last_address is not null
union all
select
    family,
    first_address,
    last_address
from stage.address_range
where cidr = '::/0'
