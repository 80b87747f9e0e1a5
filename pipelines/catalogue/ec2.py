"""EC2: regions, instances, network, volumes, snapshots and images."""

from types import MappingProxyType

from pipelines.catalogue.family import Family
from pipelines.catalogue.names import ACCOUNT, INSTANCE, REGION
from resources.aws.listing import Listing

# Without a page size EC2 returns everything in one response, however long that takes.
WHOLE_PAGES = MappingProxyType({"MaxResults": 1000})

WITH_MANAGED = MappingProxyType({"IncludeManagedResources": True})
"""An account may hide what AWS services keep in it, such as the instances of EKS Auto Mode: they run and are billed all
the same.

https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyManagedResourceVisibility.html
"""

NOT_OFFERED = MappingProxyType({"InvalidAction": "not_offered", "UnsupportedOperation": "not_offered"})
"""How EC2 refuses a call in a region that does not have what it lists, such as Verified Access in Hong Kong."""

REGIONS = Family(
    name="region",
    group="inventory",
    after=(ACCOUNT,),
    listings=(
        Listing(
            REGION,
            "ec2:DescribeRegions",
            roles=("operations", "workload"),
            zero="impossible",
            records="Regions",
            key=("RegionName",),
            scope="global",
            parameters={"AllRegions": True},
        ),
    ),
)

COMPUTE: tuple[Listing, ...] = (
    Listing(
        INSTANCE,
        "ec2:DescribeInstances",
        resource_type="AWS::EC2::Instance",
        roles=("operations", "workload"),
        zero="witnessed",
        records="Reservations[].Instances",
        carry=("OwnerId",),
        key=("InstanceId",),
        owner="OwnerId",
        parameters={**WHOLE_PAGES, **WITH_MANAGED},
    ),
)

# No owner is required of a VPC and its resources. AWS lists shared ones in each account, under their owner's id, and
# the owner of a shared VPC sees the network interfaces of other accounts.
NETWORK: tuple[Listing, ...] = (
    Listing(
        "ec2_vpc",
        "ec2:DescribeVpcs",
        resource_type="AWS::EC2::VPC",
        roles=("operations", "workload"),
        zero="witnessed",
        records="Vpcs",
        key=("VpcId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_subnet",
        "ec2:DescribeSubnets",
        resource_type="AWS::EC2::Subnet",
        roles=("operations", "workload"),
        zero="witnessed",
        records="Subnets",
        key=("SubnetId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_security_group",
        "ec2:DescribeSecurityGroups",
        resource_type="AWS::EC2::SecurityGroup",
        roles=("operations", "workload"),
        zero="witnessed",
        records="SecurityGroups",
        key=("GroupId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_security_group_rule",
        "ec2:DescribeSecurityGroupRules",
        roles=("operations", "workload"),
        zero="witnessed",
        records="SecurityGroupRules",
        key=("SecurityGroupRuleId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_flow_log",
        "ec2:DescribeFlowLogs",
        resource_type="AWS::EC2::FlowLog",
        roles=("operations", "workload"),
        # Flow logs that are lost in silence would make a finding of every VPC.
        zero="witnessed",
        records="FlowLogs",
        key=("FlowLogId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_network_interface",
        "ec2:DescribeNetworkInterfaces",
        resource_type="AWS::EC2::NetworkInterface",
        roles=("operations", "workload"),
        zero="witnessed",
        records="NetworkInterfaces",
        key=("NetworkInterfaceId",),
        parameters={**WHOLE_PAGES, **WITH_MANAGED},
    ),
    Listing(
        "ec2_address",
        "ec2:DescribeAddresses",
        resource_type="AWS::EC2::EIP",
        roles=("operations", "workload"),
        # EC2 returns all addresses in one response: the operation has no pages.
        zero="witnessed",
        records="Addresses",
        key=("AllocationId",),
    ),
    Listing(
        "ec2_nat_gateway",
        "ec2:DescribeNatGateways",
        resource_type="AWS::EC2::NatGateway",
        roles=("operations", "workload"),
        zero="witnessed",
        records="NatGateways",
        key=("NatGatewayId",),
        parameters=WHOLE_PAGES,
    ),
    Listing(
        "ec2_route_table",
        "ec2:DescribeRouteTables",
        resource_type="AWS::EC2::RouteTable",
        roles=("operations", "workload"),
        # Every VPC has a route table: an empty response that is trusted wrongly would retire all of them.
        zero="witnessed",
        records="RouteTables",
        key=("RouteTableId",),
        # EC2 refuses a page of more than 100 here.
        parameters={"MaxResults": 100},
    ),
)

# The bill's service "EC2 - Other" sums volumes, snapshots, gateways, addresses and traffic, so it is no witness for any
# one of them. A listing that is lost in silence would count as savings, so the last count is the witness.
STORAGE: tuple[Listing, ...] = (
    Listing(
        "ec2_volume",
        "ec2:DescribeVolumes",
        resource_type="AWS::EC2::Volume",
        roles=("operations", "workload"),
        zero="witnessed",
        records="Volumes",
        key=("VolumeId",),
        owner="OwnerId",
        is_owner_optional=True,
        parameters={**WHOLE_PAGES, **WITH_MANAGED},
    ),
    Listing(
        "ec2_snapshot",
        "ec2:DescribeSnapshots",
        resource_type="AWS::EC2::Snapshot",
        roles=("operations", "workload"),
        zero="witnessed",
        records="Snapshots",
        key=("SnapshotId",),
        owner="OwnerId",
        # Without this filter EC2 returns the public snapshots of other accounts too.
        parameters={**WHOLE_PAGES, "OwnerIds": ["self"]},
    ),
    Listing(
        "ec2_image",
        "ec2:DescribeImages",
        resource_type="AWS::EC2::Image",
        roles=("operations", "workload"),
        zero="witnessed",
        records="Images",
        key=("ImageId",),
        owner="OwnerId",
        # A disabled image keeps its snapshots, and snapshots cost money.
        parameters={**WHOLE_PAGES, "Owners": ["self"], "IncludeDisabled": True},
    ),
)
