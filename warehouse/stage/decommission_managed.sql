-- What the rules of ref.decommission_rule about databases, buckets and functions find in the newest run, one select a rule. Not part of
-- the public interface; read cmdb.decommission_signal.
-- materialized: view
-- key: arn, rule
-- arn: Amazon Resource Name.
-- rule: Name of the rule.
-- resource_type: AWS's name of the type.
-- account_id: The AWS account that owns it, 12 digits, text because some begin with 0.
-- region: AWS region.
-- collected_at: When AWS gave what is judged here, UTC.
-- is_stale: True where the response that speaks of it is not trusted any more.
-- is_flagged: True where the rule finds it, false where it does not, NULL where that is not known.
-- unknown_reason: Why it would not be known, whether it is or not.
-- since: Since when it has been so at least, UTC; NULL where neither AWS nor the history shows it.
-- evidence: The data points behind it, JSON.
-- parts: What would not be billed any more: arn, service and usage as in ref.unit_price, quantity a month; negative for what takes its place.
-- size_gap: Why the parts are not known; NULL where they are.
with place as (
    select
        account_id,
        region,
        listing,
        bool_or(is_known) as is_known,
        max_by(coalesce(skip_reason, outcome), ended_at) as why
    from audit.coverage
    where listing in ('cloudwatch_metric', 'rds_db_cluster', 'rds_db_instance', 's3_bucket_content')
    group by account_id, region, listing
),

snapshot as (
    -- A copy names the snapshot that it was made of: its database may be in that one's account and region.
    select
        * exclude (copied_from),
        coalesce(nullif(split_part(copied_from, ':', 5), ''), account_id) as source_account_id,
        coalesce(nullif(split_part(copied_from, ':', 4), ''), region) as source_region
    from (
        select
            *,
            coalesce(
                record ->> '$.SourceDBSnapshotIdentifier', record ->> '$.SourceDBClusterSnapshotArn'
            ) as copied_from
        from aws.rds_db_snapshot
        where snapshot_type = 'manual'
    ) as held
),

database as (
    select
        item.*,
        regexp_extract(item.instance_class, '^(.*)\.([^.]+)$', 1) as family,
        regexp_extract(item.instance_class, '^(.*)\.([^.]+)$', 2) as size,
        case
            when regexp_matches(item.engine, '^(custom-)?(sqlserver|oracle|db2)-') then 'rds_x86' else 'rds'
        end
            as family_service,
        case when item.is_multi_az then 2 else 1 end as copies,
        [
            {
                'arn': item.arn,
                'service': 'AmazonRDS',
                'usage': case item.storage_type
                    when 'gp2' then 'RDS:GP2-Storage'
                    when 'gp3' then 'RDS:GP3-Storage'
                    when 'io1' then 'RDS:PIOPS-Storage'
                    else 'RDS:Storage.' || coalesce(item.storage_type, 'unknown')
                end,
                'quantity': (item.allocated_storage_gb * case
                    when item.is_multi_az
                        then 2
                    else 1
                end)::decimal(18, 4)
            }
        ] as storage_parts,
        [
            {
                'arn': item.arn,
                'service': 'AmazonRDS',
                'usage': 'InstanceUsage:' || item.instance_class || '/' || item.engine,
                'quantity': (730 * case when item.is_multi_az then 2 else 1 end)::decimal(18, 4)
            }
        ] as instance_parts
    from aws.rds_db_instance as item
),

connection as (
    select
        item.arn,
        count(*) filter (where measured.data_points >= 1200) as known_days,
        count(*) filter (where measured.value > rule.threshold) as used_days,
        max(measured.value) as connections_max,
        min(measured.usage_date) as first_date
    from database as item
    inner join ref.decommission_rule as rule
        on rule.rule = 'database_without_connections' and rule.resource_type = 'AWS::RDS::DBInstance'
    inner join aws.cloudwatch_metric_daily as measured
        on
            item.arn = measured.arn
            and measured.metric = 'DatabaseConnections'
            and measured.statistic = 'Maximum'
            and not measured.is_stale
            and measured.usage_date >= (item.collected_at at time zone 'UTC')::date - rule.min_days
            and measured.usage_date < (item.collected_at at time zone 'UTC')::date
    group by item.arn
),

known_database as (
    select resource_id -- noqa: AM07
    from aws.rds_db_instance
    union
    select resource_id
    from aws.rds_db_cluster
),

invocation as (
    select
        item.arn,
        asked.is_complete,
        asked.data_points,
        asked.first_date,
        asked.end_date,
        asked.is_stale,
        exists(
            select 1
            from stage.cloudwatch_metric_asked as other
            where
                other.account_id = item.account_id
                and other.region = item.region
                and not other.is_stale
                and other.data_points > 0
        ) as is_heard,
        -- CloudFront calls a function of us-east-1 by another name, in the regions of its edges.
        item.region = 'us-east-1'
        and exists (
            select 1
            from cost.daily as billed
            where
                billed.slice = 'usage_type'
                and billed.account_id = item.account_id
                and billed.usage_date >= asked.first_date
                and contains(billed.dimension_value, 'Lambda-Edge')
        ) as may_be_at_edge,
        (
            select sum(measured.value)::bigint
            from aws.cloudwatch_metric_daily as measured
            where measured.arn = item.arn and measured.metric = 'Invocations'
        ) as invocation_count
    from aws.lambda_function as item
    inner join stage.cloudwatch_metric_asked as asked
        on
            item.account_id = asked.account_id
            and item.region = asked.region
            and item.name = asked.resource_id
            and asked.namespace = 'AWS/Lambda'
            and asked.metric = 'Invocations'
)

select -- noqa: AM07
    database.arn,
    rule.rule,
    rule.resource_type,
    database.account_id,
    database.region,
    database.collected_at,
    database.is_stale,
    database.status = 'stopped' as is_flagged,
    history.since,
    to_json({
        'status': database.status,
        'restarts_at': (database.restarts_at at time zone 'UTC')::varchar || '+00',
        'engine': database.engine,
        'instance_class': database.instance_class,
        'allocated_storage_gb': database.allocated_storage_gb,
        'cluster_name': database.cluster_name
    }) as evidence,
    database.storage_parts as parts,
    case when database.cluster_name is null then null else 'its storage is the cluster''s' end as size_gap
from database
inner join ref.decommission_rule as rule
    on rule.rule = 'stopped_database' and rule.resource_type = 'AWS::RDS::DBInstance'
left join stage.unchanged_since as history on database.arn = history.arn

union all by name

select
    database.arn,
    rule.rule,
    rule.resource_type,
    database.account_id,
    database.region,
    database.collected_at,
    database.is_stale,
    case
        when database.status in ('creating', 'stopped', 'stopping') then false
        when database.status = 'deleting' then null
        -- While it is backed up or changed, it runs.
        when database.collected_at - database.created_at < to_days(rule.min_days) then false
        when not coalesce(place.is_known, false) then null
        when connection.used_days > 0 then false
        when connection.known_days >= rule.min_days then true
    end as is_flagged,
    case
        when database.status = 'deleting' then 'it is being deleted'
        when coalesce(place.is_known, false)
            then 'CloudWatch has ' || coalesce(connection.known_days, 0) || ' whole days of data, and '
                || rule.min_days || ' are needed'
        else 'CloudWatch did not respond: ' || coalesce(place.why, 'not requested')
    end as unknown_reason,
    connection.first_date::timestamp at time zone 'UTC' as since,
    to_json({
        'status': database.status,
        'days': rule.min_days,
        'known_days': coalesce(connection.known_days, 0),
        'connections_max': connection.connections_max,
        'engine': database.engine,
        'instance_class': database.instance_class,
        'cluster_name': database.cluster_name,
        'replica_source': database.replica_source
    }) as evidence,
    -- The storage of a cluster stays with its other members.
    case
        when database.cluster_name is null
            then list_concat(database.instance_parts, database.storage_parts)
        else database.instance_parts
    end as parts
from database
inner join ref.decommission_rule as rule
    on rule.rule = 'database_without_connections' and rule.resource_type = 'AWS::RDS::DBInstance'
left join connection on database.arn = connection.arn
left join place
    on
        database.account_id = place.account_id
        and database.region = place.region
        and place.listing = 'cloudwatch_metric'

union all by name

select
    database.arn,
    rule.rule,
    rule.resource_type,
    database.account_id,
    database.region,
    database.collected_at,
    database.is_stale,
    family.family is not null as is_flagged,
    to_json({
        'instance_class': database.instance_class,
        'successor': family.successor
        || case
            when list_contains(string_split(family.absent_sizes, ';'), database.size) then '' else
                '.' || database.size
        end,
        'engine': database.engine,
        'engine_version': database.engine_version,
        'status': database.status,
        'source': family.source
    }) as evidence,
    case
        when database.status = 'stopped'
            then []
        else list_concat(
                database.instance_parts,
                [
                    {
                        'arn': database.arn,
                        'service': 'AmazonRDS',
                        'usage': 'InstanceUsage:' || family.successor || '.' || database.size || '/'
                        || database.engine,
                        'quantity': (-730 * database.copies)::decimal(18, 4)
                    }
                ]
            )
    end as parts
from database
inner join ref.decommission_rule as rule
    on rule.rule = 'old_generation' and rule.resource_type = 'AWS::RDS::DBInstance'
left join
    ref.instance_family as family
    on database.family_service = family.service and database.family = family.family

union all by name

select
    snapshot.arn,
    rule.rule,
    rule.resource_type,
    snapshot.account_id,
    snapshot.region,
    snapshot.collected_at,
    snapshot.is_stale,
    case
        when known.resource_id is not null then false
        when snapshot.source_resource_id is null or not coalesce(place.is_known, false) then null
        else snapshot.collected_at - snapshot.created_at >= to_days(rule.min_days)
    end as is_flagged,
    case
        when snapshot.source_resource_id is null
            then 'RDS does not report what it was made of'
        else 'the databases that it may be of could not be listed: ' || coalesce(place.why, 'not requested')
    end as unknown_reason,
    snapshot.created_at as since,
    to_json({
        'source_name': snapshot.source_name,
        'source_resource_id': snapshot.source_resource_id,
        'created_at': (snapshot.created_at at time zone 'UTC')::varchar || '+00',
        'allocated_storage_gb': snapshot.allocated_storage_gb,
        'engine': snapshot.engine
    }) as evidence,
    [
        {
            'arn': snapshot.arn,
            'service': 'AmazonRDS',
            'usage': 'RDS:ChargedBackupUsage',
            'quantity': snapshot.allocated_storage_gb::decimal(18, 4)
        }
    ] as parts,
    case
        when coalesce(snapshot.allocated_storage_gb, 0) > 1
            then null
        else 'RDS does not report how large it is'
    end as size_gap
from snapshot
inner join ref.decommission_rule as rule
    on
        rule.rule = 'orphan_database_snapshot'
        and rule.resource_type
        = case
            when snapshot.is_of_cluster
                then 'AWS::RDS::DBClusterSnapshot'
            else 'AWS::RDS::DBSnapshot'
        end
left join known_database as known on snapshot.source_resource_id = known.resource_id
left join place
    on
        snapshot.source_account_id = place.account_id
        and snapshot.source_region = place.region
        and place.listing = case
            when snapshot.is_of_cluster
                then 'rds_db_cluster'
            else 'rds_db_instance'
        end

union all by name

select
    bucket.arn,
    rule.rule,
    rule.resource_type,
    bucket.account_id,
    bucket.region,
    bucket.collected_at,
    bucket.is_stale,
    case when coalesce(place.is_known, false) then not bucket.has_objects end as is_flagged,
    case
        when coalesce(place.is_known, false)
            then 'S3 did not report whether it holds anything'
        else 'its content was not requested: ' || coalesce(place.why, everywhere.why, 'not requested')
    end as unknown_reason,
    to_json({
        'has_objects': bucket.has_objects,
        'content_seen_at': (bucket.content_seen_at at time zone 'UTC')::varchar || '+00',
        'created_at': (bucket.created_at at time zone 'UTC')::varchar || '+00'
    }) as evidence,
    [] as parts
from aws.s3_bucket as bucket
inner join ref.decommission_rule as rule
    on rule.rule = 'empty_bucket' and rule.resource_type = 'AWS::S3::Bucket'
left join place
    on
        bucket.account_id = place.account_id
        and bucket.region = place.region
        and place.listing = 's3_bucket_content'
left join place as everywhere
    on
        bucket.account_id = everywhere.account_id
        and everywhere.region = 'aws-global'
        and everywhere.listing = 's3_bucket_content'
-- Nobody wants to know: there is nothing to judge by this rule.
where
    bucket.content_seen_at is not null
    or place.listing is not null
    or everywhere.why is distinct from 'not_requested'

union all by name

select
    item.arn,
    rule.rule,
    rule.resource_type,
    item.account_id,
    item.region,
    item.collected_at,
    item.is_stale,
    case
        when not coalesce(place.is_known, false) or coalesce(asked.is_stale, true) then null
        when asked.data_points > 0 then false
        when item.modified_at at time zone 'UTC' >= asked.end_date - to_days(rule.min_days) then false
        when asked.may_be_at_edge then null
        -- Silence is the word of CloudWatch only where it has spoken.
        when
            asked.is_complete and asked.is_heard and asked.end_date - asked.first_date >= rule.min_days
            then true
    end as is_flagged,
    case
        when
            not coalesce(place.is_known, false) or coalesce(asked.is_stale, true)
            then 'CloudWatch did not respond: ' || coalesce(place.why, 'not requested')
        when not asked.is_complete then 'the response of CloudWatch was not complete'
        when asked.end_date - asked.first_date < rule.min_days then 'the request covers too few days'
        when
            asked.may_be_at_edge
            then 'the account pays for Lambda@Edge, whose calls CloudWatch counts under another name'
        else 'CloudWatch sent no sample of anything in the account and region, '
            || 'so that missing data means nothing'
    end as unknown_reason,
    asked.first_date::timestamp at time zone 'UTC' as since,
    to_json({
        'asked_from': asked.first_date,
        'asked_until': asked.end_date,
        'data_points': asked.data_points,
        'invocations': coalesce(asked.invocation_count, 0),
        'is_heard': asked.is_heard,
        'modified_at': (item.modified_at at time zone 'UTC')::varchar || '+00'
    }) as evidence,
    [] as parts
from aws.lambda_function as item
inner join ref.decommission_rule as rule
    on rule.rule = 'function_without_invocations' and rule.resource_type = 'AWS::Lambda::Function'
left join invocation as asked on item.arn = asked.arn
left join place
    on
        item.account_id = place.account_id
        and item.region = place.region
        and place.listing = 'cloudwatch_metric'
