-- One row per purchase of reserved instances, ended ones included for as long as AWS lists them. It is a discount and no
-- machine. Only the account that bought it lists it, whoever else in the organisation uses it.
-- key: arn
-- resource: id=reserved_instances_id state=state created=started_at zone=availability_zone
--   gone=retired, payment-failed, queued-deleted attributes=instance_type, instance_count, product_description,
--   offering_class, offering_type, scope, tenancy, duration_days, fixed_price, usage_price, hourly_charge, currency,
--   ends_at
-- arn: Amazon Resource Name, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account that bought it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- reserved_instances_id: Id, a UUID.
-- name: Value of the tag Name; NULL where there is none.
-- state: payment-pending, active, payment-failed, retired, queued or queued-deleted.
-- instance_type: Instance type; for the scope Region and Linux, its whole family.
-- instance_count: How many instances it covers.
-- product_description: Operating system, such as Linux/UNIX.
-- offering_class: standard or convertible.
-- offering_type: No Upfront, Partial Upfront or All Upfront; older ones by utilization.
-- scope: Region, or Availability Zone, which reserves capacity as well.
-- availability_zone: Availability zone; NULL for the scope Region.
-- tenancy: default, dedicated or host.
-- duration_days: Its term, days.
-- fixed_price: What it costs at purchase for each instance, in currency.
-- usage_price: What each hour of use costs, in currency.
-- hourly_charge: What each instance costs every hour, used or not, in currency; NULL where AWS reports no charge.
-- currency: Currency of the prices, such as USD; NULL where AWS does not report it.
-- started_at: When its term began, UTC.
-- ends_at: When its term ends, UTC.
-- tags: Tags; an empty map where it has none.
select
    aws_arn('ec2', region, account_id, 'reserved-instances/' || item.ReservedInstancesId) as arn,
    account_id,
    region,
    item.ReservedInstancesId as reserved_instances_id,
    tag_map(item.Tags)['Name'] as name,
    item.State as state,
    item.InstanceType as instance_type,
    item.InstanceCount as instance_count,
    item.ProductDescription as product_description,
    item.OfferingClass as offering_class,
    item.OfferingType as offering_type,
    item.Scope as scope,
    item.AvailabilityZone as availability_zone,
    item.InstanceTenancy as tenancy,
    item.Duration // 86400 as duration_days,
    item.FixedPrice as fixed_price,
    item.UsagePrice as usage_price,
    list_sum(
        list_transform(
            list_filter(item.RecurringCharges, lambda charge: charge.Frequency = 'Hourly'),
            lambda charge: charge.Amount
        )
    )::decimal(28, 10) as hourly_charge,
    item.CurrencyCode as currency,
    item."Start" as started_at,
    item."End" as ends_at,
    tag_map(item.Tags) as tags,
    cell.*
from landing(
        'ec2_reserved_instance',
        'STRUCT(
        ReservedInstancesId VARCHAR, "State" VARCHAR, InstanceType VARCHAR, InstanceCount BIGINT,
        ProductDescription VARCHAR, OfferingClass VARCHAR, OfferingType VARCHAR, Scope VARCHAR,
        AvailabilityZone VARCHAR, InstanceTenancy VARCHAR, Duration BIGINT, FixedPrice DECIMAL(28, 10),
        UsagePrice DECIMAL(28, 10), RecurringCharges STRUCT(Amount DECIMAL(28, 10), Frequency VARCHAR)[],
        CurrencyCode VARCHAR, "Start" TIMESTAMPTZ, "End" TIMESTAMPTZ, Tags STRUCT("Key" VARCHAR, "Value" VARCHAR)[]
    )'
    )
