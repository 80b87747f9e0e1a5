-- One row per relation that a record of the newest trusted responses states, once for each record that states it, so it
-- has no key: what cmdb.relationship is made of. Not part of the public interface. The other end is looked up in
-- stage.arn_by_id by its id; where it is not there, its ARN is built from the account and region of the record, unless it cannot be known.
-- materialized: view
-- from_arn: ARN of the item that the record is about; application:<name> for a business service.
-- from_resource_type: AWS's name of its type; Application for a business service.
-- relation: One of ref.relation.
-- to_arn: ARN of the other end; where nobody knows it, such as that of a database that is not there any more or of an endpoint service of somebody else, its type and id: AWS::RDS::DBInstance/db-ABC….
-- to_name: Name that the record gives the other end; NULL where it gives none.
-- to_resource_type: AWS's name of its type.
-- source: The table that states it in schema aws; for an application resource tag or account default.
-- run_id: The run that collected the record.
with record as (
    select -- noqa: AM07
        r.arn as from_arn,
        'AWS::EC2::Instance' as from_resource_type,
        unnest(list_concat(
            [
                { 'relation': 'contained_in', 'to_type': 'AWS::EC2::Subnet', 'to_id': r.subnet_id }
            ],
            list_transform(
                coalesce(r.security_group_ids, []),
                lambda id: {
                    'relation': 'associated_with', 'to_type': 'AWS::EC2::SecurityGroup', 'to_id': id
                }
            )
        )) as said,
        'ec2_instance' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.ec2_instance as r

    union all by name

    -- Whose the last three are does not stand in the record: they may be shared.
    select
        r.arn as from_arn,
        'AWS::EC2::Instance' as from_resource_type,
        unnest([
            { 'relation': 'associated_with', 'to_type': 'AWS::EC2::KeyPair', 'to_id': key_pair.key_pair_id },
            { 'relation': 'hosted_on', 'to_type': 'AWS::EC2::Host', 'to_id': r.host_id },
            {
                'relation': 'associated_with',
                'to_type': 'AWS::EC2::PlacementGroup',
                'to_id': r.placement_group_id
            },
            {
                'relation': 'associated_with',
                'to_type': 'AWS::EC2::CapacityReservation',
                'to_id': r.capacity_reservation_id
            }
        ]) as said,
        'ec2_instance' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.ec2_instance as r
    -- An instance keeps the name of a key pair that is deleted, and another may be made of that name.
    left join aws.ec2_key_pair as key_pair
        on
            r.account_id = key_pair.account_id
            and r.region = key_pair.region
            and r.key_name = key_pair.key_name
            and coalesce(r.launched_at >= key_pair.created_at, true)

    union all by name

    -- Images of Amazon and of others outside are no items of anybody's here, and what is deregistered is none at all.
    select
        r.arn as from_arn,
        'AWS::EC2::Instance' as from_resource_type,
        unnest([
            { 'relation': 'created_from', 'to_type': 'AWS::EC2::Image', 'to_id': r.image_id }
        ]) as said,
        image.image_owner_id as to_account_id,
        image.name as to_name,
        'ec2_instance' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.ec2_instance as r
    inner join stage.image_in_use as image on r.image_id = image.image_id and not image.is_deregistered
    inner join org.account as owner on image.image_owner_id = owner.account_id and owner.state <> 'LEFT'
    where r.state <> 'terminated'

    union all by name

    select
        r.arn as from_arn,
        'AWS::EC2::Subnet' as from_resource_type,
        unnest([
            { 'relation': 'contained_in', 'to_type': 'AWS::EC2::VPC', 'to_id': r.vpc_id }
        ]) as said,
        'ec2_subnet' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.ec2_subnet as r

    union all by name

    select
        r.arn as from_arn,
        'AWS::EC2::SecurityGroup' as from_resource_type,
        unnest([
            { 'relation': 'contained_in', 'to_type': 'AWS::EC2::VPC', 'to_id': r.vpc_id }
        ]) as said,
        'ec2_security_group' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.ec2_security_group as r

    union all by name

    select
        r.arn as from_arn,
        'AWS::EC2::SecurityGroup' as from_resource_type,
        unnest([
            { 'relation': 'associated_with', 'to_type': 'AWS::EC2::VPC', 'to_id': r.vpc_id }
        ]) as said,
        'ec2_security_group_vpc_association' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.ec2_security_group_vpc_association as r
    where r.state in ('associated', 'disassociating', 'disassociation-failed')

    union all by name

    select
        r.arn as from_arn,
        'AWS::EC2::NetworkInterface' as from_resource_type,
        unnest(list_concat(
            [
                { 'relation': 'contained_in', 'to_type': 'AWS::EC2::Subnet', 'to_id': r.subnet_id },
                { 'relation': 'attached_to', 'to_type': 'AWS::EC2::Instance', 'to_id': r.instance_id }
            ],
            list_transform(
                coalesce(r.security_group_ids, []),
                lambda id: {
                    'relation': 'associated_with', 'to_type': 'AWS::EC2::SecurityGroup', 'to_id': id
                }
            )
        )) as said,
        'ec2_network_interface' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.ec2_network_interface as r

    union all by name

    select
        r.arn as from_arn,
        'AWS::EC2::Volume' as from_resource_type,
        unnest(list_transform(
            r.instance_ids,
            lambda id: { 'relation': 'attached_to', 'to_type': 'AWS::EC2::Instance', 'to_id': id }
        )) as said,
        'ec2_volume' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.ec2_volume as r

    union all by name

    select
        r.arn as from_arn,
        'AWS::EC2::Snapshot' as from_resource_type,
        unnest([
            { 'relation': 'created_from', 'to_type': 'AWS::EC2::Volume', 'to_id': r.volume_id }
        ]) as said,
        'ec2_snapshot' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.ec2_snapshot as r

    union all by name

    select
        r.arn as from_arn,
        'AWS::EC2::Image' as from_resource_type,
        unnest(list_transform(
            r.snapshot_ids,
            lambda id: { 'relation': 'created_from', 'to_type': 'AWS::EC2::Snapshot', 'to_id': id }
        )) as said,
        'ec2_image' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.ec2_image as r

    union all by name

    select
        r.arn as from_arn,
        'AWS::EC2::EIP' as from_resource_type,
        unnest([
            {
                'relation': 'associated_with',
                'to_type': 'AWS::EC2::NetworkInterface',
                'to_id': r.network_interface_id
            },
            { 'relation': 'associated_with', 'to_type': 'AWS::EC2::Instance', 'to_id': r.instance_id }
        ]) as said,
        'ec2_address' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.ec2_address as r

    union all by name

    select
        r.arn as from_arn,
        'AWS::EC2::NatGateway' as from_resource_type,
        unnest(list_concat(
            -- A regional gateway stands in no subnet.
            [
                case
                    when r.subnet_id is null
                        then { 'relation': 'contained_in', 'to_type': 'AWS::EC2::VPC', 'to_id': r.vpc_id }
                    else { 'relation': 'contained_in', 'to_type': 'AWS::EC2::Subnet', 'to_id': r.subnet_id }
                end
            ],
            list_transform(
                coalesce(r.allocation_ids, []),
                lambda id: { 'relation': 'associated_with', 'to_type': 'AWS::EC2::EIP', 'to_id': id }
            )
        )) as said,
        'ec2_nat_gateway' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.ec2_nat_gateway as r

    union all by name

    select
        r.arn as from_arn,
        'AWS::RDS::DBInstance' as from_resource_type,
        unnest(list_concat(
            [
                { 'relation': 'contained_in', 'to_type': 'AWS::RDS::DBCluster', 'to_id': r.cluster_name },
                { 'relation': 'hosted_on', 'to_type': 'AWS::RDS::DBSubnetGroup', 'to_id': r.db_subnet_group }
            ],
            list_transform(
                coalesce(r.security_group_ids, []),
                lambda id: {
                    'relation': 'associated_with', 'to_type': 'AWS::EC2::SecurityGroup', 'to_id': id
                }
            )
        )) as said,
        'rds_db_instance' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.rds_db_instance as r

    union all by name

    select
        r.arn as from_arn,
        'AWS::RDS::DBCluster' as from_resource_type,
        unnest(list_concat(
            [
                { 'relation': 'hosted_on', 'to_type': 'AWS::RDS::DBSubnetGroup', 'to_id': r.db_subnet_group }
            ],
            list_transform(
                coalesce(r.security_group_ids, []),
                lambda id: {
                    'relation': 'associated_with', 'to_type': 'AWS::EC2::SecurityGroup', 'to_id': id
                }
            )
        )) as said,
        'rds_db_cluster' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.rds_db_cluster as r

    union all by name

    -- Nobody lists subnet groups: what is known of one is what its databases say.
    select
        regexp_extract(r.arn, '^([^:]*:){5}') || 'subgrp:' || r.db_subnet_group as from_arn,
        'AWS::RDS::DBSubnetGroup' as from_resource_type,
        unnest([
            { 'relation': 'contained_in', 'to_type': 'AWS::EC2::VPC', 'to_id': r.vpc_id }
        ]) as said,
        'rds_db_instance' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.rds_db_instance as r

    union all by name

    select
        r.arn as from_arn,
        case
            when r.is_of_cluster
                then 'AWS::RDS::DBClusterSnapshot'
            else 'AWS::RDS::DBSnapshot'
        end as from_resource_type,
        unnest([
            {
                'relation': 'created_from',
                'to_type': case
                    when r.is_of_cluster
                        then 'AWS::RDS::DBCluster'
                    else 'AWS::RDS::DBInstance'
                end,
                -- By the id, for another database may have the name by now.
                'to_id': coalesce(r.source_resource_id, r.source_name)
            }
        ]) as said,
        r.source_name as to_name,
        'rds_db_snapshot' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.rds_db_snapshot as r
    -- Automated snapshots are no items of their own.
    where r.snapshot_type is distinct from 'automated'

    union all by name

    select
        r.arn as from_arn,
        'AWS::Lambda::Function' as from_resource_type,
        unnest(list_concat(
            [
                { 'relation': 'attached_to', 'to_type': 'AWS::EC2::VPC', 'to_id': r.vpc_id },
                {
                    'relation': 'hosted_on',
                    'to_type': 'AWS::Lambda::CapacityProvider',
                    'to_id': r.capacity_provider_arn
                }
            ],
            list_transform(
                coalesce(r.security_group_ids, []),
                lambda id: {
                    'relation': 'associated_with', 'to_type': 'AWS::EC2::SecurityGroup', 'to_id': id
                }
            )
        )) as said,
        'lambda_function' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.lambda_function as r

    union all by name

    select
        proxy.arn as from_arn,
        'AWS::RDS::DBProxy' as from_resource_type,
        unnest([
            {
                'relation': 'depends_on',
                'to_type': case r.target_type
                    when 'RDS_INSTANCE' then 'AWS::RDS::DBInstance' else 'AWS::RDS::DBCluster'
                end,
                'to_id': r.target_arn
            }
        ]) as said,
        'rds_db_proxy_target' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.rds_db_proxy_target as r
    inner join aws.rds_db_proxy as proxy
        on
            r.account_id = proxy.account_id
            and r.region = proxy.region
            and r.db_proxy_name = proxy.db_proxy_name

    union all by name

    -- What a peering joins can reach each other while it is active, whoever owns it.
    select
        regexp_extract(r.arn, '^([^:]*:){5}') || 'vpc/' || r.requester_vpc_id as from_arn,
        'AWS::EC2::VPC' as from_resource_type,
        unnest([
            { 'relation': 'connected_to', 'to_type': 'AWS::EC2::VPC', 'to_id': r.accepter_vpc_id }
        ]) as said,
        r.accepter_account_id as to_account_id,
        r.accepter_region as to_region,
        'ec2_vpc_peering_connection' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.ec2_vpc_peering_connection as r
    where r.state = 'active'

    union all by name

    -- Which of the networks on a transit gateway reach each other is for its route tables to say.
    select
        regexp_extract(r.arn, '^([^:]*:){5}') || 'vpc/' || r.vpc_id as from_arn,
        'AWS::EC2::VPC' as from_resource_type,
        unnest([
            {
                'relation': 'connected_to',
                'to_type': 'AWS::EC2::TransitGateway',
                'to_id': r.transit_gateway_id
            }
        ]) as said,
        r.transit_gateway_owner_id as to_account_id,
        'ec2_transit_gateway_attachment' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.ec2_transit_gateway_attachment as r
    where r.state = 'available' and r.vpc_id is not null

    union all by name

    -- The last part of a service's name is its id, where it is somebody's and not of AWS.
    select
        r.arn as from_arn,
        'AWS::EC2::VPCEndpoint' as from_resource_type,
        unnest([
            {
                'relation': 'depends_on',
                'to_type': 'AWS::EC2::VPCEndpointService',
                'to_id': nullif(regexp_extract(r.service_name, 'vpce-svc-[0-9a-z]+$'), '')
            }
        ]) as said,
        r.service_name as to_name,
        'ec2_vpc_endpoint' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.ec2_vpc_endpoint as r
    where not (r.state in ('deleted', 'rejected', 'failed', 'expired'))

    union all by name

    select
        r.arn as from_arn,
        r.resource_type as from_resource_type,
        unnest([
            { 'relation': 'contained_in', 'to_type': 'AWS::ResourceGroups::Group', 'to_id': r.group_arn }
        ]) as said,
        'resource_group_member' as source,
        r.is_stale,
        r.run_id,
        r.listing,
        r.role,
        r.caller_account_id,
        r.cell_region,
        r.collected_at
    from aws.resource_group_member as r
),

stated as (
    select -- noqa: AM07
        record.* exclude (said),
        record.said.relation as relation,
        record.said.to_type as to_type,
        record.said.to_id as to_id
    from record
    union all by name
    -- What the headers of the tables say of their columns.
    select * from stage.listed_relation
),

ended as (
    select
        stated.from_arn,
        stated.from_resource_type,
        stated.relation,
        case
            when stated.to_type = 'AWS::ResourceGroups::Group' or starts_with(stated.to_id, 'arn:')
                then stated.to_id
            -- A bucket's name is unique in the world, and its ARN holds nothing else.
            when stated.to_type = 'AWS::S3::Bucket'
                then regexp_extract(stated.from_arn, '^arn:[^:]*:') || 's3:::' || stated.to_id
            else coalesce(
                    known.arn,
                    -- An ARN of a database holds its name, which another one may have by now: none is made up.
                    case when stated.relation = 'created_from'
                            and starts_with(stated.to_type, 'AWS::RDS::')
                            then stated.to_type || '/' || stated.to_id
                    end,
                    regexp_extract(stated.from_arn, '^arn:[^:]*:')
                    || case when starts_with(stated.to_type, 'AWS::RDS::') then 'rds' else 'ec2' end
                    || ':'
                    || coalesce(stated.to_region, split_part(stated.from_arn, ':', 4))
                    || ':'
                    || coalesce(stated.to_account_id, split_part(stated.from_arn, ':', 5))
                    || ':'
                    || case stated.to_type
                        when 'AWS::EC2::Subnet' then 'subnet/'
                        when 'AWS::EC2::VPC' then 'vpc/'
                        when 'AWS::EC2::SecurityGroup' then 'security-group/'
                        when 'AWS::EC2::Instance' then 'instance/'
                        when 'AWS::EC2::Volume' then 'volume/'
                        when 'AWS::EC2::Snapshot' then 'snapshot/'
                        when 'AWS::EC2::Image' then 'image/'
                        when 'AWS::EC2::NetworkInterface' then 'network-interface/'
                        when 'AWS::EC2::EIP' then 'elastic-ip/'
                        when 'AWS::EC2::SecondaryNetwork' then 'secondary-network/'
                        when 'AWS::EC2::SecondarySubnet' then 'secondary-subnet/'
                        when 'AWS::EC2::TransitGateway' then 'transit-gateway/'
                        when 'AWS::EC2::TransitGatewayAttachment' then 'transit-gateway-attachment/'
                        when 'AWS::EC2::TransitGatewayRouteTable' then 'transit-gateway-route-table/'
                        when 'AWS::EC2::VPNConnection' then 'vpn-connection/'
                        when 'AWS::EC2::VPNGateway' then 'vpn-gateway/'
                        when 'AWS::EC2::CustomerGateway' then 'customer-gateway/'
                        when 'AWS::EC2::IPAM' then 'ipam/'
                        when 'AWS::EC2::IPAMPool' then 'ipam-pool/'
                        when 'AWS::EC2::VerifiedAccessInstance' then 'verified-access-instance/'
                        when 'AWS::EC2::VerifiedAccessGroup' then 'verified-access-group/'
                        when 'AWS::RDS::DBCluster' then 'cluster:'
                        when 'AWS::RDS::DBInstance' then 'db:'
                        when 'AWS::RDS::DBSubnetGroup' then 'subgrp:'
                    end
                    || stated.to_id,
                    -- Such as an endpoint service: whose it is does not stand in its name.
                    stated.to_type || '/' || stated.to_id
                )
        end as to_arn,
        stated.to_type as to_resource_type,
        stated.* exclude (
            from_arn, from_resource_type, relation, to_type, to_id, to_account_id, to_region
        )
    from stated
    left join stage.arn_by_id as known
        on stated.to_type = known.resource_type and stated.to_id = known.resource_id
    where
        stated.to_id is not null
        and stated.from_arn is not null
        -- Only the part of cmdb.relationship that is being made, as its `in_part` says; all where none is.
        and hash(stated.from_arn) % coalesce(getvariable('cmdb_part_count'), 1)::ubigint
        = coalesce(getvariable('cmdb_part'), 0)::ubigint
),

application as (
    select
        'application:' || item.business_service as from_arn,
        'Application' as from_resource_type,
        'depends_on' as relation,
        item.arn as to_arn,
        item.resource_type as to_resource_type,
        case
            when trim(item.tags[wanted.tag_key]) <> ''
                then 'resource tag'
            else 'account default'
        end as source,
        item.is_stale,
        item.run_id,
        item.listing,
        item.role,
        item.caller_account_id,
        item.cell_region,
        item.collected_at
    from cmdb.resource as item
    inner join ref.tag_key as wanted on wanted.resource_column = 'business_service'
    where item.status = 'active' and item.business_service is not null
)

select ended.* -- noqa: AM07
from ended
-- What AWS still lists of something that is gone for good holds nothing any more. No join: DuckDB may build it on
-- this side, with megabytes for each part of the union.
where
    ended.from_arn not in (
        select gone.arn
        from cmdb.resource as gone
        where gone.status = 'retired'
    )
union all by name
select application.*
from application
