-- Whatever may be a way in from the internet, with the network that it lies in: each public address of an interface, each database
-- that is publicly accessible (once a subnet that it may stand in), each Elastic IP address of an interface that is not listed. Not
-- part of the public interface; read cmdb.exposure.
-- materialized: full
-- key: arn, entry, subnet_id
-- arn: ARN of the interface, the database or the Elastic IP address.
-- kind: address or database.
-- entry: The public address; of a database the host name of its endpoint.
-- family: 4 or 6: IPv4 or IPv6.
-- account_id: The AWS account that owns it, 12 digits.
-- region: AWS region.
-- name: Name of the database; of an interface the purpose that its maker wrote.
-- interface_type: interface, nat_gateway, network_load_balancer, …; NULL of a database.
-- network_interface_id: Interface; NULL of a database.
-- instance_id: Instance that has the interface; NULL where none has.
-- port: The only port behind it; NULL where rules alone say which.
-- vpc_id: VPC.
-- subnet_id: Subnet; empty where it is not known.
-- security_group_ids: Security groups that let traffic in.
-- closed_by: What it is that lets nothing in by its nature, such as a NAT gateway; NULL of others.
-- unlisted: The listing that ought to show it and does not; NULL where it does.
-- is_stale: True where its own record is of a response that is not trusted any more.
-- owner_id: Account that owns its network, another one where the subnet is shared; NULL where it is not known.
-- route_table_id: Route table of the subnet, its own or the main one; NULL where it is not known.
-- routes: Routes of this table; NULL where they are not known.
-- is_table_stale: True where the table is of a response that is not trusted any more; NULL where it is not known.
-- is_main_table: True where no table is known to be the subnet's own.
-- network_acl_id: Network ACL of the subnet; NULL where it is not known.
-- entries: Its rules; NULL where they are not known.
-- is_acl_stale: True where the ACL is of a response that is not trusted any more; NULL where it is not known.
-- instance_state: State of the instance; NULL where there is none, or it is not known.
-- is_instance_stale: True where the instance is of a response that is not trusted any more; NULL where it is not known.
-- is_inspected: True where public ranges are led to a middlebox: an endpoint, such as a firewall's, an interface or an instance.
--    Whether the internet comes in by it is not looked into.
-- internet_gateway_ids: Internet gateways that active routes of this family lead to.
-- is_led_by_list: True where only a prefix list says what is led to an internet gateway.
with in_subnet as (
    select
        instance.arn,
        'database' as kind,
        instance.endpoint_address as entry,
        4 as family,
        instance.account_id,
        instance.region,
        instance.name,
        null as interface_type,
        null as network_interface_id,
        null as instance_id,
        instance.endpoint_port as port,
        instance.vpc_id,
        instance.availability_zone,
        unnest(coalesce(nullif(instance.subnet_ids, []), [''])) as subnet_id,
        instance.security_group_ids,
        case when instance.status = 'stopped' then 'the database is stopped' end as closed_by,
        null as unlisted,
        instance.is_stale,
        instance.run_id,
        instance.listing,
        instance.role,
        instance.caller_account_id,
        instance.cell_region,
        instance.collected_at
    from aws.rds_db_instance as instance
    where instance.is_publicly_accessible and instance.endpoint_address is not null
),

found as (
    select
        address.arn,
        'address' as kind,
        address.address as entry,
        if(address.kind = 'public ipv4', 4, 6) as family,
        address.account_id,
        address.region,
        nullif(address.description, '') as name,
        address.interface_type,
        address.network_interface_id,
        address.instance_id,
        null::bigint as port,
        address.vpc_id,
        coalesce(address.subnet_id, '') as subnet_id,
        address.security_group_ids,
        case
            when address.interface_type = 'nat_gateway' then 'a NAT gateway lets nothing in'
            when interface.state = 'available' then 'the interface is attached to nothing'
        end as closed_by,
        null as unlisted,
        address.is_stale,
        address.run_id,
        address.listing,
        address.role,
        address.caller_account_id,
        address.cell_region,
        address.collected_at
    from aws.ec2_network_interface_address as address
    inner join aws.ec2_network_interface as interface on address.arn = interface.arn
    where address.is_public
    union all by name
    select in_subnet.* exclude (availability_zone)
    from in_subnet
    left join aws.ec2_subnet as subnet on in_subnet.subnet_id = subnet.subnet_id
    -- It stands in its zone, but for the days on which a standby takes over. The zone's name of a shared subnet is
    -- its owner's: that of the database means another place there.
    qualify
        coalesce(subnet.account_id <> in_subnet.account_id, true)
        or coalesce(subnet.availability_zone = in_subnet.availability_zone, true)
        or not bool_or(
            subnet.availability_zone = in_subnet.availability_zone
        ) over (partition by in_subnet.arn)
    union all by name
    -- An interface may not name the Elastic IP address that it has, and may not be listed at all.
    select
        coalesce(interface.arn, elastic.arn) as arn,
        'address' as kind,
        elastic.public_ip as entry,
        4 as family,
        elastic.account_id,
        elastic.region,
        coalesce(nullif(interface.description, ''), elastic.name) as name,
        interface.interface_type,
        elastic.network_interface_id,
        coalesce(interface.instance_id, elastic.instance_id) as instance_id,
        interface.vpc_id,
        coalesce(interface.subnet_id, '') as subnet_id,
        coalesce(interface.security_group_ids, []) as security_group_ids,
        case when interface.interface_type = 'nat_gateway' then 'a NAT gateway lets nothing in' end
            as closed_by,
        if(interface.arn is null, 'ec2_network_interface', null) as unlisted,
        elastic.is_stale or coalesce(interface.is_stale, false) as is_stale,
        elastic.run_id,
        elastic.listing,
        elastic.role,
        elastic.caller_account_id,
        elastic.cell_region,
        elastic.collected_at
    from aws.ec2_address as elastic
    left join aws.ec2_network_interface as interface using (network_interface_id)
    anti join aws.ec2_network_interface_address as address on elastic.public_ip = address.address
    where elastic.association_id is not null
),

table_of_subnet as (
    select
        unnest(subnet_ids) as subnet_id,
        route_table_id,
        routes,
        is_stale
    from aws.ec2_route_table
),

main_table as (
    select
        vpc_id,
        route_table_id,
        routes,
        is_stale
    from aws.ec2_route_table
    where is_main
),

acl_of_subnet as (
    select
        unnest(subnet_ids) as subnet_id,
        network_acl_id,
        entries,
        is_stale
    from aws.ec2_network_acl
),

owner as (
    -- Whose network it is: what lies in a shared subnet has another owner than its routes and its ACL.
    select
        vpc_id,
        min(account_id) as account_id
    from (
        select
            vpc_id,
            account_id
        from aws.ec2_vpc
        union all
        select
            vpc_id,
            account_id
        from aws.ec2_subnet
        union all
        select
            vpc_id,
            account_id
        from aws.ec2_route_table
    ) as said
    group by vpc_id
),

inspecting as (
    -- A firewall, or what else stands between, answers for these ranges. The table of the gateway may lead the internet to it.
    select distinct
        led.route_table_id,
        public.family
    from (
        select
            route_table_id,
            route.target as target,
            -- A list may name any range. One that leads to an endpoint is AWS's, of a service.
            unnest(
                case
                    when not starts_with(route.destination, 'pl-') then [route.destination]
                    when not starts_with(route.target, 'vpce-') then ['0.0.0.0/0', '::/0']
                    else []
                end
            ) as destination
        from (
            select
                route_table_id,
                unnest(routes) as route
            from aws.ec2_route_table
        ) as written
        where route.state = 'active' and regexp_matches(route.target, '^(vpce|eni|i)-')
    ) as led
    inner join stage.address_range as ranged on led.destination = ranged.cidr
    inner join stage.public_range as public
        on
            ranged.family = public.family
            and ranged.first_address <= public.last_address
            and ranged.last_address >= public.first_address
),

placed as (
    select
        found.*,
        owner.account_id as owner_id,
        coalesce(own.route_table_id, main_table.route_table_id) as route_table_id,
        coalesce(own.routes, main_table.routes) as routes,
        coalesce(own.is_stale, main_table.is_stale) as is_table_stale,
        -- That no table is the subnet's own is known where the owner's tables are.
        own.route_table_id is null as is_main_table,
        acl.network_acl_id,
        acl.entries,
        acl.is_stale as is_acl_stale,
        instance.state as instance_state,
        instance.is_stale as is_instance_stale,
        inspecting.route_table_id is not null as is_inspected
    from found
    left join owner on found.vpc_id = owner.vpc_id
    left join table_of_subnet as own on found.subnet_id = own.subnet_id
    left join main_table on found.vpc_id = main_table.vpc_id
    left join acl_of_subnet as acl on found.subnet_id = acl.subnet_id
    left join aws.ec2_instance as instance on found.instance_id = instance.instance_id
    left join inspecting
        on
            coalesce(own.route_table_id, main_table.route_table_id) = inspecting.route_table_id
            and found.family = inspecting.family
),

routed as (
    select
        placed.*,
        list_filter(
            coalesce(placed.routes, []),
            lambda route: route.state = 'active'
            and (
                starts_with(route.destination, 'pl-')
                or contains(route.destination, ':') = (placed.family = 6)
            )
        ) as active_routes
    from placed
)

select
    routed.* exclude (active_routes),
    list_sort(list_distinct(list_transform(
        list_filter(active_routes, lambda route: starts_with(route.target, 'igw-')),
        lambda route: route.target
    ))) as internet_gateway_ids,
    list_filter(
        active_routes,
        lambda route: starts_with(route.target, 'igw-') and starts_with(route.destination, 'pl-')
    ) <> []
    and list_filter(
        active_routes,
        lambda route: starts_with(route.target, 'igw-') and route.destination in ('0.0.0.0/0', '::/0')
    ) = [] as is_led_by_list
from routed
