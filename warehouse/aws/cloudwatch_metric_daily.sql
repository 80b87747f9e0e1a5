-- One row per resource, metric, statistic and day of the last 30 whole days (UTC), as CloudWatch measured it: an optional
-- grant. A day without a row has no data: what a resource did then is unknown, it was not idle.
-- key: arn, metric, statistic, usage_date
-- arn: ARN of the resource.
-- metric: Name of the metric, such as CPUUtilization.
-- statistic: Average, Maximum or Sum, over the day.
-- usage_date: Day, UTC.
-- value: The statistic, in the metric's unit: percent for CPUUtilization, bytes for NetworkIn and NetworkOut.
-- data_points: Samples that the value rests on: 288 where every five minutes of the day has one.
-- account_id: The AWS account of the resource, 12 digits, text because some begin with 0.
-- region: AWS region of the resource.
-- namespace: CloudWatch's namespace of the metric, such as AWS/EC2.
-- resource_id: The service's own id, such as i-0123456789abcdef0.
with result as (
    select
        account_id,
        region,
        string_split(item.Label, '|') as label,
        unnest(item.Timestamps) as point_at,
        unnest(item."Values") as value,
        cell
    from landing(
            'cloudwatch_metric',
            'STRUCT(Label VARCHAR, Timestamps TIMESTAMPTZ[], "Values" DOUBLE[])'
        )
),

point as (
    select
        account_id,
        region,
        label[1] as namespace,
        label[3] as resource_id,
        label[4] as metric,
        label[5] as statistic,
        point_at::date as usage_date,
        value,
        case label[2]
            when 'InstanceId' then aws_arn('ec2', region, account_id, 'instance/' || label[3])
            else error('aws.cloudwatch_metric_daily: no ARN is known for what ' || label[2] || ' names')
        end as arn,
        cell
    from result
)

select
    arn,
    metric,
    statistic,
    usage_date,
    value,
    max(if(statistic = 'SampleCount', value, null))
        over (partition by arn, metric, usage_date)::bigint
        as data_points,
    account_id,
    region,
    namespace,
    resource_id,
    cell.*
from point
qualify statistic <> 'SampleCount'
