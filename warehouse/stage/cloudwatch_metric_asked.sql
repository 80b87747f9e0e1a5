-- What was requested from CloudWatch, with or without a sample in its response: no data means something only where it was requested
-- about. Not part of the public interface; read aws.cloudwatch_metric_daily.
-- key: account_id, region, namespace, resource_id, metric
-- account_id: The AWS account of the resource, 12 digits, text because some begin with 0.
-- region: AWS region of the resource.
-- namespace: CloudWatch's namespace of the metric, such as AWS/Lambda.
-- resource_id: What CloudWatch calls the resource: an instance's id, a database's or a function's name.
-- metric: Name of the metric, such as Invocations.
-- is_complete: True where CloudWatch reported its response complete.
-- data_points: Samples of the metric in the whole period; 0 where it sent none.
-- first_date: First day of the request, UTC.
-- end_date: The day after the last one of the request, UTC.
with result as (
    select
        account_id,
        region,
        string_split(item.Label, '|') as label,
        item.StatusCode as status,
        item."Values" as sample_counts,
        item.StartTime::date as first_date,
        item.EndTime::date as end_date,
        cell
    from landing(
            'cloudwatch_metric',
            'STRUCT(
            Label VARCHAR, StatusCode VARCHAR, "Values" DOUBLE[], StartTime TIMESTAMPTZ, EndTime TIMESTAMPTZ
        )'
        )
),

-- One response may come in several pieces, which a page has cut.
whole as (
    select
        account_id,
        region,
        label[1] as namespace,
        label[3] as resource_id,
        label[4] as metric,
        bool_or(status = 'Complete') and not bool_or(status in ('Forbidden', 'InternalError')) as is_complete,
        coalesce(try_cast(sum(list_sum(sample_counts)) as bigint), 0) as data_points,
        min(first_date) as first_date,
        max(end_date) as end_date,
        any_value(cell) as cell
    from result
    where label[5] = 'SampleCount'
    group by all
)

select
    account_id,
    region,
    namespace,
    resource_id,
    metric,
    is_complete,
    data_points,
    first_date,
    end_date,
    cell.*
from whole
