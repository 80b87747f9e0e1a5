-- One row per instance with SQL Server that AWS watches for high availability: a standby pays no licence of SQL Server. It
-- is requested where there is an instance.
-- key: arn
-- arn: Amazon Resource Name of the instance, built from account, region and id, since EC2 returns none.
-- account_id: The AWS account of the instance: 12 digits, text because some begin with 0.
-- region: AWS region.
-- instance_id: Id of the instance.
-- ha_status: processing, active, standby or invalid.
-- license_usage: full or waived.
-- processing_status: What AWS says of its status; NULL where nothing.
-- credentials_secret_arn: Secret by which AWS signs in to SQL Server; NULL where it uses a local user.
-- updated_at: When its status was last found, UTC.
select
    aws_arn('ec2', region, account_id, 'instance/' || item.InstanceId) as arn,
    account_id,
    region,
    item.InstanceId as instance_id,
    item.HaStatus as ha_status,
    item.SqlServerLicenseUsage as license_usage,
    item.ProcessingStatus as processing_status,
    item.SqlServerCredentials as credentials_secret_arn,
    item.LastUpdatedTime as updated_at,
    cell.*
from landing(
        'ec2_instance_sql_ha_state',
        'STRUCT(
        InstanceId VARCHAR, HaStatus VARCHAR, SqlServerLicenseUsage VARCHAR, ProcessingStatus VARCHAR,
        SqlServerCredentials VARCHAR, LastUpdatedTime TIMESTAMPTZ
    )'
    )
