"""EC2: what is reserved, kept ready or launched together, and the versions of launch templates."""

from pipelines.catalogue.ec2 import NOT_OFFERED, WHOLE_PAGES
from pipelines.catalogue.family import SELDOM
from resources.aws.listing import Each, Listing

LISTINGS: tuple[Listing, ...] = (
    Listing(
        "ec2_fleet",
        "ec2:DescribeFleets",
        resource_type="AWS::EC2::EC2Fleet",
        roles=("operations", "workload"),
        zero="witnessed",
        records="Fleets",
        key=("FleetId",),
        every=SELDOM,
        arn_form="ec2:fleet/",
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "ec2_host_reservation",
        "ec2:DescribeHostReservations",
        resource_type="AWS::EC2::HostReservation",
        roles=("operations", "workload"),
        zero="witnessed",
        records="HostReservationSet",
        key=("HostReservationId",),
        # EC2 refuses a page of more than 500 here.
        parameters={"MaxResults": 500},
        every=SELDOM,
        arn_form="ec2:host-reservation/",
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "ec2_capacity_reservation_fleet",
        "ec2:DescribeCapacityReservationFleets",
        resource_type="AWS::EC2::CapacityReservationFleet",
        roles=("operations", "workload"),
        zero="witnessed",
        records="CapacityReservationFleets",
        key=("CapacityReservationFleetId",),
        # EC2 refuses a page of more than 100 here.
        parameters={"MaxResults": 100},
        every=SELDOM,
        arn_form="ec2:capacity-reservation-fleet/",
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "ec2_capacity_block",
        "ec2:DescribeCapacityBlocks",
        resource_type="AWS::EC2::CapacityBlock",
        roles=("operations", "workload"),
        zero="witnessed",
        records="CapacityBlocks",
        key=("CapacityBlockId",),
        parameters=WHOLE_PAGES,
        every=SELDOM,
        arn_form="ec2:capacity-block/",
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "ec2_fast_snapshot_restore",
        "ec2:DescribeFastSnapshotRestores",
        roles=("operations", "workload"),
        zero="witnessed",
        records="FastSnapshotRestores",
        key=("SnapshotId", "AvailabilityZone"),
        # EC2 refuses a page of more than 200 here.
        parameters={"MaxResults": 200},
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "ec2_instance_event_window",
        "ec2:DescribeInstanceEventWindows",
        resource_type="AWS::EC2::InstanceEventWindow",
        roles=("operations", "workload"),
        zero="witnessed",
        records="InstanceEventWindows",
        key=("InstanceEventWindowId",),
        # EC2 refuses a page of more than 500 here.
        parameters={"MaxResults": 500},
        every=SELDOM,
        arn_form="ec2:instance-event-window/",
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "ec2_launch_template_version",
        "ec2:DescribeLaunchTemplateVersions",
        roles=("operations", "workload"),
        zero="impossible",
        records="LaunchTemplateVersions",
        key=("LaunchTemplateId", "VersionNumber"),
        parameters={"MaxResults": 200, "Versions": ["$Latest", "$Default"]},
        # User data may hold passwords.
        redact=("UserData",),
        each=Each("", of=("ec2_launch_template",), field="LaunchTemplateId"),
    ),
    Listing(
        "ec2_public_snapshot",
        "ec2:DescribeSnapshots",
        roles=("operations", "workload"),
        # None is how it should be.
        zero="ordinary",
        records="Snapshots",
        key=("SnapshotId",),
        owner="OwnerId",
        # One request for all of the account's own, where the attributes of each would be a request for each.
        parameters={**WHOLE_PAGES, "OwnerIds": ["self"], "RestorableByUserIds": ["all"]},
        each=Each("", of=("ec2_snapshot",), field="SnapshotId"),
    ),
    Listing(
        "ec2_public_image",
        "ec2:DescribeImages",
        roles=("operations", "workload"),
        # None is how it should be.
        zero="ordinary",
        records="Images",
        key=("ImageId",),
        owner="OwnerId",
        parameters={**WHOLE_PAGES, "Owners": ["self"], "ExecutableUsers": ["all"], "IncludeDisabled": True},
        each=Each("", of=("ec2_image",), field="ImageId"),
    ),
)
