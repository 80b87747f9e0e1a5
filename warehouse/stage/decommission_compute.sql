-- What the rules of ref.decommission_rule about instances, volumes, snapshots and addresses find in the newest run, one select a rule.
-- Not part of the public interface; read cmdb.decommission_signal.
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
    where listing in ('cloudwatch_metric', 'ec2_image', 'ec2_volume')
    group by account_id, region, listing
),

instance as (
    select
        item.*,
        coalesce(disk.disk_parts, []) as disk_parts,
        -- What was known of its disks before a response failed, still is.
        case
            when item.outpost_arn is not null then 'it is paid for with its Outpost'
            when coalesce(disk.disk_count, 0) >= len(item.volume_ids) then null
            when not coalesce(place.is_known, false) then 'the sizes of its disks could not be listed'
            else len(item.volume_ids)
                - coalesce(disk.disk_count, 0)
                || ' of its disks are not known'
        end as disk_gap,
        -- A licence, hardware or a market of its own has another price.
        case
            when item.outpost_arn is not null then 'it is paid for with its Outpost'
            when coalesce(item.tenancy, 'default') <> 'default'
                then 'ref.unit_price holds no prices of dedicated hardware'
            when coalesce(item.platform_details, 'Linux/UNIX') = 'Linux/UNIX' and item.lifecycle is null
                then null
            else 'ref.unit_price holds prices of on-demand Linux instances alone'
        end as price_gap,
        split_part(item.instance_type, '.', 1) as family,
        split_part(item.instance_type, '.', 2) as size,
        coalesce(case
            when item.state_changed_at >= item.launched_at
                then item.state_changed_at
        end, history.since)
            as since,
        coalesce(item.state_changed_at >= item.launched_at, false)
        or coalesce(history.is_beginning_seen, false) as is_beginning_known
    from aws.ec2_instance as item
    left join stage.instance_disk as disk
        on
            item.account_id = disk.account_id
            and item.region = disk.region
            and item.instance_id = disk.instance_id
    left join place
        on item.account_id = place.account_id and item.region = place.region and place.listing = 'ec2_volume'
    left join stage.unchanged_since as history on item.arn = history.arn
    where coalesce(item.state, '') not in ('terminated', 'shutting-down')
),

instance_day as (
    select
        arn,
        usage_date,
        max(value) filter (where metric = 'CPUUtilization' and statistic = 'Maximum') as cpu_pct,
        sum(value) filter (where metric in ('NetworkIn', 'NetworkOut')) as network_bytes,
        count(distinct metric) = 3 and min(data_points) >= 240 as is_whole
    from aws.cloudwatch_metric_daily
    where namespace = 'AWS/EC2' and not is_stale
    group by arn, usage_date
),

instance_use as (
    select
        item.arn,
        count(*) filter (where measured.is_whole) as known_days,
        count(*) filter (
            where measured.cpu_pct > rule.threshold or measured.network_bytes > 5000000
        ) as busy_days,
        max(measured.cpu_pct) as cpu_max_pct,
        max(measured.network_bytes) as network_max_bytes,
        min(measured.usage_date) as first_date
    from instance as item
    inner join ref.decommission_rule as rule
        on rule.rule = 'idle_instance' and rule.resource_type = 'AWS::EC2::Instance'
    inner join instance_day as measured
        on
            item.arn = measured.arn
            and measured.usage_date >= (item.collected_at at time zone 'UTC')::date - rule.min_days
            and measured.usage_date < (item.collected_at at time zone 'UTC')::date
    group by item.arn
),

in_image as (
    select
        unnest(snapshot_ids) as snapshot_id,
        image_id
    from aws.ec2_image
),

imaged as (
    select
        snapshot_id,
        list_sort(list(image_id)) as image_ids
    from in_image
    group by snapshot_id
)

select -- noqa: AM07
    volume.arn,
    'unattached_volume' as rule,
    'AWS::EC2::Volume' as resource_type,
    volume.account_id,
    volume.region,
    volume.collected_at,
    volume.is_stale,
    case
        when volume.state <> 'available' then false
        when volume.collected_at - history.since >= to_days(rule.min_days) then true
        when
            history.is_beginning_seen
            or volume.collected_at - volume.created_at < to_days(rule.min_days)
            then false
    end as is_flagged,
    'it has been seen unattached since '
    || coalesce(strftime(history.since at time zone 'UTC', '%Y-%m-%d'), 'today')
    || ', and AWS does not report since when it is' as unknown_reason,
    history.since,
    to_json({
        'state': volume.state,
        'size_gb': volume.size_gb,
        'volume_type': volume.volume_type,
        'created_at': (volume.created_at at time zone 'UTC')::varchar || '+00',
        'is_beginning_seen': history.is_beginning_seen
    }) as evidence,
    volume.parts,
    volume.price_gap as size_gap
from stage.volume_usage as volume
inner join ref.decommission_rule as rule
    on rule.rule = 'unattached_volume' and rule.resource_type = 'AWS::EC2::Volume'
left join stage.unchanged_since as history on volume.arn = history.arn

union all by name

select
    volume.arn,
    rule.rule,
    rule.resource_type,
    volume.account_id,
    volume.region,
    volume.collected_at,
    volume.is_stale,
    volume.volume_type = 'gp2' as is_flagged,
    to_json({
        'volume_type': volume.volume_type,
        'size_gb': volume.size_gb,
        'iops': volume.iops,
        'state': volume.state
    }) as evidence,
    list_concat(
        volume.parts,
        list_filter(
            [
                {
                    'arn': volume.arn,
                    'service': 'AmazonEC2',
                    'usage': 'EBS:VolumeUsage.gp3',
                    'quantity': -volume.size_gb::decimal(18, 4)
                },
                {
                    'arn': volume.arn,
                    'service': 'AmazonEC2',
                    'usage': 'EBS:VolumeP-IOPS.gp3',
                    'quantity': -greatest(coalesce(volume.iops, 0) - 3000, 0)::decimal(18, 4)
                },
                -- From 334 GiB on gp2 carries 250 MiB/s, whatever burst credits it has; gp3 carries 125 without a fee.
                {
                    'arn': volume.arn,
                    'service': 'AmazonEC2',
                    'usage': 'EBS:VolumeP-Throughput.gp3',
                    'quantity': -case when volume.size_gb >= 334 then 125 else 0 end::decimal(18, 4)
                }
            ],
            lambda part: part.quantity <> 0
        )
    ) as parts,
    volume.price_gap as size_gap
from stage.volume_usage as volume
inner join ref.decommission_rule as rule
    on rule.rule = 'gp2_volume' and rule.resource_type = 'AWS::EC2::Volume'

union all by name

select
    address.arn,
    rule.rule,
    rule.resource_type,
    address.account_id,
    address.region,
    address.collected_at,
    address.is_stale,
    address.association_id is null
    and address.instance_id is null
    and address.network_interface_id is null
    and address.service_managed is null as is_flagged,
    to_json({
        'public_ip': address.public_ip,
        'association_id': address.association_id,
        'service_managed': address.service_managed,
        'public_ipv4_pool': address.public_ipv4_pool
    }) as evidence,
    -- An address that the organisation brought is not billed.
    case
        when coalesce(address.public_ipv4_pool, 'amazon') = 'amazon'
            then [
                    {
                        'arn': address.arn,
                        'service': 'AmazonVPC',
                        'usage': 'PublicIPv4:IdleAddress',
                        'quantity': 730::decimal(18, 4)
                    }
                ]
        else []
    end as parts
from aws.ec2_address as address
inner join ref.decommission_rule as rule
    on rule.rule = 'unassociated_address' and rule.resource_type = 'AWS::EC2::EIP'

union all by name

select
    instance.arn,
    rule.rule,
    rule.resource_type,
    instance.account_id,
    instance.region,
    instance.collected_at,
    instance.is_stale,
    case
        when instance.state <> 'stopped' then false
        when instance.collected_at - instance.since >= to_days(rule.min_days) then true
        when
            instance.is_beginning_known
            or instance.collected_at - instance.launched_at < to_days(rule.min_days)
            then false
    end as is_flagged,
    'it has been seen stopped since '
    || coalesce(strftime(instance.since at time zone 'UTC', '%Y-%m-%d'), 'today')
    || ', and AWS does not report since when it is' as unknown_reason,
    instance.since,
    to_json({
        'state': instance.state,
        'launched_at': (instance.launched_at at time zone 'UTC')::varchar || '+00',
        'state_changed_at': (instance.state_changed_at at time zone 'UTC')::varchar || '+00',
        'instance_type': instance.instance_type,
        'volume_ids': instance.volume_ids
    }) as evidence,
    instance.disk_parts as parts,
    instance.disk_gap as size_gap
from instance
inner join ref.decommission_rule as rule
    on rule.rule = 'stopped_instance' and rule.resource_type = 'AWS::EC2::Instance'

union all by name

select
    instance.arn,
    rule.rule,
    rule.resource_type,
    instance.account_id,
    instance.region,
    instance.collected_at,
    instance.is_stale,
    case
        when instance.state <> 'running' then false
        when instance.collected_at - instance.launched_at < to_days(rule.min_days) then false
        when not coalesce(place.is_known, false) then null
        when measured.busy_days > 0 then false
        when measured.known_days >= rule.min_days then true
    end as is_flagged,
    case
        when coalesce(place.is_known, false)
            then 'CloudWatch has '
                || coalesce(measured.known_days, 0)
                || ' whole days of data, and '
                || rule.min_days
                || ' are needed'
        else 'CloudWatch did not respond: ' || coalesce(place.why, 'not requested')
    end as unknown_reason,
    measured.first_date::timestamp at time zone 'UTC' as since,
    to_json({
        'state': instance.state,
        'days': rule.min_days,
        'known_days': coalesce(measured.known_days, 0),
        'busy_days': coalesce(measured.busy_days, 0),
        'cpu_max_pct': measured.cpu_max_pct,
        'network_max_bytes_a_day': measured.network_max_bytes,
        'instance_type': instance.instance_type
    }) as evidence,
    list_concat(
        instance.disk_parts,
        [
            {
                'arn': instance.arn,
                'service': 'AmazonEC2',
                'usage': 'BoxUsage:' || instance.instance_type,
                'quantity': 730::decimal(18, 4)
            }
        ]
    ) as parts,
    coalesce(instance.disk_gap, instance.price_gap) as size_gap
from instance
inner join ref.decommission_rule as rule
    on rule.rule = 'idle_instance' and rule.resource_type = 'AWS::EC2::Instance'
left join instance_use as measured on instance.arn = measured.arn
left join place
    on
        instance.account_id = place.account_id
        and instance.region = place.region
        and place.listing = 'cloudwatch_metric'

union all by name

select
    instance.arn,
    rule.rule,
    rule.resource_type,
    instance.account_id,
    instance.region,
    instance.collected_at,
    instance.is_stale,
    family.family is not null as is_flagged,
    to_json({
        'instance_type': instance.instance_type,
        'successor': family.successor
        || case
            when list_contains(string_split(family.absent_sizes, ';'), instance.size) then '' else
                '.' || instance.size
        end,
        'state': instance.state,
        'source': family.source
    }) as evidence,
    -- At rest it costs nothing but its disks.
    case
        when instance.state = 'running'
            then [
                    {
                        'arn': instance.arn,
                        'service': 'AmazonEC2',
                        'usage': 'BoxUsage:' || instance.instance_type,
                        'quantity': 730::decimal(18, 4)
                    },
                    {
                        'arn': instance.arn,
                        'service': 'AmazonEC2',
                        'usage': 'BoxUsage:' || family.successor || '.' || instance.size,
                        'quantity': -730::decimal(18, 4)
                    }
                ]
        else []
    end as parts,
    instance.price_gap as size_gap
from instance
inner join ref.decommission_rule as rule
    on rule.rule = 'old_generation' and rule.resource_type = 'AWS::EC2::Instance'
left join ref.instance_family as family on family.service = 'ec2' and instance.family = family.family

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
        when
            snapshot.collected_at - snapshot.started_at < to_days(rule.min_days)
            or snapshot.state = 'pending'
            or snapshot.storage_tier = 'archive'
            or imaged.snapshot_id is not null
            then false
        when coalesce(place.is_known, false) then true
    end as is_flagged,
    'the images that may need it could not be listed: '
    || coalesce(place.why, 'not requested') as unknown_reason,
    snapshot.started_at as since,
    to_json({
        'started_at': (snapshot.started_at at time zone 'UTC')::varchar || '+00',
        'volume_id': snapshot.volume_id,
        'is_volume_there': volume.volume_id is not null,
        'volume_size_gb': snapshot.volume_size_gb,
        'full_snapshot_size_bytes': snapshot.full_snapshot_size_bytes,
        'storage_tier': snapshot.storage_tier,
        'image_ids': coalesce(imaged.image_ids, []),
        'description': snapshot.description
    }) as evidence,
    [
        {
            'arn': snapshot.arn,
            'service': 'AmazonEC2',
            'usage': 'EBS:SnapshotUsage',
            'quantity': coalesce(
                snapshot.full_snapshot_size_bytes::decimal(28, 4) / 1073741824, snapshot.volume_size_gb
            )::decimal(18, 4)
        }
    ] as parts,
    case when snapshot.outpost_arn is not null then 'it is paid for with its Outpost' end as size_gap
from aws.ec2_snapshot as snapshot
inner join ref.decommission_rule as rule
    on rule.rule = 'old_snapshot' and rule.resource_type = 'AWS::EC2::Snapshot'
left join imaged on snapshot.snapshot_id = imaged.snapshot_id
left join aws.ec2_volume as volume
    on snapshot.volume_id = volume.volume_id and snapshot.account_id = volume.account_id
left join place
    on
        snapshot.account_id = place.account_id
        and snapshot.region = place.region
        and place.listing = 'ec2_image'
