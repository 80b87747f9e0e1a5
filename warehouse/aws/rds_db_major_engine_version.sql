-- One row per major version of a database engine in a region: until when AWS supports it, and from when that costs extra. AWS's own,
-- the same for all accounts of a region: one with a database of that engine there is requested, and where it is refused, another. Of
-- engines that RDS does not version so, such as Neptune, there are none.
-- key: account_id, region, engine, major_engine_version
-- account_id: The AWS account through which it was requested: 12 digits, text because some begin with 0.
-- region: AWS region.
-- engine: Database engine, such as aurora-postgresql.
-- major_engine_version: Major version, such as 15 or 8.0.
-- standard_support_until: When standard support ends, UTC; NULL where AWS states none.
-- extended_support_from: When extended support begins, which is paid for by the hour, UTC; NULL where there is none.
-- extended_support_until: When extended support ends, UTC; NULL where there is none.
select
    account_id,
    region,
    item.Engine as engine,
    item.MajorEngineVersion as major_engine_version,
    list_filter(
        coalesce(item.SupportedEngineLifecycles, []),
        lambda one: one.LifecycleSupportName = 'open-source-rds-standard-support'
    )[1].LifecycleSupportEndDate as standard_support_until,
    list_filter(
        coalesce(item.SupportedEngineLifecycles, []),
        lambda one: one.LifecycleSupportName = 'open-source-rds-extended-support'
    )[1].LifecycleSupportStartDate as extended_support_from,
    list_filter(
        coalesce(item.SupportedEngineLifecycles, []),
        lambda one: one.LifecycleSupportName = 'open-source-rds-extended-support'
    )[1].LifecycleSupportEndDate as extended_support_until,
    cell.*
from landing(
        'rds_db_major_engine_version',
        'STRUCT(
        Engine VARCHAR, MajorEngineVersion VARCHAR,
        SupportedEngineLifecycles STRUCT(LifecycleSupportName VARCHAR, LifecycleSupportStartDate TIMESTAMPTZ,
        LifecycleSupportEndDate TIMESTAMPTZ)[]
    )'
    )
