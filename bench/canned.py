"""What the stub answers: one canned answer an operation, with account, region and owner inside every id and ARN.

An account and region is empty, small or medium, which its name and the seed decide; the same for every peer.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Literal

Size = Literal["empty", "small", "medium"]

MIX: tuple[tuple[float, Size], ...] = ((0.70, "empty"), (0.95, "small"), (1.0, "medium"))
"""Of 100 account-regions 70 are empty, 25 small and 5 medium."""

ACCOUNT, REGION, PLACE = b"#ACCOUNT####", b"#REGION#", b"#PLACE##"
"""Stand for the account's 12 digits, its region, and 8 hex digits of both within the ids."""

MANAGEMENT, OPERATIONS, BILLING = "100000000001", "200000000002", "300000000003"
"""The central accounts; the others are `workload_account(0)` and so on."""

ROLES: Mapping[str, str] = {MANAGEMENT: "OrgReader", OPERATIONS: "OpsReader", BILLING: "BillingReader"}


def workload_account(number: int) -> str:
    """The id of a workload account."""
    return f"{400000000000 + number}"


def workload_accounts(count: int) -> list[str]:
    """The ids of so many workload accounts."""
    return [workload_account(number) for number in range(count)]


@dataclass(frozen=True)
class Canned:
    """One listing: how it is asked for, and what a record of it looks like.

    Attributes:
        name: the product's name of it.
        custodian: Cloud Custodian's resource type.
        action: AWS's operation.
        wrapper: element around the records; `element` is a record's own.
        item: a record, with `#N#` for its number in 9 hex digits.
        small, medium: how many there are.
        is_paged: whether AWS splits it into pages.
    """

    name: str
    custodian: str
    service: Literal["ec2", "rds"]
    action: str
    wrapper: str
    item: str
    small: int
    medium: int
    element: str = "item"
    is_paged: bool = True

    def count(self, size: Size) -> int:
        """How many records an account and region of this size has."""
        return {"empty": 0, "small": self.small, "medium": self.medium}[size]


def _tags(name: str) -> str:
    pairs = {"Name": name, "env": "prod", "app": "ledger", "cost-centre": "4711"}
    items = "".join(f"<item><key>{key}</key><value>{value}</value></item>" for key, value in pairs.items())
    return f"<tagSet>{items}</tagSet>"


def _tag_list() -> str:
    pairs = {"env": "prod", "app": "ledger", "cost-centre": "4711"}
    items = "".join(f"<Tag><Key>{key}</Key><Value>{value}</Value></Tag>" for key, value in pairs.items())
    return f"<TagList>{items}</TagList>"


_GROUPS = "<groupSet><item><groupId>sg-#PLACE##000000000</groupId><groupName>app</groupName></item></groupSet>"

_INSTANCE = (
    "<item><reservationId>r-#PLACE###N#</reservationId><ownerId>#ACCOUNT####</ownerId><groupSet/><instancesSet><item>"
    "<instanceId>i-#PLACE###N#</instanceId><imageId>ami-#PLACE##000000000</imageId>"
    "<instanceState><code>16</code><name>running</name></instanceState>"
    "<privateDnsName>ip-10-0-0-11.#REGION#.compute.internal</privateDnsName><dnsName/><reason/><keyName>ops</keyName>"
    "<amiLaunchIndex>0</amiLaunchIndex><productCodes/><instanceType>m6i.large</instanceType>"
    "<launchTime>2026-03-14T02:11:09.000Z</launchTime><placement><availabilityZone>#REGION#a</availabilityZone>"
    "<groupName/><tenancy>default</tenancy></placement><monitoring><state>disabled</state></monitoring>"
    "<subnetId>subnet-#PLACE##000000000</subnetId><vpcId>vpc-#PLACE##000000000</vpcId>"
    "<privateIpAddress>10.0.0.11</privateIpAddress><sourceDestCheck>true</sourceDestCheck>" + _GROUPS + ""
    "<architecture>x86_64</architecture><rootDeviceType>ebs</rootDeviceType><rootDeviceName>/dev/xvda</rootDeviceName>"
    "<blockDeviceMapping><item><deviceName>/dev/xvda</deviceName><ebs><volumeId>vol-#PLACE###N#</volumeId>"
    "<status>attached</status><attachTime>2026-03-14T02:11:10.000Z</attachTime>"
    "<deleteOnTermination>true</deleteOnTermination></ebs></item></blockDeviceMapping>"
    "<virtualizationType>hvm</virtualizationType><clientToken>#PLACE###N#</clientToken>" + _tags("app-#N#") + ""
    "<hypervisor>xen</hypervisor><networkInterfaceSet><item>"
    "<networkInterfaceId>eni-#PLACE###N#</networkInterfaceId><subnetId>subnet-#PLACE##000000000</subnetId>"
    "<vpcId>vpc-#PLACE##000000000</vpcId><description/><ownerId>#ACCOUNT####</ownerId><status>in-use</status>"
    "<macAddress>02:1b:2c:3d:4e:5f</macAddress><privateIpAddress>10.0.0.11</privateIpAddress>"
    "<sourceDestCheck>true</sourceDestCheck>" + _GROUPS + "<attachment><attachmentId>eni-attach-#PLACE###N#"
    "</attachmentId><deviceIndex>0</deviceIndex><status>attached</status>"
    "<attachTime>2026-03-14T02:11:09.000Z</attachTime><deleteOnTermination>true</deleteOnTermination></attachment>"
    "<privateIpAddressesSet><item><privateIpAddress>10.0.0.11</privateIpAddress><primary>true</primary></item>"
    "</privateIpAddressesSet></item></networkInterfaceSet><ebsOptimized>true</ebsOptimized>"
    "<enaSupport>true</enaSupport><cpuOptions><coreCount>1</coreCount><threadsPerCore>2</threadsPerCore></cpuOptions>"
    "<metadataOptions><state>applied</state><httpTokens>required</httpTokens>"
    "<httpPutResponseHopLimit>2</httpPutResponseHopLimit><httpEndpoint>enabled</httpEndpoint></metadataOptions>"
    "</item></instancesSet></item>"
)

LISTINGS: tuple[Canned, ...] = (
    Canned("ec2_instance", "aws.ec2", "ec2", "DescribeInstances", "reservationSet", _INSTANCE, 6, 120),
    Canned(
        "ec2_volume",
        "aws.ebs",
        "ec2",
        "DescribeVolumes",
        "volumeSet",
        "<item><volumeId>vol-#PLACE###N#</volumeId><size>64</size><snapshotId/>"
        "<availabilityZone>#REGION#a</availabilityZone><status>in-use</status>"
        "<createTime>2026-03-14T02:11:09.000Z</createTime><attachmentSet><item><volumeId>vol-#PLACE###N#</volumeId>"
        "<instanceId>i-#PLACE###N#</instanceId><device>/dev/xvda</device><status>attached</status>"
        "<attachTime>2026-03-14T02:11:10.000Z</attachTime><deleteOnTermination>true</deleteOnTermination></item>"
        "</attachmentSet>" + _tags("data-#N#") + "<volumeType>gp3</volumeType><iops>3000</iops>"
        "<throughput>125</throughput><encrypted>true</encrypted>"
        "<kmsKeyId>arn:aws:kms:#REGION#:#ACCOUNT####:key/#PLACE##</kmsKeyId><multiAttachEnabled>false"
        "</multiAttachEnabled></item>",
        8,
        160,
    ),
    Canned(
        "ec2_snapshot",
        "aws.ebs-snapshot",
        "ec2",
        "DescribeSnapshots",
        "snapshotSet",
        "<item><snapshotId>snap-#PLACE###N#</snapshotId><volumeId>vol-#PLACE###N#</volumeId><status>completed</status>"
        "<startTime>2026-10-01T03:00:00.000Z</startTime><progress>100%</progress><ownerId>#ACCOUNT####</ownerId>"
        "<volumeSize>64</volumeSize><description>nightly</description>" + _tags("nightly-#N#") + ""
        "<encrypted>true</encrypted><storageTier>standard</storageTier></item>",
        10,
        240,
    ),
    Canned(
        "ec2_image",
        "aws.ami",
        "ec2",
        "DescribeImages",
        "imagesSet",
        "<item><imageId>ami-#PLACE###N#</imageId><imageLocation>#ACCOUNT####/golden-#N#</imageLocation>"
        "<imageState>available</imageState><imageOwnerId>#ACCOUNT####</imageOwnerId><isPublic>false</isPublic>"
        "<architecture>x86_64</architecture><imageType>machine</imageType><name>golden-#N#</name>"
        "<creationDate>2026-09-01T03:00:00.000Z</creationDate><rootDeviceType>ebs</rootDeviceType>"
        "<rootDeviceName>/dev/xvda</rootDeviceName><blockDeviceMapping><item><deviceName>/dev/xvda</deviceName><ebs>"
        "<snapshotId>snap-#PLACE###N#</snapshotId><volumeSize>8</volumeSize><volumeType>gp3</volumeType>"
        "<deleteOnTermination>true</deleteOnTermination><encrypted>true</encrypted></ebs></item></blockDeviceMapping>"
        + _tags("golden-#N#")
        + "<virtualizationType>hvm</virtualizationType><hypervisor>xen</hypervisor></item>",
        2,
        20,
    ),
    Canned(
        "ec2_vpc",
        "aws.vpc",
        "ec2",
        "DescribeVpcs",
        "vpcSet",
        "<item><vpcId>vpc-#PLACE###N#</vpcId><ownerId>#ACCOUNT####</ownerId><state>available</state>"
        "<cidrBlock>10.0.0.0/16</cidrBlock><cidrBlockAssociationSet><item><cidrBlock>10.0.0.0/16</cidrBlock>"
        "<associationId>vpc-cidr-assoc-#PLACE###N#</associationId><cidrBlockState><state>associated</state>"
        "</cidrBlockState></item></cidrBlockAssociationSet><dhcpOptionsId>dopt-#PLACE###N#</dhcpOptionsId>"
        + _tags("main-#N#")
        + "<instanceTenancy>default</instanceTenancy><isDefault>false</isDefault></item>",
        1,
        3,
    ),
    Canned(
        "ec2_subnet",
        "aws.subnet",
        "ec2",
        "DescribeSubnets",
        "subnetSet",
        "<item><subnetId>subnet-#PLACE###N#</subnetId>"
        "<subnetArn>arn:aws:ec2:#REGION#:#ACCOUNT####:subnet/subnet-#PLACE###N#</subnetArn><state>available</state>"
        "<ownerId>#ACCOUNT####</ownerId><vpcId>vpc-#PLACE##000000000</vpcId><cidrBlock>10.0.1.0/24</cidrBlock>"
        "<availableIpAddressCount>240</availableIpAddressCount><availabilityZone>#REGION#a</availabilityZone>"
        "<availabilityZoneId>#REGION#-az1</availabilityZoneId><defaultForAz>false</defaultForAz>"
        "<mapPublicIpOnLaunch>false</mapPublicIpOnLaunch>" + _tags("private-#N#") + "</item>",
        3,
        18,
    ),
    Canned(
        "ec2_security_group",
        "aws.security-group",
        "ec2",
        "DescribeSecurityGroups",
        "securityGroupInfo",
        "<item><ownerId>#ACCOUNT####</ownerId><groupId>sg-#PLACE###N#</groupId><groupName>app-#N#</groupName>"
        "<groupDescription>What the application lets in</groupDescription><vpcId>vpc-#PLACE##000000000</vpcId>"
        "<ipPermissions><item><ipProtocol>tcp</ipProtocol><fromPort>443</fromPort><toPort>443</toPort><groups/>"
        "<ipRanges><item><cidrIp>10.0.0.0/8</cidrIp><description>inside</description></item></ipRanges><ipv6Ranges/>"
        "<prefixListIds/></item></ipPermissions><ipPermissionsEgress><item><ipProtocol>-1</ipProtocol><groups/>"
        "<ipRanges><item><cidrIp>0.0.0.0/0</cidrIp></item></ipRanges><ipv6Ranges/><prefixListIds/></item>"
        "</ipPermissionsEgress>" + _tags("app-#N#") + "</item>",
        5,
        60,
    ),
    Canned(
        "ec2_network_interface",
        "aws.eni",
        "ec2",
        "DescribeNetworkInterfaces",
        "networkInterfaceSet",
        "<item><networkInterfaceId>eni-#PLACE###N#</networkInterfaceId><subnetId>subnet-#PLACE##000000000</subnetId>"
        "<vpcId>vpc-#PLACE##000000000</vpcId><availabilityZone>#REGION#a</availabilityZone>"
        "<description>Primary network interface</description><ownerId>#ACCOUNT####</ownerId>"
        "<requesterManaged>false</requesterManaged><status>in-use</status><macAddress>02:1b:2c:3d:4e:5f</macAddress>"
        "<privateIpAddress>10.0.0.11</privateIpAddress><sourceDestCheck>true</sourceDestCheck>" + _GROUPS + ""
        "<attachment><attachmentId>eni-attach-#PLACE###N#</attachmentId><instanceId>i-#PLACE###N#</instanceId>"
        "<instanceOwnerId>#ACCOUNT####</instanceOwnerId><deviceIndex>0</deviceIndex><status>attached</status>"
        "<attachTime>2026-03-14T02:11:09.000Z</attachTime><deleteOnTermination>true</deleteOnTermination></attachment>"
        + _tags("app-#N#")
        + "<privateIpAddressesSet><item><privateIpAddress>10.0.0.11</privateIpAddress><primary>true</primary></item>"
        "</privateIpAddressesSet><interfaceType>interface</interfaceType></item>",
        7,
        140,
    ),
    Canned(
        "ec2_address",
        "aws.network-addr",
        "ec2",
        "DescribeAddresses",
        "addressesSet",
        "<item><publicIp>198.51.100.7</publicIp><allocationId>eipalloc-#PLACE###N#</allocationId><domain>vpc</domain>"
        "<associationId>eipassoc-#PLACE###N#</associationId><networkInterfaceId>eni-#PLACE###N#</networkInterfaceId>"
        "<networkInterfaceOwnerId>#ACCOUNT####</networkInterfaceOwnerId><privateIpAddress>10.0.0.11</privateIpAddress>"
        "<networkBorderGroup>#REGION#</networkBorderGroup>" + _tags("way-out-#N#") + "</item>",
        1,
        6,
        is_paged=False,
    ),
    Canned(
        "ec2_nat_gateway",
        "aws.nat-gateway",
        "ec2",
        "DescribeNatGateways",
        "natGatewaySet",
        "<item><natGatewayId>nat-#PLACE###N#</natGatewayId><subnetId>subnet-#PLACE##000000000</subnetId>"
        "<vpcId>vpc-#PLACE##000000000</vpcId><state>available</state><createTime>2026-03-14T02:11:09.000Z</createTime>"
        "<natGatewayAddressSet><item><publicIp>198.51.100.7</publicIp><privateIp>10.0.0.11</privateIp>"
        "<allocationId>eipalloc-#PLACE###N#</allocationId><networkInterfaceId>eni-#PLACE###N#</networkInterfaceId>"
        "<isPrimary>true</isPrimary><status>succeeded</status></item></natGatewayAddressSet>"
        + _tags("way-out-#N#")
        + ""
        "<connectivityType>public</connectivityType></item>",
        1,
        3,
    ),
    Canned(
        "rds_db_instance",
        "aws.rds",
        "rds",
        "DescribeDBInstances",
        "DBInstances",
        "<DBInstance><DBInstanceIdentifier>ledger-#N#</DBInstanceIdentifier>"
        "<DBInstanceArn>arn:aws:rds:#REGION#:#ACCOUNT####:db:ledger-#N#</DBInstanceArn>"
        "<DbiResourceId>db-#PLACE###N#</DbiResourceId><DBInstanceClass>db.m6g.large</DBInstanceClass>"
        "<Engine>postgres</Engine><EngineVersion>16.4</EngineVersion><DBInstanceStatus>available</DBInstanceStatus>"
        "<MasterUsername>owner</MasterUsername><Endpoint><Address>ledger-#N#.#REGION#.rds.amazonaws.com</Address>"
        "<Port>5432</Port></Endpoint><AllocatedStorage>100</AllocatedStorage>"
        "<InstanceCreateTime>2026-03-14T02:11:09.000Z</InstanceCreateTime>"
        "<BackupRetentionPeriod>7</BackupRetentionPeriod><AvailabilityZone>#REGION#a</AvailabilityZone>"
        "<MultiAZ>true</MultiAZ><StorageType>gp3</StorageType><StorageEncrypted>true</StorageEncrypted>"
        "<PubliclyAccessible>false</PubliclyAccessible><DeletionProtection>true</DeletionProtection>"
        "<VpcSecurityGroups><VpcSecurityGroupMembership><VpcSecurityGroupId>sg-#PLACE##000000000</VpcSecurityGroupId>"
        "<Status>active</Status></VpcSecurityGroupMembership></VpcSecurityGroups>"
        "<DBSubnetGroup><DBSubnetGroupName>private</DBSubnetGroupName><VpcId>vpc-#PLACE##000000000</VpcId><Subnets>"
        "<Subnet><SubnetIdentifier>subnet-#PLACE##000000000</SubnetIdentifier></Subnet></Subnets></DBSubnetGroup>"
        + _tag_list()
        + "</DBInstance>",
        1,
        10,
        element="DBInstance",
    ),
    Canned(
        "rds_db_cluster",
        "aws.rds-cluster",
        "rds",
        "DescribeDBClusters",
        "DBClusters",
        "<DBCluster><DBClusterIdentifier>store-#N#</DBClusterIdentifier>"
        "<DBClusterArn>arn:aws:rds:#REGION#:#ACCOUNT####:cluster:store-#N#</DBClusterArn>"
        "<DbClusterResourceId>cluster-#PLACE###N#</DbClusterResourceId><Engine>aurora-postgresql</Engine>"
        "<EngineVersion>16.4</EngineVersion><Status>available</Status><MasterUsername>owner</MasterUsername>"
        "<Endpoint>store-#N#.cluster.#REGION#.rds.amazonaws.com</Endpoint><Port>5432</Port><MultiAZ>true</MultiAZ>"
        "<ClusterCreateTime>2026-03-14T02:11:09.000Z</ClusterCreateTime><AllocatedStorage>1</AllocatedStorage>"
        "<BackupRetentionPeriod>7</BackupRetentionPeriod><StorageEncrypted>true</StorageEncrypted>"
        "<DeletionProtection>true</DeletionProtection>" + _tag_list() + "</DBCluster>",
        1,
        4,
        element="DBCluster",
    ),
    Canned(
        "rds_db_snapshot",
        "aws.rds-snapshot",
        "rds",
        "DescribeDBSnapshots",
        "DBSnapshots",
        "<DBSnapshot><DBSnapshotIdentifier>ledger-final-#N#</DBSnapshotIdentifier>"
        "<DBSnapshotArn>arn:aws:rds:#REGION#:#ACCOUNT####:snapshot:ledger-final-#N#</DBSnapshotArn>"
        "<DBInstanceIdentifier>ledger-#N#</DBInstanceIdentifier><Engine>postgres</Engine>"
        "<EngineVersion>16.4</EngineVersion><Status>available</Status><SnapshotType>manual</SnapshotType>"
        "<SnapshotCreateTime>2026-10-01T03:00:00.000Z</SnapshotCreateTime><AllocatedStorage>100</AllocatedStorage>"
        "<StorageType>gp3</StorageType><Encrypted>true</Encrypted><AvailabilityZone>#REGION#a</AvailabilityZone>"
        + _tag_list()
        + "</DBSnapshot>",
        2,
        30,
        element="DBSnapshot",
    ),
    Canned(
        "rds_db_cluster_snapshot",
        "aws.rds-cluster-snapshot",
        "rds",
        "DescribeDBClusterSnapshots",
        "DBClusterSnapshots",
        "<DBClusterSnapshot><DBClusterSnapshotIdentifier>store-final-#N#</DBClusterSnapshotIdentifier>"
        "<DBClusterSnapshotArn>arn:aws:rds:#REGION#:#ACCOUNT####:cluster-snapshot:store-final-#N#"
        "</DBClusterSnapshotArn><DBClusterIdentifier>store-#N#</DBClusterIdentifier><Engine>aurora-postgresql</Engine>"
        "<EngineVersion>16.4</EngineVersion><Status>available</Status><SnapshotType>manual</SnapshotType>"
        "<SnapshotCreateTime>2026-10-01T03:00:00.000Z</SnapshotCreateTime><AllocatedStorage>1</AllocatedStorage>"
        "<StorageEncrypted>true</StorageEncrypted>" + _tag_list() + "</DBClusterSnapshot>",
        2,
        12,
        element="DBClusterSnapshot",
    ),
)
"""What every peer collects: listings that one call a page answers, with no further call a resource."""

BY_ACTION: Mapping[str, Canned] = {listing.action: listing for listing in LISTINGS}


class World:
    """Which account and region has how much, and the pages of it.

    Args:
        seed: of the mix.
        page_size: AWS may put fewer records on a page than it is asked for, and here it does.
    """

    def __init__(self, seed: int = 1, page_size: int = 100) -> None:
        self.seed = seed
        self.page_size = page_size
        self._templates: dict[tuple[str, Size, int, int], bytes] = {}

    def place(self, account: str, region: str) -> tuple[Size, bytes]:
        """The size of an account and region, and what its ids begin with."""
        return _place(account, region, self.seed)

    def count(self, listing: Canned, accounts: Sequence[str], regions: Sequence[str]) -> int:
        """How many records a listing has in all of these places."""
        return sum(listing.count(self.place(account, region)[0]) for account in accounts for region in regions)

    def pages(self, listing: Canned, size: Size) -> int:
        """How many requests it takes to read a listing of this size; an empty one takes one too."""
        whole = listing.count(size)
        return max(1, -(-whole // self.page_size)) if listing.is_paged else 1

    def answer(self, listing: Canned, account: str, region: str, start: int, limit: int) -> bytes:
        """One page, as AWS writes it, from a record on."""
        size, place = self.place(account, region)
        most = min(limit, self.page_size) if listing.is_paged else listing.medium
        key = (listing.name, size, start, most)
        template = self._templates.get(key)
        if template is None:
            template = self._templates[key] = _page(listing, size, start, most).encode()
        if size == "empty":
            return template
        filled = template.replace(PLACE, place).replace(ACCOUNT, account.encode())
        return filled.replace(REGION, region.encode())


@cache
def _place(account: str, region: str, seed: int) -> tuple[Size, bytes]:
    digest = hashlib.blake2b(f"{seed} {account} {region}".encode(), digest_size=8).digest()
    share = int.from_bytes(digest[:4], "big") / 2**32
    size = next(size for bound, size in MIX if share < bound)
    return size, digest[4:].hex().encode()


def _page(listing: Canned, size: Size, start: int, most: int) -> str:
    end = min(listing.count(size), start + most)
    items = "".join(listing.item.replace("#N#", f"{number:09x}") for number in range(start, end))
    more = end < listing.count(size)
    wrapped = f"<{listing.wrapper}>{items}</{listing.wrapper}>"
    token = f"page-{end}" if more else ""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    request_id = "bench"
    if listing.service == "ec2":
        return (
            f'{head}<{listing.action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">'
            f"<requestId>{request_id}</requestId>{wrapped}"
            + (f"<nextToken>{token}</nextToken>" if more else "")
            + f"</{listing.action}Response>"
        )
    return (
        f'{head}<{listing.action}Response xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><{listing.action}Result>'
        + (f"<Marker>{token}</Marker>" if more else "")
        + f"{wrapped}</{listing.action}Result><ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata>"
        f"</{listing.action}Response>"
    )


_TOKEN = re.compile(rb"(?:NextToken|Marker)=page-(\d+)")
_LIMIT = re.compile(rb"(?:MaxResults|MaxRecords)=(\d+)")


def asked_page(body: bytes) -> tuple[int, int]:
    """From which record on, and how many at most, a query asks."""
    token, limit = _TOKEN.search(body), _LIMIT.search(body)
    return int(token[1]) if token else 0, int(limit[1]) if limit else 1_000_000
