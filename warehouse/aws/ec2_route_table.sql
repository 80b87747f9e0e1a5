-- One row per route table, the main one of each VPC included. Those that share a subnet of somebody else's VPC list its table
-- as well. It stands here once, under its owner.
-- key: arn
-- owner: account_id
-- resource: id=route_table_id attributes=vpc_id, is_main, subnet_ids, routes
-- arn: Amazon Resource Name, built from owner, region and id, since EC2 returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- route_table_id: Id, such as rtb-0123456789abcdef0.
-- vpc_id: The VPC whose traffic it directs.
-- is_main: True for the one that every subnet without a table of its own uses.
-- subnet_ids: Ids of the subnets that are associated with it by name; empty where none is.
-- routes: Its routes: destination (CIDR block or prefix list), target (what it goes to, local within the VPC), state.
-- name: Value of the tag Name; NULL where there is none.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    aws_arn('ec2', region, item.OwnerId, 'route-table/' || item.RouteTableId) as arn,
    item.OwnerId as account_id,
    region,
    item.RouteTableId as route_table_id,
    item.VpcId as vpc_id,
    coalesce(list_bool_or(list_transform(item.Associations, lambda held: held.Main)), false) as is_main,
    list_sort(
        list_filter(
            list_transform(coalesce(item.Associations, []), lambda held: held.SubnetId),
            lambda id: id is not null
        )
    ) as subnet_ids,
    list_transform(
        coalesce(item.Routes, []),
        lambda route: {
            'destination': coalesce(
                route.DestinationCidrBlock, route.DestinationIpv6CidrBlock, route.DestinationPrefixListId
            ),
            'target': coalesce(
                route.GatewayId, route.NatGatewayId, route.TransitGatewayId, route.VpcPeeringConnectionId,
                route.EgressOnlyInternetGatewayId, route.NetworkInterfaceId, route.InstanceId
            ),
            'state': route."State"
        }
    ) as routes,
    tag_map(item.Tags)['Name'] as name,
    if(item.OwnerId = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_route_table',
        'STRUCT(
        OwnerId VARCHAR, RouteTableId VARCHAR, VpcId VARCHAR,
        Associations STRUCT(Main BOOLEAN, SubnetId VARCHAR)[],
        Routes STRUCT(
            DestinationCidrBlock VARCHAR, DestinationIpv6CidrBlock VARCHAR, DestinationPrefixListId VARCHAR,
            GatewayId VARCHAR, NatGatewayId VARCHAR, TransitGatewayId VARCHAR, VpcPeeringConnectionId VARCHAR,
            EgressOnlyInternetGatewayId VARCHAR, NetworkInterfaceId VARCHAR, InstanceId VARCHAR, "State" VARCHAR
        )[],
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
