"""EC2: what joins networks with the internet, with each other and with services, and what keeps them apart."""

from pipelines.catalogue.ec2 import WHOLE_PAGES
from resources.aws.listing import Listing

# No owner is required of what AWS lists to several accounts. It stands once, under the account that the record names.
LISTINGS: tuple[Listing, ...] = (
    Listing(
        "ec2_internet_gateway",
        "ec2:DescribeInternetGateways",
        resource_type="AWS::EC2::InternetGateway",
        roles=("operations", "workload"),
        # What the internet reaches is judged by it: lost in silence, an open network would look closed.
        zero="witnessed",
        records="InternetGateways",
        key=("InternetGatewayId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_network_acl",
        "ec2:DescribeNetworkAcls",
        resource_type="AWS::EC2::NetworkAcl",
        roles=("operations", "workload"),
        # Every VPC has one.
        zero="witnessed",
        records="NetworkAcls",
        key=("NetworkAclId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_vpc_endpoint",
        "ec2:DescribeVpcEndpoints",
        resource_type="AWS::EC2::VPCEndpoint",
        roles=("operations", "workload"),
        zero="witnessed",
        records="VpcEndpoints",
        key=("VpcEndpointId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_vpc_peering_connection",
        "ec2:DescribeVpcPeeringConnections",
        resource_type="AWS::EC2::VPCPeeringConnection",
        roles=("operations", "workload"),
        zero="witnessed",
        records="VpcPeeringConnections",
        key=("VpcPeeringConnectionId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_transit_gateway",
        "ec2:DescribeTransitGateways",
        resource_type="AWS::EC2::TransitGateway",
        roles=("operations", "workload"),
        zero="witnessed",
        records="TransitGateways",
        key=("TransitGatewayId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_transit_gateway_attachment",
        "ec2:DescribeTransitGatewayAttachments",
        resource_type="AWS::EC2::TransitGatewayAttachment",
        roles=("operations", "workload"),
        zero="witnessed",
        records="TransitGatewayAttachments",
        key=("TransitGatewayAttachmentId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_transit_gateway_route_table",
        "ec2:DescribeTransitGatewayRouteTables",
        resource_type="AWS::EC2::TransitGatewayRouteTable",
        roles=("operations", "workload"),
        zero="witnessed",
        records="TransitGatewayRouteTables",
        key=("TransitGatewayRouteTableId",),
        parameters=WHOLE_PAGES,
    ),
)
