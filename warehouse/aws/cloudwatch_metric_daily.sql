-- One row per resource, metric, statistic and day of the last 30 whole days (UTC), as CloudWatch measured it: an optional
-- grant. A day without a row has no data: what a resource did then is unknown, it was not idle. A function sends none
-- for a day without invocations: that it had none is known only where CloudWatch was requested and responded for it.
-- key: arn, metric, statistic, usage_date
-- arn: ARN of the resource.
-- metric: Name of the metric, such as CPUUtilization.
-- statistic: Average, Maximum or Sum, over the day.
-- usage_date: Day, UTC.
-- value: The statistic, in the metric's unit: percent for CPUUtilization, bytes for NetworkIn and NetworkOut, a number for DatabaseConnections and Invocations.
-- data_points: Samples that the value rests on: 288 where every five minutes of the day has one, 1440 where every minute has.
-- account_id: The AWS account of the resource, 12 digits, text because some begin with 0.
-- region: AWS region of the resource.
-- namespace: CloudWatch's namespace of the metric, such as AWS/EC2.
-- resource_id: What CloudWatch calls the resource: an instance's id, a database's or a function's name.
with result as not materialized (
    select
        account_id,
        region,
        string_split(item.Label, '|') as label,
        item.Timestamps as point_at,
        item."Values" as value,
        cell
    from landing(
            'cloudwatch_metric',
            'STRUCT(Label VARCHAR, Timestamps TIMESTAMPTZ[], "Values" DOUBLE[])'
        )
),

-- Read twice rather than held: the samples of a day are joined to its statistics, which are too many to sort.
sample as (
    select
        account_id,
        region,
        subject,
        usage_date,
        try_cast(max(data_points) as bigint) as data_points
    from (
        select
            account_id,
            region,
            label[1:4] as subject,
            unnest(point_at)::date as usage_date,
            unnest(value) as data_points
        from result
        where label[5] = 'SampleCount'
    ) as counted
    group by all
),

point as (
    select
        account_id,
        region,
        label[1:4] as subject,
        label[5] as statistic,
        unnest(point_at)::date as usage_date,
        unnest(value) as value,
        cell
    from result
    where label[5] <> 'SampleCount'
),

measured as (
    select
        account_id,
        region,
        subject,
        statistic,
        usage_date,
        value,
        data_points,
        cell
    from point
    left join sample using (account_id, region, subject, usage_date)
)

select
    case subject[2]
        when 'InstanceId' then aws_arn('ec2', region, account_id, 'instance/' || subject[3])
        when 'DBInstanceIdentifier' then aws_arn('rds', region, account_id, 'db:' || subject[3])
        when 'FunctionName' then aws_arn('lambda', region, account_id, 'function:' || subject[3])
        else error('aws.cloudwatch_metric_daily: no ARN is known for what ' || subject[2] || ' names')
    end as arn,
    subject[4] as metric,
    statistic,
    usage_date,
    value,
    data_points,
    account_id,
    region,
    subject[1] as namespace,
    subject[3] as resource_id,
    cell.*
from measured
