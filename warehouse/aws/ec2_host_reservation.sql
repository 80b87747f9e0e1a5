-- One row per reservation of dedicated hosts: a commitment that is paid for whether the hosts are there or not. Those that
-- ended stay for as long as AWS lists them.
-- key: arn
-- resource: id=host_reservation_id state=state created=started_at
--   gone=retired, payment-failed, expired, cancelled, failed, unsupported attributes=instance_family,
--   host_count, host_ids, payment_option, hourly_price, ends_at
-- arn: Amazon Resource Name, built from account, region and id, since AWS returns none.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- host_reservation_id: Id, such as hr-0123456789abcdef0.
-- name: Value of the tag Name; NULL where there is none.
-- state: payment-pending, payment-failed, active or retired.
-- instance_family: Family of instances, such as m5.
-- host_count: Number of hosts that it covers.
-- host_ids: Hosts that it covers, sorted.
-- payment_option: NoUpfront, PartialUpfront or AllUpfront.
-- hourly_price: Price of an hour, in its currency.
-- upfront_price: Price at the beginning, in its currency.
-- currency: Currency of its prices, three capitals.
-- term_days: Days for which it was bought.
-- started_at: When it began, UTC.
-- ends_at: When it ends, UTC.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'host-reservation/' || item.HostReservationId) as arn,
    account_id,
    region,
    item.HostReservationId as host_reservation_id,
    tag_map(item.Tags)['Name'] as name,
    item."State" as state,
    item.InstanceFamily as instance_family,
    item."Count"::bigint as host_count,
    list_sort(coalesce(item.HostIdSet, [])) as host_ids,
    item.PaymentOption as payment_option,
    try_cast(item.HourlyPrice as decimal(18, 8)) as hourly_price,
    try_cast(item.UpfrontPrice as decimal(18, 8)) as upfront_price,
    coalesce(item.CurrencyCode, 'USD') as currency,
    (item.Duration // 86400)::bigint as term_days,
    item."Start" as started_at,
    item."End" as ends_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_host_reservation',
        'STRUCT(
        HostReservationId VARCHAR, "State" VARCHAR, InstanceFamily VARCHAR, "Count" BIGINT, HostIdSet VARCHAR[],
        PaymentOption VARCHAR, HourlyPrice VARCHAR, UpfrontPrice VARCHAR, CurrencyCode VARCHAR, Duration BIGINT,
        "Start" TIMESTAMPTZ, "End" TIMESTAMPTZ, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
