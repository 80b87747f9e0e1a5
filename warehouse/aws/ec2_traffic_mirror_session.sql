-- One row per session of traffic mirroring: a network interface whose traffic is copied to a target, and paid for by the hour.
-- key: arn
-- owner: account_id
-- resource: id=traffic_mirror_session_id attributes=network_interface_id, traffic_mirror_target_id, traffic_mirror_filter_id,
--   session_number, packet_length
-- arn: Amazon Resource Name, built from owner, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- traffic_mirror_session_id: Id, such as tms-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- network_interface_id: Network interface whose traffic is copied.
-- traffic_mirror_target_id: Where the copies go.
-- traffic_mirror_filter_id: Which traffic is copied.
-- session_number: Order among the sessions of the interface, from 1.
-- packet_length: Bytes that are copied of each packet; NULL for all.
-- description: What its maker wrote; NULL where nothing.
-- tags: Tags; an empty map where it has none, NULL where only other accounts list it.
select
    aws_arn(
        'ec2',
        region,
        coalesce(item.OwnerId, account_id),
        'traffic-mirror-session/' || item.TrafficMirrorSessionId
    ) as arn,
    coalesce(item.OwnerId, account_id) as account_id,
    region,
    item.TrafficMirrorSessionId as traffic_mirror_session_id,
    tag_map(item.Tags)['Name'] as name,
    item.NetworkInterfaceId as network_interface_id,
    item.TrafficMirrorTargetId as traffic_mirror_target_id,
    item.TrafficMirrorFilterId as traffic_mirror_filter_id,
    item.SessionNumber as session_number,
    item.PacketLength as packet_length,
    item.Description as description,
    if(coalesce(item.OwnerId, account_id) = cell.caller_account_id, tag_map(item.Tags), null) as tags,
    cell.*
from landing(
        'ec2_traffic_mirror_session',
        'STRUCT(
        OwnerId VARCHAR, TrafficMirrorSessionId VARCHAR, NetworkInterfaceId VARCHAR, TrafficMirrorTargetId VARCHAR,
        TrafficMirrorFilterId VARCHAR, SessionNumber BIGINT, PacketLength BIGINT, Description VARCHAR,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
