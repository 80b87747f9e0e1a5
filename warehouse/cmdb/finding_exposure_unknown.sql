-- One row per thing of which it is not known whether the internet reaches it, and per place whose addresses, databases, snapshots,
-- machine images, functions, URLs or buckets are not listed at all: a response is not trusted, was refused, or was never requested, as in an
-- account that no profile reaches; or the contract does not grant what decides it, such as the policy of a bucket. What stands here is not exposed by any row of cmdb.finding_exposure, and is not safe either; no row means that every
-- way in could be judged.
-- materialized: view
-- rests_on: nothing because it lists itself what is unknown
-- key: kind, account_id, region, entry
-- kind: address, database, snapshot, image, function_url or bucket: what it is, or what is not listed there.
-- account_id: The AWS account, 12 digits.
-- region: AWS region; aws-global where the account's regions are not known.
-- entry: The public address, the host name of the database's endpoint, the id of the snapshot or image, the name of a database snapshot,
--    the URL, the bucket's name, or the ARN of a function whose URLs are not known; empty for a place.
-- arn: ARN of the interface, the database, the snapshot, the image, the function or the bucket; NULL for a place.
-- name: Name of the database, database snapshot, image, function or bucket; of an interface the purpose that its maker wrote; NULL of others.
-- reason: What is not known: listing, account and outcome of the cell, each; entries of a prefix list, that nobody may read; what the
--    contract does not grant.
-- path: The path in words, from the internet to it; NULL for a place.
-- listings: The listings without a trusted response; empty where it is another reason.
-- opening_count: Openings in cmdb.finding_exposure that held when the path was last known; 0 where none did, or nothing was known.
with unlisted as (
    select
        unnest(
            case cell.listing_name
                when 'ec2_network_interface' then ['address']
                when 'ec2_address' then ['address']
                when 'rds_db_instance' then ['database']
                when 's3_bucket' then ['bucket']
                when 'ec2_image' then ['image']
                when 'lambda_function' then ['function_url']
                when 'lambda_function_url' then ['function_url']
                -- Nobody knows which other regions the account has.
                when 'ec2_region' then ['address', 'database', 'snapshot', 'image', 'function_url']
                else ['snapshot']
            end
        ) as kind,
        cell.account_id,
        case cell.listing_name when 'ec2_region' then 'aws-global' else cell.region end as region,
        cell.listing_name,
        min(cell.unknown_reason) as unknown_reason
    from audit.expected_cell as cell
    where
        -- Public ones are requested only where there are snapshots: where those are unknown, so are these. So it is with URLs.
        -- Where only who may restore database snapshots is unknown, each has a row of its own.
        cell.listing_name in (
            'ec2_region',
            'ec2_network_interface',
            -- It alone shows an address whose interface is not listed.
            'ec2_address',
            'rds_db_instance',
            'ec2_snapshot',
            'ec2_public_snapshot',
            'rds_db_snapshot',
            'rds_db_cluster_snapshot',
            'ec2_image',
            'lambda_function',
            'lambda_function_url',
            's3_bucket'
        )
        -- The parents' own cells say where.
        and cell.skip_reason is distinct from 'parents_unknown'
    group by cell.listing_name, cell.account_id, cell.region
    having not bool_or(cell.is_judged)
)

select
    kind,
    account_id,
    region,
    entry,
    arn,
    name,
    reason,
    path,
    list_sort(list_distinct(list_transform(unknown, lambda part: part.listing))) as listings,
    opening_count
from cmdb.exposure
where verdict = 'unknown'
union all
select
    kind,
    account_id,
    region,
    '' as entry,
    null as arn,
    null as name,
    string_agg(
        concat(listing_name, ' of ', account_id, ': ', unknown_reason), '; ' order by listing_name
    ) as reason,
    null as path,
    list(listing_name order by listing_name) as listings,
    0 as opening_count
from unlisted
group by kind, account_id, region
