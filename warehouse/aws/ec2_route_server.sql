-- One row per VPC Route Server: it writes the routes that appliances announce by BGP into route tables.
-- key: arn
-- resource: id=route_server_id state=state gone=deleted attributes=asn, persist_routes_state, sns_topic_arn
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- route_server_id: Id, such as rs-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: pending, available, modifying, deleting or deleted.
-- asn: AS number of its side.
-- persist_routes_state: Whether routes stay when every session is lost: enabled, disabled and others.
-- sns_topic_arn: Topic that hears of changes; NULL where none.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'route-server/' || item.RouteServerId) as arn,
    account_id,
    region,
    item.RouteServerId as route_server_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.AmazonSideAsn as asn,
    item.PersistRoutesState as persist_routes_state,
    item.SnsTopicArn as sns_topic_arn,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_route_server',
        'STRUCT(
        RouteServerId VARCHAR, "State" VARCHAR, AmazonSideAsn BIGINT, PersistRoutesState VARCHAR, SnsTopicArn VARCHAR,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
