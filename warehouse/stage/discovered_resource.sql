-- One row per resource of a type that no listing shows, and that somebody else knows: AWS Config's aggregators, Resource Explorer, the
-- tagging API, a resource group, or a network interface that AWS made for it. Each has its own time of truth, and none is an inventory:
-- what it does not show may be there. What Config records of compliance is no resource. Not part of the public interface; read cmdb.resource.
-- materialized: full
-- key: arn
-- arn: Amazon Resource Name.
-- discovered_by: config, explorer, tagging, group or interface: the first of them that shows it.
-- resource_type: AWS's name of the type, such as AWS::DynamoDB::Table; where an ARN alone is known and its type is not, service and
--    kind as the tagging API has them, such as glue:crawler.
-- resource_id: Config's id, or what the ARN ends with.
-- name: Name as Config records it; NULL where it has none.
-- account_id: The account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region; aws-global where the service has none.
-- availability_zone: Availability zone; NULL where it stands in none, or Config does not know.
-- state: NULL: nobody of them reports the state of a resource.
-- created_at: When AWS made it, UTC; NULL where it is not known.
-- tags: Tags; an empty map where it has none, NULL where they are not known.
-- is_terminated: True where Config has recorded that it was deleted.
-- attributes: An empty JSON object.
-- seen_at: When it was true, UTC: when Config recorded it, Resource Explorer looked at it, or the response was complete.
with owning as (
    -- What AWS writes into the description of an interface that it makes: the name of a load balancer, with its kind and id where it is
    -- no classic one; the file system of a mount target; the cluster of a control plane; a resolver's endpoint; a directory; the ARN of
    -- an MSK cluster. Only AWS attaches one to what is no instance of the account, so nobody else's words are believed.
    select
        *,
        regexp_extract(description, '^ELB ((?:(?:app|net|gwy)/[A-Za-z0-9-]+/[0-9a-f]+)|[A-Za-z0-9-]+)$', 1)
            as load_balancer,
        regexp_extract(description, '^EFS mount target for (fs-[0-9a-f]+)(?: \(fsmt-[0-9a-f]+\))?$', 1)
            as file_system,
        regexp_extract(description, '^Amazon EKS ([A-Za-z0-9][A-Za-z0-9_-]*)$', 1) as cluster,
        regexp_extract(description, '^Route 53 Resolver: (rslvr-(?:in|out)-[0-9a-f]+):rni-[0-9a-f]+$', 1)
            as resolver,
        regexp_extract(description, '^AWS created network interface for directory (d-[0-9a-z]+)\.?$', 1)
            as directory,
        regexp_extract(
            description,
            '^DO NOT DELETE - Amazon MSK network interface for cluster '
            || '(arn:[^:]+:kafka:[^:]+:[0-9]+:cluster/[^/:]+/[0-9a-f-]+)\.?$',
            1
        ) as brokers
    from aws.ec2_network_interface
    where state = 'in-use' and instance_id is null
),

known as (
    select
        arn,
        'config' as discovered_by,
        resource_type,
        resource_id,
        name,
        account_id,
        region,
        nullif(regexp_extract(availability_zone, '^[a-z]{2}(-[a-z]+)+-[0-9]+[a-z]$'), '')
            as availability_zone,
        created_at,
        tags,
        starts_with(coalesce(state, ''), 'ResourceDeleted') as is_terminated,
        coalesce(captured_at, collected_at) as seen_at,
        is_stale,
        run_id,
        listing,
        role,
        caller_account_id,
        cell_region,
        collected_at
    from aws.config_resource
    where
        not regexp_matches(resource_type, 'Compliance$')
        and resource_type not in ('AWS::SSM::ManagedInstanceInventory', 'AWS::SSM::FileData')
    union all by name
    select
        arn,
        'explorer' as discovered_by,
        resource_type,
        account_id,
        region,
        tags,
        false as is_terminated,
        coalesce(last_reported_at, collected_at) as seen_at,
        is_stale,
        run_id,
        listing,
        role,
        caller_account_id,
        cell_region,
        collected_at
    from aws.explorer_resource
    union all by name
    select
        arn,
        'tagging' as discovered_by,
        account_id,
        region,
        tags,
        false as is_terminated,
        collected_at as seen_at,
        is_stale,
        run_id,
        listing,
        role,
        caller_account_id,
        cell_region,
        collected_at
    from aws.tagged_resource
    union all by name
    select
        arn,
        'group' as discovered_by,
        resource_type,
        account_id,
        region,
        false as is_terminated,
        collected_at as seen_at,
        is_stale,
        run_id,
        listing,
        role,
        caller_account_id,
        cell_region,
        collected_at
    from aws.resource_group_member
    union all by name
    select
        case
            when load_balancer <> ''
                then aws_arn('elasticloadbalancing', region, account_id, 'loadbalancer/' || load_balancer)
            when file_system <> ''
                then aws_arn('elasticfilesystem', region, account_id, 'file-system/' || file_system)
            when cluster <> '' then aws_arn('eks', region, account_id, 'cluster/' || cluster)
            when resolver <> ''
                then aws_arn('route53resolver', region, account_id, 'resolver-endpoint/' || resolver)
            when directory <> '' then aws_arn('ds', region, account_id, 'directory/' || directory)
            when split_part(brokers, ':', 5) = account_id then brokers
        end as arn,
        'interface' as discovered_by,
        coalesce(
            nullif(regexp_extract(load_balancer, '^(?:[a-z]+/)?([^/]+)', 1), ''),
            nullif(cluster, ''),
            nullif(split_part(brokers, '/', 2), '')
        ) as name,
        account_id,
        region,
        false as is_terminated,
        collected_at as seen_at,
        is_stale,
        run_id,
        listing,
        role,
        caller_account_id,
        cell_region,
        collected_at
    from owning
),

-- An ARN is arn:partition:service:region:account:kind/id, kind:id or id alone.
parted as (
    select
        *,
        split_part(arn, ':', 3) as arn_service,
        regexp_extract(arn, '^(?:[^:]*:){5}/?([^:/]+)[:/].', 1) as arn_kind,
        regexp_extract(arn, '^(?:[^:]*:){5}(?:/?[^:/]+[:/])?(.+)$', 1) as arn_id
    from known
    where regexp_matches(arn, '^arn:[^:]+:[^:]+:([^:]*:){2}.')
),

typed as (
    select
        parted.*,
        coalesce(
            parted.resource_type,
            -- The ARN of a classic load balancer has the name alone.
            case
                when
                    parted.arn_service = 'elasticloadbalancing'
                    and regexp_matches(parted.arn, ':loadbalancer/[^/]+$')
                    then 'AWS::ElasticLoadBalancing::LoadBalancer'
            end,
            by_kind.resource_type,
            concat_ws(':', parted.arn_service, nullif(parted.arn_kind, ''))
        ) as known_type
    from parted
    left join ref.discovered_type as by_kind
        on parted.arn_service = by_kind.arn_service and parted.arn_kind = by_kind.arn_kind
)

select
    typed.arn,
    typed.discovered_by,
    typed.known_type as resource_type,
    coalesce(typed.resource_id, nullif(typed.arn_id, ''), typed.arn) as resource_id,
    typed.name,
    coalesce(
        nullif(regexp_extract(typed.arn, '^(?:[^:]*:){4}([0-9]{12}):', 1), ''), typed.account_id
    ) as account_id,
    case
        when typed.discovered_by = 'config' then replace(typed.region, 'global', 'aws-global')
        else coalesce(nullif(split_part(typed.arn, ':', 4), ''), 'aws-global')
    end as region,
    typed.availability_zone,
    null::varchar as state,
    typed.created_at,
    typed.tags,
    typed.is_terminated,
    '{}'::json as attributes,
    typed.seen_at,
    typed.is_stale,
    typed.run_id,
    typed.listing,
    typed.role,
    typed.caller_account_id,
    typed.cell_region,
    typed.collected_at
from typed
-- Of these services the listings say what there is.
anti join ref.resource_class as listed on typed.known_type = listed.resource_type
anti join stage.observed_resource as observed on typed.arn = observed.arn
where
    typed.discovered_by = 'config'
    or typed.arn_service not in ('ec2', 'rds', 's3', 'lambda', 'resource-groups')
qualify
    row_number() over (
        partition by typed.arn
        order by
            list_position(['config', 'explorer', 'tagging', 'group', 'interface'], typed.discovered_by) asc,
            typed.is_stale asc,
            typed.seen_at desc,
            typed.listing asc,
            typed.cell_region asc
    ) = 1
