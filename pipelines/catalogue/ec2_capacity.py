"""EC2: what instances are launched from and onto: templates, keys, reservations, hosts, Spot requests."""

from pipelines.catalogue.ec2 import NOT_OFFERED, WHOLE_PAGES
from pipelines.catalogue.family import SELDOM
from pipelines.catalogue.names import INSTANCE
from resources.aws.listing import Each, Listing

LISTINGS: tuple[Listing, ...] = (
    Listing(
        "ec2_launch_template",
        "ec2:DescribeLaunchTemplates",
        resource_type="AWS::EC2::LaunchTemplate",
        roles=("operations", "workload"),
        zero="witnessed",
        records="LaunchTemplates",
        key=("LaunchTemplateId",),
        # EC2 refuses a page of more than 200 here.
        parameters={"MaxResults": 200},
        every=SELDOM,
        arn_form="ec2:launch-template/",
    ),
    Listing(
        "ec2_key_pair",
        "ec2:DescribeKeyPairs",
        resource_type="AWS::EC2::KeyPair",
        roles=("operations", "workload"),
        zero="witnessed",
        records="KeyPairs",
        key=("KeyPairId",),
        every=SELDOM,
        arn_form="ec2:key-pair/",
    ),
    Listing(
        "ec2_reserved_instance",
        "ec2:DescribeReservedInstances",
        resource_type="AWS::EC2::ReservedInstance",
        roles=("operations", "workload"),
        zero="witnessed",
        records="ReservedInstances",
        key=("ReservedInstancesId",),
        every=SELDOM,
        arn_form="ec2:reserved-instances/",
    ),
    Listing(
        "ec2_capacity_reservation",
        "ec2:DescribeCapacityReservations",
        resource_type="AWS::EC2::CapacityReservation",
        roles=("operations", "workload"),
        zero="witnessed",
        records="CapacityReservations",
        key=("CapacityReservationId",),
        parameters=WHOLE_PAGES,
        skip_codes=NOT_OFFERED,
        every=SELDOM,
        arn_form="ec2:capacity-reservation/",
    ),
    Listing(
        "ec2_host",
        "ec2:DescribeHosts",
        resource_type="AWS::EC2::Host",
        roles=("operations", "workload"),
        zero="witnessed",
        records="Hosts",
        key=("HostId",),
        # EC2 refuses a page of more than 500 here.
        parameters={"MaxResults": 500},
        skip_codes=NOT_OFFERED,
        every=SELDOM,
        arn_form="ec2:dedicated-host/",
    ),
    Listing(
        "ec2_placement_group",
        "ec2:DescribePlacementGroups",
        resource_type="AWS::EC2::PlacementGroup",
        roles=("operations", "workload"),
        zero="witnessed",
        records="PlacementGroups",
        key=("GroupId",),
        skip_codes=NOT_OFFERED,
        every=SELDOM,
        arn_form="ec2:placement-group/",
    ),
    Listing(
        "ec2_spot_instance_request",
        "ec2:DescribeSpotInstanceRequests",
        resource_type="AWS::EC2::SpotInstanceRequest",
        roles=("operations", "workload"),
        # They go by themselves some hours after their instances.
        zero="ordinary",
        records="SpotInstanceRequests",
        key=("SpotInstanceRequestId",),
        parameters=WHOLE_PAGES,
        # User data may hold passwords.
        redact=("UserData",),
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "ec2_spot_fleet",
        "ec2:DescribeSpotFleetRequests",
        resource_type="AWS::EC2::SpotFleet",
        roles=("operations", "workload"),
        zero="witnessed",
        records="SpotFleetRequestConfigs",
        key=("SpotFleetRequestId",),
        parameters=WHOLE_PAGES,
        # User data may hold passwords.
        redact=("UserData",),
        skip_codes=NOT_OFFERED,
        every=SELDOM,
        arn_form="ec2:spot-fleet-request/",
    ),
    Listing(
        "ec2_instance_status",
        "ec2:DescribeInstanceStatus",
        roles=("operations", "workload"),
        # Of instances that do not run there is none.
        zero="ordinary",
        records="InstanceStatuses",
        key=("InstanceId",),
        parameters=WHOLE_PAGES,
        each=Each("", of=(INSTANCE,), field="InstanceId"),
    ),
    Listing(
        "ec2_instance_type",
        "ec2:DescribeInstanceTypes",
        # AWS's own, the same for all accounts of a region: the hub alone requests them, of the regions that it has.
        roles=("operations",),
        zero="impossible",
        records="InstanceTypes",
        key=("InstanceType",),
        # EC2 refuses a page of more than 100 here.
        parameters={"MaxResults": 100},
        is_supplement=True,
        every=SELDOM,
    ),
)
