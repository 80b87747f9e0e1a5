"""EC2: what an account keeps from the internet, whatever its routes and rules let in, and where its groups are used."""

from pipelines.catalogue.ec2 import NOT_OFFERED, WHOLE_PAGES
from pipelines.catalogue.family import RARELY, SELDOM
from resources.aws.listing import Each, Listing

# Nothing comes in where there is no interface. AWS shows the owner of a shared VPC the interfaces of others in it, and
# the owner's options are the ones that count there.
WHERE_INTERFACES = Each("", of=("ec2_network_interface",), field="NetworkInterfaceId")

# Where this keeps the internet out, every night requests what does, and what is admitted all the same: neither may look
# closed because nobody looked. Where it is off, an older response shows too much as reachable, and never too little.
UNLESS_OFF = ("ec2_vpc_block_public_access_option", "InternetGatewayBlockMode", "off")

LISTINGS: tuple[Listing, ...] = (
    Listing(
        "ec2_vpc_block_public_access_option",
        "ec2:DescribeVpcBlockPublicAccessOptions",
        roles=("operations", "workload"),
        # The response is one structure: each region that has the operation has options, if those that AWS began with.
        zero="impossible",
        records="VpcBlockPublicAccessOptions",
        key=("AwsAccountId", "AwsRegion"),
        owner="AwsAccountId",
        each=WHERE_INTERFACES,
        every=SELDOM,
        nightly_unless=UNLESS_OFF,
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "ec2_vpc_block_public_access_exclusion",
        "ec2:DescribeVpcBlockPublicAccessExclusions",
        resource_type="AWS::EC2::VPCBlockPublicAccessExclusion",
        roles=("operations", "workload"),
        zero="witnessed",
        records="VpcBlockPublicAccessExclusions",
        key=("ExclusionId",),
        # The VPC or subnet that is excluded, which nobody but its owner can.
        owner="ResourceArn",
        parameters=WHOLE_PAGES,
        token=("NextToken", "NextToken"),
        each=WHERE_INTERFACES,
        every=SELDOM,
        nightly_unless=UNLESS_OFF,
        arn_form="ec2:vpc-block-public-access-exclusion/",
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "ec2_security_group_vpc_association",
        "ec2:DescribeSecurityGroupVpcAssociations",
        roles=("operations", "workload"),
        zero="witnessed",
        records="SecurityGroupVpcAssociations",
        key=("GroupId", "VpcId"),
        # No owner is required: the group may be shared, and the VPC another account's.
        parameters=WHOLE_PAGES,
        each=WHERE_INTERFACES,
        every=RARELY,
        skip_codes=NOT_OFFERED,
    ),
    Listing(
        "ec2_vpc_encryption_control",
        "ec2:DescribeVpcEncryptionControls",
        resource_type="AWS::EC2::VPCEncryptionControl",
        roles=("operations", "workload"),
        zero="witnessed",
        records="VpcEncryptionControls",
        key=("VpcEncryptionControlId",),
        parameters=WHOLE_PAGES,
        token=("NextToken", "NextToken"),
        each=WHERE_INTERFACES,
        every=RARELY,
        arn_form="ec2:vpc-encryption-control/",
        skip_codes=NOT_OFFERED,
    ),
)
