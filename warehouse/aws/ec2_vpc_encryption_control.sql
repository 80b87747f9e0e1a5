-- One row per encryption control of a VPC: whether AWS only reports traffic within it that is not encrypted, or lets none
-- through. It is requested where there is a network interface.
-- key: arn
-- resource: id=vpc_encryption_control_id state=state gone=deleted attributes=vpc_id, encryption_mode, exclusions,
--   state_message
-- relates: contained_in=AWS::EC2::VPC:vpc_id
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- vpc_encryption_control_id: Id, such as vpcec-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: available, creating, monitor-in-progress, enforce-in-progress, monitor-failed, enforce-failed, deleting, deleted or
--   delete-failed.
-- state_message: Why it is in this state; NULL where AWS does not say.
-- vpc_id: VPC.
-- encryption_mode: monitor (traffic without encryption is reported) or enforce (it does not pass).
-- exclusions: Kinds of traffic that need not be encrypted all the same, such as internet-gateway or lambda, sorted.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'vpc-encryption-control/' || item.VpcEncryptionControlId) as arn,
    account_id,
    region,
    item.VpcEncryptionControlId as vpc_encryption_control_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.StateMessage as state_message,
    item.VpcId as vpc_id,
    item."Mode" as encryption_mode,
    list_sort(
        list_transform(
            list_filter(
                [
                    { 'kind': 'internet-gateway', 'state': item.ResourceExclusions.InternetGateway.State },
                    {
                        'kind': 'egress-only-internet-gateway',
                        'state': item.ResourceExclusions.EgressOnlyInternetGateway.State
                    },
                    { 'kind': 'nat-gateway', 'state': item.ResourceExclusions.NatGateway.State },
                    {
                        'kind': 'virtual-private-gateway',
                        'state': item.ResourceExclusions.VirtualPrivateGateway.State
                    },
                    { 'kind': 'vpc-peering', 'state': item.ResourceExclusions.VpcPeering.State },
                    { 'kind': 'lambda', 'state': item.ResourceExclusions."Lambda".State },
                    { 'kind': 'vpc-lattice', 'state': item.ResourceExclusions.VpcLattice.State },
                    {
                        'kind': 'elastic-file-system',
                        'state': item.ResourceExclusions.ElasticFileSystem.State
                    },
                    {
                        'kind': 'global-accelerator',
                        'state': item.ResourceExclusions.GlobalAccelerator.State
                    },
                    { 'kind': 'api-gateway-v2', 'state': item.ResourceExclusions.ApiGatewayV2.State }
                ],
                lambda one: one.state in ('enabled', 'disabling')
            ),
            lambda one: one.kind
        )
    ) as exclusions,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_vpc_encryption_control',
        'STRUCT(
        VpcEncryptionControlId VARCHAR, VpcId VARCHAR, "Mode" VARCHAR, "State" VARCHAR, StateMessage VARCHAR,
        ResourceExclusions STRUCT(InternetGateway STRUCT("State" VARCHAR),
        EgressOnlyInternetGateway STRUCT("State" VARCHAR), NatGateway STRUCT("State" VARCHAR),
        VirtualPrivateGateway STRUCT("State" VARCHAR), VpcPeering STRUCT("State" VARCHAR),
        "Lambda" STRUCT("State" VARCHAR), VpcLattice STRUCT("State" VARCHAR),
        ElasticFileSystem STRUCT("State" VARCHAR), GlobalAccelerator STRUCT("State" VARCHAR),
        ApiGatewayV2 STRUCT("State" VARCHAR)), Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
