-- Whatever may be a way in from the internet, with the path that leads to it: each public address of an interface, each database
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
-- subnet_id: Subnet.
-- route_table_id: Route table of the subnet, by name or as the main one; NULL where it is not known.
-- internet_gateway_ids: Internet gateways that active routes of this family lead to.
-- network_acl_id: Network ACL of the subnet; NULL where it is not known.
-- security_group_ids: Security groups that let traffic in, sorted.
-- entries: Rules of the ACL; NULL where they are not known.
-- acl: Hash of these rules; empty where they are not known.
-- routes: Routes of the subnet; NULL where they are not known.
-- route: Hash of these routes; empty where it is not known where they lead.
-- filter: Hash of groups, ACL and routes together, which many ways in have in common.
-- possible_acl: Hash of the ACL's rules; empty where they are not known, or not trusted any more.
-- possible_route: Hash of the routes; empty where they are not known, not trusted any more, or lead to a middlebox.
-- possible_filter: Hash of groups and these two. What it does not let in stays out, whatever is not known.
-- is_known: True where the thing itself is known: it is listed, by a response that is trusted.
-- closed_by: Why nothing of the internet comes in, whatever the rules say; NULL where nothing is known to keep it out.
-- block_public_access: What VPC Block Public Access does to it, in words; NULL where it is off.
-- is_whole: True where each part of the path has a record, trusted or not, and none of them keeps the internet out.
-- unknown_path: What of the path is not known, but for the groups: listing, account_id, region and reason, the outcome of the cell.
-- unknown_rules: The same of its groups and their rules.
-- prefix_list_ids: Prefix lists that a rule of its groups lets in, whose entries nobody may read.
-- is_stale: True where a record of the path is of a response that is not trusted any more.
with cell as (
    select
        account_id,
        region,
        listing_name as listing,
        bool_or(is_judged) as is_judged,
        min(unknown_reason) as unknown_reason
    from audit.expected_cell
    where
        listing_name in (
            'ec2_network_interface',
            'ec2_subnet',
            'ec2_route_table',
            'ec2_internet_gateway',
            'ec2_network_acl',
            'ec2_security_group', 'ec2_security_group_rule', 'ec2_instance', 'rds_db_instance',
            'ec2_vpc_block_public_access_option', 'ec2_vpc_block_public_access_exclusion'
        )
    group by all
),

gateway as (
    select
        led.arn,
        led.entry,
        led.subnet_id,
        bool_or(coalesce(list_contains(gateway.vpc_ids, led.vpc_id), false)) as is_held,
        bool_or(coalesce(list_contains(gateway.vpc_ids, led.vpc_id) and not gateway.is_stale, false))
            as is_attached,
        bool_and(coalesce(not list_contains(gateway.vpc_ids, led.vpc_id) and not gateway.is_stale, false))
            as is_detached
    from (
        select
            arn,
            entry,
            subnet_id,
            vpc_id,
            unnest(internet_gateway_ids) as internet_gateway_id
        from stage.internet_candidate
    ) as led
    left join aws.ec2_internet_gateway as gateway using (internet_gateway_id)
    group by led.arn, led.entry, led.subnet_id
),

-- Of each group whether its rules are known: they are listed, or its owner's rules are and it has none.
ruled as (
    select
        security_group_id,
        bool_or(not is_stale) as is_fresh
    from aws.ec2_security_group_rule
    group by security_group_id
),

held as (
    select distinct
        region,
        unnest(security_group_ids) as security_group_id,
        account_id
    from stage.internet_candidate
),

group_gap as (
    select
        held.account_id,
        held.region,
        held.security_group_id,
        coalesce(listed.account_id, held.account_id) as owner_id,
        if(
            listed.security_group_id is null and coalesce(rule_cell.is_judged, false),
            'ec2_security_group',
            'ec2_security_group_rule'
        ) as listing
    from held
    left join ruled on held.security_group_id = ruled.security_group_id
    left join aws.ec2_security_group as listed on held.security_group_id = listed.security_group_id
    left join cell as rule_cell
        on
            coalesce(listed.account_id, held.account_id) = rule_cell.account_id
            and held.region = rule_cell.region
            and rule_cell.listing = 'ec2_security_group_rule'
    where
        not coalesce(ruled.is_fresh, false)
        and not (listed.security_group_id is not null and coalesce(rule_cell.is_judged, false))
),

grouped as (
    select
        arn,
        entry,
        subnet_id,
        region,
        account_id,
        unnest(security_group_ids) as security_group_id
    from stage.internet_candidate
),

gap as (
    select
        arn,
        entry,
        subnet_id,
        region,
        account_id,
        'ec2_network_interface' as listing
    from stage.internet_candidate
    where kind = 'address' and (unlisted is not null or is_stale)
    union all by name
    select
        arn,
        entry,
        subnet_id,
        region,
        account_id,
        'rds_db_instance' as listing
    from stage.internet_candidate
    where kind = 'database' and is_stale
    union all by name
    select
        located.arn,
        located.entry,
        located.subnet_id,
        located.region,
        coalesce(located.owner_id, located.account_id) as account_id,
        'ec2_route_table' as listing
    from stage.internet_candidate as located
    left join cell
        on
            located.owner_id = cell.account_id
            and located.region = cell.region
            and cell.listing = 'ec2_route_table'
    where
        located.unlisted is null
        and (
            coalesce(located.is_table_stale, true)
            or located.subnet_id = ''
            or (located.is_main_table and not coalesce(cell.is_judged, false))
        )
    union all by name
    select
        arn,
        entry,
        subnet_id,
        region,
        coalesce(owner_id, account_id) as account_id,
        'ec2_internet_gateway' as listing
    from stage.internet_candidate as located
    left join gateway using (arn, entry, subnet_id)
    where located.internet_gateway_ids <> [] and not gateway.is_attached and not gateway.is_detached
    union all by name
    select
        arn,
        entry,
        subnet_id,
        region,
        coalesce(owner_id, account_id) as account_id,
        'ec2_network_acl' as listing
    from stage.internet_candidate
    where unlisted is null and coalesce(is_acl_stale, true)
    union all by name
    select
        located.arn,
        located.entry,
        located.subnet_id,
        located.region,
        group_gap.owner_id as account_id,
        group_gap.listing
    from grouped as located
    inner join group_gap using (account_id, region, security_group_id)
    union all by name
    -- What has no group, such as an older network load balancer, lets in what its listeners take.
    select
        arn,
        entry,
        subnet_id,
        region,
        account_id,
        'ec2_security_group' as listing,
        'no_security_group' as reason
    from stage.internet_candidate
    where security_group_ids = [] and closed_by is null and unlisted is null
    union all by name
    select
        arn,
        entry,
        subnet_id,
        region,
        account_id,
        'ec2_route_table' as listing,
        'led_through_a_middlebox' as reason
    from stage.internet_candidate
    where is_inspected
    union all by name
    select
        arn,
        entry,
        subnet_id,
        region,
        account_id,
        'ec2_route_table' as listing,
        'prefix_list' as reason
    from stage.internet_candidate
    where is_led_by_list
    union all by name
    select
        arn,
        entry,
        subnet_id,
        region,
        account_id,
        'ec2_instance' as listing
    from stage.internet_candidate
    where instance_id is not null and unlisted is null and coalesce(is_instance_stale, true)
    union all by name
    select
        located.arn,
        located.entry,
        located.subnet_id,
        located.region,
        coalesce(located.owner_id, located.account_id) as account_id,
        block.gap_listing as listing,
        block.gap_reason as reason
    from stage.internet_candidate as located
    inner join stage.internet_block as block using (arn, entry, subnet_id)
    where located.unlisted is null and block.gap_listing is not null
),

explained as (
    select
        gap.arn,
        gap.entry,
        gap.subnet_id,
        gap.listing in ('ec2_security_group', 'ec2_security_group_rule') as is_of_rules,
        {
            'listing': gap.listing,
            'account_id': gap.account_id,
            'region': gap.region,
            'reason': coalesce(
                gap.reason,
                own.unknown_reason,
                if(own.account_id is null, whole.unknown_reason, null),
                parent.unknown_reason,
                'not_listed'
            )
        } as part
    from gap
    left join cell as own
        on gap.account_id = own.account_id and gap.region = own.region and gap.listing = own.listing
    left join cell as whole
        on
            gap.account_id = whole.account_id
            and whole.region = 'aws-global'
            and gap.listing = whole.listing
    -- Both are requested where there are interfaces.
    left join cell as parent
        on
            gap.account_id = parent.account_id
            and gap.region = parent.region
            and parent.listing = 'ec2_network_interface'
            and starts_with(gap.listing, 'ec2_vpc_block_public_access_')
),

unknown as (
    select
        arn,
        entry,
        subnet_id,
        -- What a list leads to a gateway alone does not hide that the gateway is detached.
        bool_or(part.listing = 'ec2_route_table' and part.reason <> 'prefix_list')
            as is_route_unknown,
        bool_or(part.listing = 'ec2_network_acl') as is_acl_unknown,
        coalesce(list(distinct part order by part) filter (where not is_of_rules), []) as path,
        coalesce(list(distinct part order by part) filter (where is_of_rules), []) as rules
    from explained
    group by arn, entry, subnet_id
),

by_list as (
    select
        grouped.arn,
        grouped.entry,
        grouped.subnet_id,
        list(distinct rule.prefix_list_id order by rule.prefix_list_id) as prefix_list_ids
    from grouped
    inner join aws.ec2_security_group_rule as rule using (security_group_id)
    where not rule.is_egress and rule.prefix_list_id is not null
    group by grouped.arn, grouped.entry, grouped.subnet_id
),

hashed as (
    select
        arn,
        entry,
        subnet_id,
        coalesce(md5(entries::varchar), '') as acl,
        if(is_led_by_list, '', coalesce(md5(routes::varchar), '')) as route
    from stage.internet_candidate
),

possible as (
    select
        hashed.*,
        if(coalesce(unknown.is_acl_unknown, false), '', hashed.acl) as possible_acl,
        if(coalesce(unknown.is_route_unknown, false), '', hashed.route) as possible_route
    from hashed
    left join unknown using (arn, entry, subnet_id)
)

select
    located.arn,
    located.kind,
    located.entry,
    located.family,
    located.account_id,
    located.region,
    located.name,
    located.interface_type,
    located.network_interface_id,
    located.instance_id,
    located.port,
    located.vpc_id,
    located.subnet_id,
    located.route_table_id,
    located.internet_gateway_ids,
    located.network_acl_id,
    list_sort(located.security_group_ids) as security_group_ids,
    located.entries,
    possible.acl,
    located.routes,
    possible.route,
    md5(concat_ws(
        ' ',
        located.family,
        list_sort(located.security_group_ids)::varchar,
        possible.acl,
        'by',
        possible.route
    )) as filter,
    possible.possible_acl,
    possible.possible_route,
    md5(concat_ws(
        ' ',
        located.family,
        list_sort(located.security_group_ids)::varchar,
        possible.possible_acl,
        'by',
        possible.possible_route
    )) as possible_filter,
    case
        when located.is_stale or located.unlisted is not null then null
        when located.closed_by is not null then located.closed_by
        when
            located.instance_state in ('stopping', 'stopped', 'shutting-down', 'terminated')
            and not located.is_instance_stale
            then 'the instance is ' || located.instance_state
        -- It holds whatever the routes are, unless something in the VPC may hand on what comes in to it.
        when block.effect = 'blocked' and not block.is_vpc_open then block.shown
        -- Only what the routes say of all that they lead to tells it.
        when coalesce(unknown.is_route_unknown, false) then null
        when gateway.is_detached then 'the internet gateway is not attached to the VPC'
        when located.internet_gateway_ids = [] then 'no route leads to an internet gateway'
        when block.effect = 'blocked' then block.shown
    end as closed_by,
    block.shown as block_public_access,
    not located.is_stale and located.unlisted is null as is_known,
    located.closed_by is null
    and located.entries is not null
    and coalesce(gateway.is_held, false)
    and block.is_held_open
    and (located.instance_id is null or located.instance_state in ('pending', 'running')) as is_whole,
    coalesce(unknown.path, []) as unknown_path,
    coalesce(unknown.rules, []) as unknown_rules,
    coalesce(by_list.prefix_list_ids, []) as prefix_list_ids,
    located.is_stale
    or coalesce(located.is_table_stale, false)
    or coalesce(located.is_acl_stale, false)
    or coalesce(located.is_instance_stale, false)
    or block.is_stale
    or not coalesce(gateway.is_attached, true) as is_stale,
    located.run_id,
    located.listing,
    located.role,
    located.caller_account_id,
    located.cell_region,
    located.collected_at
from stage.internet_candidate as located
inner join possible using (arn, entry, subnet_id)
inner join stage.internet_block as block using (arn, entry, subnet_id)
left join gateway using (arn, entry, subnet_id)
left join unknown using (arn, entry, subnet_id)
left join by_list using (arn, entry, subnet_id)
