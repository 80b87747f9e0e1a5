-- One row per notification of connections to an endpoint service, or of a VPC endpoint: who hears of them. It is requested
-- where there is an endpoint or an endpoint service.
-- key: account_id, region, connection_notification_id
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- connection_notification_id: Id, such as vpce-nfn-0123456789abcdef0.
-- state: Enabled or Disabled.
-- vpc_endpoint_service_id: Endpoint service; NULL where it is of an endpoint.
-- vpc_endpoint_id: Endpoint; NULL where it is of a service.
-- topic_arn: SNS topic that hears of them.
-- events: Which events it hears of: Accept, Connect, Delete, Reject, sorted.
-- service_region: Region of the service; NULL where AWS does not say.
select
    account_id,
    region,
    item.ConnectionNotificationId as connection_notification_id,
    item.ConnectionNotificationState as state,
    item.ServiceId as vpc_endpoint_service_id,
    item.VpcEndpointId as vpc_endpoint_id,
    item.ConnectionNotificationArn as topic_arn,
    list_sort(coalesce(item.ConnectionEvents, [])) as events,
    item.ServiceRegion as service_region,
    cell.*
from landing(
        'ec2_vpc_endpoint_connection_notification',
        'STRUCT(
        ConnectionNotificationId VARCHAR, ServiceId VARCHAR, VpcEndpointId VARCHAR,
        ConnectionNotificationArn VARCHAR, ConnectionEvents VARCHAR[], ConnectionNotificationState VARCHAR,
        ServiceRegion VARCHAR
    )'
    )
