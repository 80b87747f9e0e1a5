-- One row per way in from the internet, with its verdict: each public address of an interface, each database that is publicly
-- accessible, each public snapshot or machine image, each manual database snapshot that may be public, each URL of a function, each S3
-- bucket. Exposed and not exposed are only said where every part of
-- the path that decides it is known; else the verdict is unknown, with the reason. VPC Block Public Access of the account that owns
-- the VPC shuts what no exclusion admits; it does not concern private connections, which are none from the internet. The contract grants nobody the policies of functions
-- and buckets: every URL is unknown, also with AuthType AWS_IAM, and so is a bucket where no S3 policy of the organisation blocks public
-- access. Places whose addresses are not listed at all are in cmdb.finding_exposure_unknown.
-- key: arn, entry
-- arn: ARN of the interface, the database, the snapshot, the image, the function or the bucket; of the Elastic IP address where its
--    interface is not listed.
-- entry: The public address, the host name of the database's endpoint, the id of the snapshot or image, the name of a database snapshot,
--    the URL, the bucket's name; the ARN of a function whose URLs are not known.
-- kind: address, database, snapshot, image, function_url or bucket.
-- account_id: The AWS account that owns it, 12 digits.
-- region: AWS region.
-- name: Name of the database, database snapshot, image, function or bucket; of an interface the purpose that its maker wrote; NULL of
--    others.
-- interface_type: interface, nat_gateway, network_load_balancer, …; NULL of others.
-- instance_id: Instance that has the interface; NULL where none has.
-- vpc_id: VPC; NULL where it is not known, and of a snapshot, image, function or bucket.
-- verdict: exposed, not exposed or unknown.
-- reason: What keeps the internet out, or what is not known; NULL where it is exposed.
-- unknown: What is not known of the path: listing, account_id, region and reason, the outcome of the cell or not_listed; empty where
--    all that decides the verdict is known, or nobody may read it.
-- path: The path in words, from the internet to it; rules are in cmdb.finding_exposure.
-- opening_count: Openings in cmdb.finding_exposure; also those that held when the path was last known.
-- first_seen_at: When a run first saw the oldest of them, UTC; NULL where there is none.
-- as_of: When the least recent of the responses that the verdict rests on was complete, UTC; policies of the organisation aside. NULL
--    where none counts. What changes seldom is not requested every night.
with came as (
    select
        arn,
        entry,
        subnet_id,
        count(*) as opening_count,
        bool_or(not is_rule_stale) as is_certain
    from stage.internet_way
    group by arn, entry, subnet_id
),

possible as (
    -- What gets in unless something that is trusted keeps it out.
    select distinct
        way.arn,
        way.entry,
        way.subnet_id
    from stage.internet_entry as way
    inner join stage.internet_opening as opening on way.possible_filter = opening.filter
    where
        way.port is null
        or (opening.protocol in ('tcp', '-1') and way.port between opening.from_port and opening.to_port)
),

judged as (
    select
        way.*,
        case
            when way.closed_by is not null then 'not exposed'
            -- What comes in by the gateway does so, whatever a middlebox lets in besides.
            when
                way.is_whole
                and list_filter(
                    way.unknown_path,
                    lambda part: part.reason <> 'led_through_a_middlebox'
                ) = []
                and coalesce(came.is_certain, false)
                then 'exposed'
            when
                possible.arn is null
                and way.unknown_rules = []
                and way.prefix_list_ids = []
                and way.is_known
                then 'not exposed'
            else 'unknown'
        end as verdict
    from stage.internet_entry as way
    left join came using (arn, entry, subnet_id)
    left join possible using (arn, entry, subnet_id)
),

reasoned as (
    select
        judged.*,
        case verdict
            when 'not exposed' then coalesce(closed_by, 'no rule, ACL and route together let the internet in')
            when 'unknown' then array_to_string(
                    list_concat(
                        list_transform(
                            list_concat(unknown_path, unknown_rules),
                            lambda part: concat(part.listing, ' of ', part.account_id, ': ', part.reason)
                        ),
                        list_transform(prefix_list_ids, lambda id: 'entries of prefix list ' || id)
                    ),
                    '; '
                )
        end as reason,
        case verdict when 'exposed' then 1 when 'unknown' then 2 else 3 end as verdict_rank
    from judged
),

worst as (
    -- A database may stand in several subnets.
    select *
    from reasoned
    qualify row_number() over (partition by arn, entry order by verdict_rank asc, subnet_id asc) = 1
),

cell as (
    select
        account_id,
        region,
        listing_name,
        min(unknown_reason) as unknown_reason
    from audit.expected_cell
    where listing_name in ('ec2_public_snapshot', 'ec2_image')
    group by all
),

shared as (
    select
        given.*,
        if(given.is_stale, 'unknown', 'exposed') as verdict,
        if(
            given.is_stale,
            [
                {
                    'listing': given.listing,
                    'account_id': given.account_id,
                    'region': given.region,
                    'reason': coalesce(cell.unknown_reason, 'not_listed')
                }
            ],
            []
        ) as unknown
    from stage.public_data as given
    left join cell
        on
            given.account_id = cell.account_id
            and given.region = cell.region
            and given.listing = cell.listing_name
    union all by name
    select
        arn,
        name as entry,
        'snapshot' as kind,
        account_id,
        region,
        name,
        if(access = 'unknown', 'unknown', 'exposed') as verdict,
        unknown,
        is_stale,
        run_id,
        listing,
        role,
        caller_account_id,
        cell_region,
        collected_at
    from cmdb.database_snapshot_access
    -- Nobody can give an encrypted one to everybody.
    where access = 'public' or (access = 'unknown' and not coalesce(is_encrypted, false))
),

unblocked as (
    select distinct
        account_id,
        region
    from aws.ec2_vpc_block_public_access_option
    where block_mode = 'off'
),

dating_cell as (
    select
        cell.account_id,
        cell.region,
        case
            when cell.listing_name = 'ec2_public_snapshot' then 'snapshot'
            when starts_with(cell.listing_name, 'rds_db_') and ends_with(cell.listing_name, '_attribute')
                then 'database snapshot'
            when cell.listing_name = 'ec2_image' then 'image'
            when cell.listing_name in ('lambda_function', 'lambda_function_url') then 'function_url'
            when cell.listing_name in ('s3_bucket', 's3_access_point') then 'bucket'
            when cell.listing_name = 'rds_db_instance' then 'database'
            else 'network'
        end as part,
        min(cell.known_at) as known_at
    from audit.expected_cell as cell
    left join unblocked on cell.account_id = unblocked.account_id and cell.region = unblocked.region
    where
        cell.is_judged
        and cell.listing_name in (
            'ec2_public_snapshot', 'rds_db_snapshot_attribute', 'rds_db_cluster_snapshot_attribute',
            'ec2_image', 'lambda_function', 'lambda_function_url', 's3_bucket', 's3_access_point',
            'rds_db_instance', 'ec2_network_interface', 'ec2_subnet', 'ec2_route_table',
            'ec2_internet_gateway', 'ec2_network_acl', 'ec2_security_group', 'ec2_security_group_rule',
            'ec2_vpc_block_public_access_option', 'ec2_vpc_block_public_access_exclusion'
        )
        -- What is admitted all the same counts only where something is blocked.
        and (cell.listing_name <> 'ec2_vpc_block_public_access_exclusion' or unblocked.account_id is null)
    group by all
),

network_owner as (
    -- The network of a shared VPC is listed by its owner.
    select distinct
        vpc_id,
        account_id
    from aws.ec2_vpc
),

found as (
    select
        arn,
        entry,
        kind,
        account_id,
        region,
        name,
        interface_type,
        instance_id,
        vpc_id,
        verdict,
        reason,
        if(verdict = 'unknown', list_concat(unknown_path, unknown_rules), []) as unknown,
        concat_ws(
            ' → ',
            'internet',
            block_public_access,
            nullif(array_to_string(internet_gateway_ids, ', '), ''),
            route_table_id,
            network_acl_id,
            coalesce(network_interface_id, name),
            instance_id
        ) as path,
        is_stale,
        run_id,
        listing,
        role,
        caller_account_id,
        cell_region,
        collected_at
    from worst
    union all by name
    select
        *,
        if(
            verdict = 'unknown',
            concat(unknown[1].listing, ' of ', account_id, ': ', unknown[1].reason),
            null
        ) as reason,
        'everybody with an AWS account → ' || entry as path
    from shared
    union all by name
    select * from stage.internet_policy
),

counted as (
    select
        arn,
        entry,
        count(*) as opening_count,
        min(first_seen_at) as first_seen_at
    from cmdb.finding_exposure
    group by arn, entry
),

placed as (
    select
        found.arn,
        found.entry,
        found.account_id,
        coalesce(network_owner.account_id, found.account_id) as owner_id,
        coalesce(found.region, '') as region,
        case
            when found.kind = 'snapshot' and found.listing <> 'ec2_public_snapshot' then 'database snapshot'
            else found.kind
        end as kind
    from found
    left join network_owner using (vpc_id)
),

-- Many share what they rest on.
place as (
    select distinct
        account_id,
        owner_id,
        region,
        kind
    from placed
),

asked as (
    select
        *,
        unnest(list_distinct([account_id, owner_id])) as listed_by
    from place
),

rests_on as (
    select
        *,
        unnest(
            case when kind in ('address', 'database') then [kind, 'network'] else [kind] end
        ) as part
    from asked
),

dated_place as (
    select
        rests_on.account_id,
        rests_on.owner_id,
        rests_on.region,
        rests_on.kind,
        min(cell.known_at) as as_of
    from rests_on
    inner join dating_cell as cell
        on
            rests_on.listed_by = cell.account_id
            and rests_on.part = cell.part
            and (rests_on.region = cell.region or cell.region = 'aws-global')
    group by all
),

dated as (
    select
        placed.arn,
        placed.entry,
        min(dated_place.as_of) as as_of
    from placed
    inner join dated_place using (account_id, owner_id, region, kind)
    group by placed.arn, placed.entry
)

select
    found.*,
    coalesce(counted.opening_count, 0) as opening_count,
    counted.first_seen_at,
    dated.as_of
from found
left join counted using (arn, entry)
left join dated using (arn, entry)
