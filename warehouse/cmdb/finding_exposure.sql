-- One row per thing that the internet reaches and opening: a public address of an interface, a database that is publicly accessible,
-- or a snapshot or machine image whose data everybody with an AWS account can read, with the whole path: gateway, routes, network ACL, rules. A source
-- counts where a rule lets it in, the ACL does, its answers find their way back, and no VPC Block Public Access keeps it out; several
-- ranges of several groups count together. Whether something listens on the port is for nobody to list. Where a part of a path is not known, there is no row but one of
-- cmdb.finding_exposure_unknown; cmdb.exposure has the verdict of each way in. Addresses of load balancers are those of their
-- interfaces. Policies of buckets and functions are not listed under the contract: those are unknown there. CloudFront and API Gateway
-- are in neither.
-- materialized: full_from_previous
-- key: arn, entry, opening
-- arn: ARN of the interface, the database, the snapshot or the image.
-- entry: The public address, the host name of the database's endpoint, the id of the snapshot or image, or the name of a database
--    snapshot.
-- opening: Protocol and ports in words, such as tcp 443; all for every protocol that the ACL has no rule of its own for; data of a
--    snapshot or image.
-- kind: address, database, snapshot or image.
-- account_id: The AWS account that owns it, 12 digits.
-- region: AWS region.
-- name: Name of the database, database snapshot or image; of an interface the purpose that its maker wrote; NULL of others.
-- audience: Who gets in: everybody (all public addresses but less than 1/256), wide range (as many as three quarters of a /8, of a /16
--    for IPv6), named ranges (fewer), own addresses (public IPv4 addresses that the organisation has itself).
-- audience_rank: 1 to 4, the worst first.
-- protocol: tcp, udp, icmp, icmpv6 or the protocol's number; -1 for all that the ACL does not name; NULL of a snapshot or image.
-- from_port: First port; for ICMP its first type; NULL of a snapshot or image.
-- to_port: Last port; for ICMP its last type; NULL of a snapshot or image.
-- port_class: all ports, ssh, rdp, database, web or other, by ref.port_class: the worst that it opens; NULL of a snapshot or image.
-- port_class_rank: The lower, the worse; NULL for other and of a snapshot.
-- cidrs: The ranges that the rules name; of them those get in that ACL and routes let through.
-- path: The path in words, from the internet to it.
-- internet_gateway_ids: Internet gateways that the routes lead to; empty of a snapshot or image.
-- route_table_id: Route table of the subnet; NULL of a snapshot or image.
-- network_acl_id: Network ACL of the subnet; NULL of a snapshot or image.
-- rule_arns: ARNs of the security group rules that open it; empty of a snapshot or image.
-- network_interface_id: Interface; NULL of a database, snapshot or image.
-- instance_id: Instance that has the interface; NULL where none has.
-- vpc_id: VPC; NULL of a snapshot or image.
-- subnet_id: Subnet; NULL of a snapshot or image.
-- first_seen_at: When a run first saw it open so, or wider, UTC.
with opened as (
    select
        way.*,
        opening.opening,
        opening.audience,
        opening.audience_rank,
        opening.protocol,
        opening.from_port,
        opening.to_port,
        opening.cidrs,
        opening.rule_arns,
        way.is_stale or opening.is_rule_stale as is_path_stale
    from stage.internet_entry as way
    inner join stage.internet_way as opening using (arn, entry, subnet_id)
    where way.closed_by is null and way.is_whole
    -- A database may stand in several subnets.
    qualify
        row_number() over (
            partition by way.arn, way.entry, opening.opening
            order by opening.audience_rank asc, is_path_stale asc, way.subnet_id asc
        ) = 1
),

classed as (
    select
        opening.arn,
        opening.entry,
        opening.opening,
        min_by(class.port_class, class.rank) as port_class,
        min(class.rank) as port_class_rank
    from opened as opening
    inner join ref.port_class as class
        on
            (opening.protocol = '-1' and class.is_whole)
            or (
                opening.protocol = class.protocol
                and case
                    when class.is_whole
                        then opening.from_port <= class.from_port and opening.to_port >= class.to_port
                    else opening.from_port <= class.to_port and opening.to_port >= class.from_port
                end
            )
    group by opening.arn, opening.entry, opening.opening
),

given as (
    select * from stage.public_data
    union all by name
    select
        arn,
        name as entry,
        'snapshot' as kind,
        account_id,
        region,
        name,
        access = 'unknown' as is_stale,
        run_id,
        listing,
        role,
        caller_account_id,
        cell_region,
        collected_at
    from cmdb.database_snapshot_access
    where is_public
),

reached as (
    select
        opened.arn,
        opened.entry,
        opened.opening,
        opened.kind,
        opened.account_id,
        opened.region,
        opened.name,
        opened.audience,
        opened.audience_rank,
        opened.protocol,
        opened.from_port::integer as from_port,
        opened.to_port::integer as to_port,
        coalesce(classed.port_class, 'other') as port_class,
        classed.port_class_rank,
        opened.cidrs,
        concat_ws(
            ' → ',
            'internet',
            opened.block_public_access,
            array_to_string(opened.internet_gateway_ids, ', '),
            opened.route_table_id,
            opened.network_acl_id,
            array_to_string(
                list_transform(opened.rule_arns, lambda rule: regexp_extract(rule, '[^/]*$')), ', '
            ),
            coalesce(opened.network_interface_id, opened.name),
            opened.instance_id
        ) as path,
        opened.internet_gateway_ids,
        opened.route_table_id,
        opened.network_acl_id,
        opened.rule_arns,
        opened.network_interface_id,
        opened.instance_id,
        opened.vpc_id,
        opened.subnet_id,
        opened.is_path_stale as is_stale,
        opened.run_id,
        opened.listing,
        opened.role,
        opened.caller_account_id,
        opened.cell_region,
        opened.collected_at
    from opened
    left join classed using (arn, entry, opening)
    union all by name
    select
        *,
        'data' as opening,
        'everybody' as audience,
        1 as audience_rank,
        [] as cidrs,
        'everybody with an AWS account → ' || entry as path,
        [] as internet_gateway_ids,
        [] as rule_arns
    from given
),

known_since as (
    select
        reached.arn,
        reached.entry,
        reached.opening,
        min(before.first_seen_at) as first_seen_at
    from reached
    inner join cmdb.finding_exposure as before
        on
            reached.arn = before.arn
            and reached.entry = before.entry
            and reached.audience_rank >= before.audience_rank
            and (
                reached.opening = before.opening
                or (
                    before.protocol in (reached.protocol, '-1')
                    and reached.from_port >= before.from_port
                    and reached.to_port <= before.to_port
                )
            )
    group by reached.arn, reached.entry, reached.opening
)

select
    reached.*,
    coalesce(known_since.first_seen_at, reached.collected_at) as first_seen_at
from reached
left join known_since using (arn, entry, opening)
