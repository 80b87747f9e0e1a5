-- One row per VPC of which not all traffic is logged: neither what is accepted nor what is rejected may be missing, each
-- by a flow log of the VPC or by one of each of its subnets, active and delivering. A VPC of an account and region whose flow logs or subnets could not be listed is unknown, no
-- finding; cmdb.finding_unknown has those.
-- materialized: view
-- key: arn
-- arn: ARN of the VPC.
-- account_id: The AWS account that owns the VPC, 12 digits.
-- region: AWS region.
-- vpc_id: Id of the VPC.
-- name: Value of its tag Name; NULL where it has none.
-- is_default: True for the VPC that AWS makes in each region of an account.
-- reason: no flow log; delivery fails; accepted only or rejected only, where the other half of the traffic of the whole VPC is not logged; or only parts, where some of its subnets or interfaces are logged.
-- flow_log_ids: The flow logs of the VPC and of its parts, working or not.
-- interface_count: Network interfaces in it: 0 where nothing can send or receive, NULL where they could not be listed.
with known as (
    select
        account_id,
        region,
        bool_or(listing = 'ec2_network_interface') as has_interfaces
    from audit.coverage
    where listing in ('ec2_flow_log', 'ec2_subnet', 'ec2_network_interface') and is_known
    group by account_id, region
    having bool_or(listing = 'ec2_flow_log') and bool_or(listing = 'ec2_subnet')
),

interface as (
    select
        vpc_id,
        count(*) as interface_count
    from aws.ec2_network_interface
    group by vpc_id
),

logged as (
    select
        flow_log_id,
        target_id,
        is_working and traffic_type in ('ALL', 'ACCEPT') as has_accepted,
        is_working and traffic_type in ('ALL', 'REJECT') as has_rejected
    from (
        select
            *,
            coalesce(state, 'ACTIVE') = 'ACTIVE'
            and coalesce(delivery_status, 'SUCCESS') <> 'FAILED' as is_working
        from aws.ec2_flow_log
    ) as flow_log
),

place as (
    select
        vpc_id,
        vpc_id as target_id,
        'vpc' as kind
    from aws.ec2_vpc
    union all
    select
        vpc_id,
        subnet_id as target_id,
        'subnet' as kind
    from aws.ec2_subnet
    union all
    select
        vpc_id,
        network_interface_id as target_id,
        'interface' as kind
    from aws.ec2_network_interface
    where network_interface_id in (select logged.target_id from logged)
),

target as (
    select
        place.vpc_id,
        place.kind,
        place.target_id,
        coalesce(bool_or(logged.has_accepted), false) as has_accepted,
        coalesce(bool_or(logged.has_rejected), false) as has_rejected,
        array_agg(logged.flow_log_id) filter (where logged.flow_log_id is not null)
            as flow_log_ids
    from place
    left join logged using (target_id)
    group by all
),

judged as (
    select
        vpc_id,
        bool_or(has_accepted) filter (where kind = 'vpc')
        or coalesce(bool_and(has_accepted) filter (where kind = 'subnet'), false) as has_accepted,
        bool_or(has_rejected) filter (where kind = 'vpc')
        or coalesce(bool_and(has_rejected) filter (where kind = 'subnet'), false) as has_rejected,
        bool_or(has_accepted or has_rejected) as is_partly_logged,
        list_sort(flatten(list(flow_log_ids) filter (where flow_log_ids is not null))) as flow_log_ids
    from target
    group by vpc_id
)

select
    vpc.arn,
    vpc.account_id,
    vpc.region,
    vpc.vpc_id,
    vpc.name,
    vpc.is_default,
    case
        when judged.has_accepted then 'accepted only'
        when judged.has_rejected then 'rejected only'
        when judged.is_partly_logged then 'only parts'
        when len(judged.flow_log_ids) > 0 then 'delivery fails'
        else 'no flow log'
    end as reason,
    coalesce(judged.flow_log_ids, []) as flow_log_ids,
    case when known.has_interfaces then coalesce(interface.interface_count, 0) end as interface_count
from aws.ec2_vpc as vpc
inner join judged using (vpc_id)
inner join known on vpc.account_id = known.account_id and vpc.region = known.region
left join interface using (vpc_id)
where not (judged.has_accepted and judged.has_rejected) and not vpc.is_stale
