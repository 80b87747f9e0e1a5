-- The addresses of the internet that the routes of a subnet send through an internet gateway: of the routes that fit an address the
-- one with the longest prefix counts. What nobody on the internet has, such as private ranges, is left out. Not part of the public
-- interface; read aws.ec2_route_table.
-- materialized: full
-- key: route, family, first_address
-- route: Hash of the routes, as in stage.internet_entry; empty where it is not known where they lead, which is everywhere here.
-- family: 4 or 6.
-- first_address: First address of the range, as a number.
-- last_address: Last address.
with policy as (
    select distinct
        route,
        routes
    from stage.internet_entry
    where route <> ''
),

named as (
    select
        route,
        unnest(routes) as own
    from policy
),

destination as (
    select
        named.route,
        ranged.family,
        ranged.prefix,
        ranged.first_address,
        ranged.last_address,
        coalesce(starts_with(named.own.target, 'igw-') and named.own.state = 'active', false) as is_open
    from named
    inner join stage.address_range as ranged on named.own.destination = ranged.cidr
),

edge as (
    select
        route,
        family,
        first_address as edge
    from destination
    union
    select
        route,
        family,
        last_address + 1 as edge
    from destination
),

stretch as (
    select
        route,
        family,
        edge as first_address,
        lead(edge) over (partition by route, family order by edge) - 1 as last_address
    from edge
),

opened as (
    select
        stretch.route,
        stretch.family,
        stretch.first_address,
        stretch.last_address
    from stretch
    inner join destination
        on
            stretch.route = destination.route
            and stretch.family = destination.family
            and stretch.first_address between destination.first_address and destination.last_address
    where stretch.last_address is not null
    group by all
    having arg_max(destination.is_open, destination.prefix)
    union all
    select
        '' as route,
        family,
        first_address,
        last_address
    from stage.address_range
    where cidr in ('0.0.0.0/0', '::/0')
)

select
    opened.route,
    opened.family,
    greatest(opened.first_address, public.first_address) as first_address,
    least(opened.last_address, public.last_address) as last_address
from opened
inner join stage.public_range as public
    on
        opened.family = public.family
        and opened.first_address <= public.last_address
        and opened.last_address >= public.first_address
