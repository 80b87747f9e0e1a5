-- One row per reserved DB instance: a commitment to databases of one class, paid for whether they run or not. Those that
-- ended stay for as long as AWS lists them.
-- key: arn
-- resource: id=reserved_db_instance_id state=state created=started_at gone=retired, payment-failed
--   attributes=instance_class, instance_count, engine, is_multi_az, offering_type, ends_at
-- arn: Amazon Resource Name.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- reserved_db_instance_id: Name, unique in its account and region.
-- state: payment-pending, active, payment-failed, retired.
-- instance_class: Class of the databases, such as db.r6g.large.
-- instance_count: Number of databases that it covers.
-- engine: Product that it is for, such as postgresql.
-- is_multi_az: True for databases with a standby in another zone.
-- offering_type: No Upfront, Partial Upfront or All Upfront.
-- fixed_price: Price at the beginning, in the currency of the offering.
-- currency: Currency of the offering, three capitals.
-- started_at: When it began, UTC.
-- ends_at: When it ends, UTC.
-- name: The same as reserved_db_instance_id, as every item has one.
select
    item.ReservedDBInstanceArn as arn,
    split_part(item.ReservedDBInstanceArn, ':', 5) as account_id,
    region,
    item.ReservedDBInstanceId as reserved_db_instance_id,
    item.State as state,
    item.DBInstanceClass as instance_class,
    item.DBInstanceCount as instance_count,
    item.ProductDescription as engine,
    item.MultiAZ as is_multi_az,
    item.OfferingType as offering_type,
    item.FixedPrice as fixed_price,
    item.CurrencyCode as currency,
    item.StartTime as started_at,
    item.StartTime + to_seconds(item.Duration) as ends_at,
    item.ReservedDBInstanceId as name,
    cell.*
from landing(
        'rds_reserved_db_instance',
        'STRUCT(
        ReservedDBInstanceArn VARCHAR, ReservedDBInstanceId VARCHAR, State VARCHAR, DBInstanceClass VARCHAR,
        DBInstanceCount BIGINT, ProductDescription VARCHAR, MultiAZ BOOLEAN, OfferingType VARCHAR, FixedPrice DECIMAL(28, 10),
        CurrencyCode VARCHAR, StartTime TIMESTAMPTZ, Duration BIGINT
    )'
    )
