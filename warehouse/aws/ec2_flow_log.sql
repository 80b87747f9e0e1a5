-- One row per flow log: of a VPC, a subnet, a network interface or a transit gateway. AWS shows it to the account that
-- made it alone.
-- key: arn
-- resource: id=flow_log_id state=state created=created_at attributes=target_id, traffic_type,
--   delivery_status, destination_type, destination
-- arn: Amazon Resource Name, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that made the flow log: 12 digits, text because some begin with 0.
-- region: AWS region.
-- flow_log_id: Id, such as fl-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- target_id: What it logs the traffic of, such as vpc-0123456789abcdef0.
-- target_type: vpc, subnet, eni, tgw or tgw-attach: what target_id begins with.
-- traffic_type: ACCEPT, REJECT or ALL; NULL for transit gateways, which log all.
-- state: ACTIVE, in EC2's words.
-- delivery_status: SUCCESS or FAILED: whether the last delivery arrived; NULL where AWS does not report it.
-- delivery_error: Why it did not arrive, such as Access error; NULL where it did.
-- destination_type: cloud-watch-logs, s3 or kinesis-data-firehose.
-- destination: ARN of the destination, or the name of the log group.
-- max_aggregation_interval_seconds: Seconds that one record may span: 60 or 600.
-- created_at: When it was made, UTC.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'vpc-flow-log/' || item.FlowLogId) as arn,
    account_id,
    region,
    item.FlowLogId as flow_log_id,
    tag_map(item.Tags)['Name'] as name,
    item.ResourceId as target_id,
    regexp_extract(item.ResourceId, '^(.*)-', 1) as target_type,
    item.TrafficType as traffic_type,
    item.FlowLogStatus as state,
    item.DeliverLogsStatus as delivery_status,
    item.DeliverLogsErrorMessage as delivery_error,
    item.LogDestinationType as destination_type,
    coalesce(item.LogDestination, item.LogGroupName) as destination,
    item.MaxAggregationInterval as max_aggregation_interval_seconds,
    item.CreationTime as created_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_flow_log',
        'STRUCT(
        FlowLogId VARCHAR, ResourceId VARCHAR, TrafficType VARCHAR, FlowLogStatus VARCHAR,
        DeliverLogsStatus VARCHAR, DeliverLogsErrorMessage VARCHAR,
        LogDestinationType VARCHAR, LogDestination VARCHAR, LogGroupName VARCHAR,
        MaxAggregationInterval INTEGER, CreationTime TIMESTAMPTZ,
        Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
