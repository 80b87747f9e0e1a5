-- What policies alone let in from the internet, or keep out: each URL of a Lambda function, each function whose URLs are not known,
-- each S3 bucket. Policies of functions and buckets, ACLs and public access blocks are not listed under the contract: what hangs on
-- them is unknown, as are the policies of access points that requests reach from the internet. An S3 policy of the organisation that
-- blocks public access for the account of the bucket overrides them all. Not part of the public interface; read cmdb.exposure.
-- materialized: full
-- key: arn, entry
-- arn: ARN of the function or the bucket.
-- kind: function_url or bucket.
-- entry: The URL; of a function whose URLs are not known its ARN; of a bucket its name.
-- account_id: The AWS account that owns it, 12 digits.
-- region: AWS region.
-- name: Name of the function or the bucket.
-- verdict: not exposed or unknown.
-- reason: What keeps the internet out, or what is not known.
-- unknown: What is not known: listing, account_id, region and reason; empty where it is a policy that nobody may read.
-- path: The path in words, from the internet to it.
with cell as (
    select
        account_id,
        region,
        listing_name as listing,
        min(unknown_reason) as unknown_reason
    from audit.expected_cell
    where
        listing_name in ('lambda_function', 'lambda_function_url', 's3_bucket', 's3_access_point')
        and not is_judged
    group by all
),

-- Without these nobody can tell which S3 policies reach an account.
policy_cell as (
    select
        listing,
        listing_name,
        account_id,
        is_judged,
        unknown_reason
    from audit.expected_cell
    where
        listing_name in (
            'organizations_account',
            'organizations_account_parent',
            'organizations_organizational_unit',
            'organizations_root',
            'organizations_root_policy_type',
            'organizations_policy',
            'organizations_policy_content',
            'organizations_policy_target'
        )
),

s3_policy_part as (
    select
        unnest(['organizations_policy_content', 'organizations_policy_target']) as listing_name,
        policy_id,
        caller_account_id
    from stage.organizations_policy
    where policy_type = 'S3_POLICY'
),

policy_gap as (
    select
        list(
            {
                'listing': listing_name, 'account_id': account_id, 'region': 'aws-global', 'reason': reason
            }
            order by listing_name, reason
        ) as parts
    from (
        select
            listing_name,
            account_id,
            unknown_reason as reason
        from policy_cell
        where
            not is_judged
            and (
                listing_name not in (
                    'organizations_policy', 'organizations_policy_content', 'organizations_policy_target'
                )
                or listing in ('organizations_policy', 'organizations_policy:S3_POLICY')
            )
        union
        select
            part.listing_name,
            part.caller_account_id as account_id,
            coalesce(cell.unknown_reason, 'never_asked') as reason
        from s3_policy_part as part
        left join policy_cell as cell on cell.listing = part.listing_name || ':' || part.policy_id
        where not coalesce(cell.is_judged, false)
    ) as missing
),

blocked as (
    select
        reaching.account_id,
        string_agg(distinct policy.policy_name, ', ' order by policy.policy_name) as policy_names,
        -- A child's policy may undo its parent's: all of them have to block, up to the root.
        bool_and(
            account.ou_path is not null
            and coalesce(
                json_extract_string(
                    policy.content, '$.s3_attributes.public_access_block_configuration."@@assign"'
                ) = 'all',
                false
            )
        ) as is_blocked,
        bool_or(policy.is_stale or reaching.is_stale) as is_stale
    from org.account_policy as reaching
    inner join org.policy as policy on reaching.policy_id = policy.policy_id
    inner join org.account as account on reaching.account_id = account.account_id
    -- AWS does not say that these policies bind the management account.
    where policy.policy_type = 'S3_POLICY' and not account.is_management
    group by reaching.account_id
),

without_urls as (
    select distinct
        account_id,
        region
    from audit.coverage
    where
        listing = 'lambda_function_url'
        and outcome = 'skipped'
        and skip_reason = 'not_offered'
        -- URLs of its last response stand, stale.
        and coalesce(previous_record_count, 0) = 0
),

-- Further ways to a bucket, with policies of their own. S3 heeds the public access block of the bucket's account there too:
-- https://docs.aws.amazon.com/AmazonS3/latest/userguide/access-points-bpa-settings.html
point as (
    select
        bucket_name,
        string_agg(distinct arn, ', ' order by arn) as arns
    from (
        select
            bucket_name,
            arn
        from aws.s3_access_point
        where network_origin is distinct from 'VPC'
        union all
        select
            unnest(bucket_names) as bucket_name,
            arn
        from aws.s3_multi_region_access_point
        where blocks_public_access is distinct from true
    ) as reached
    group by bucket_name
),

way as (
    select
        listed.arn,
        'function_url' as kind,
        listed.url as entry,
        listed.account_id,
        listed.region,
        listed.name,
        list_concat(
            if(coalesce(function.is_stale, true), ['lambda_function'], []),
            if(listed.is_stale, ['lambda_function_url'], [])
        ) as gaps,
        null as error_code,
        concat_ws(
            ' → ',
            'internet',
            listed.url,
            'AuthType ' || listed.auth_type,
            'policy of ' || concat_ws(':', listed.name, listed.alias),
            concat_ws(':', listed.name, listed.alias)
        ) as path,
        listed.run_id,
        listed.role,
        listed.caller_account_id,
        listed.cell_region,
        listed.listing,
        listed.collected_at
    from aws.lambda_function_url as listed
    left join stage.lambda_function as function on listed.arn = function.arn
    union all by name
    select
        function.arn,
        'function_url' as kind,
        function.arn as entry,
        function.account_id,
        function.region,
        function.name,
        list_concat(
            if(function.is_stale, ['lambda_function'], []),
            if(
                without_urls.account_id is null and (listed.urls is null or listed.is_stale),
                ['lambda_function_url'],
                []
            )
        ) as gaps,
        listed.error_code,
        concat_ws(' → ', 'internet', 'URLs of ' || function.name, function.name) as path,
        function.run_id,
        function.role,
        function.caller_account_id,
        function.cell_region,
        function.listing,
        function.collected_at
    from stage.lambda_function as function
    left join stage.lambda_function_url as listed on function.arn = listed.arn
    left join without_urls
        on function.account_id = without_urls.account_id and function.region = without_urls.region
    where listed.urls is null or (listed.urls = [] and (listed.is_stale or function.is_stale))
    union all by name
    select
        bucket.arn,
        'bucket' as kind,
        bucket.name as entry,
        bucket.account_id,
        bucket.region,
        bucket.name,
        if(bucket.is_stale, ['s3_bucket'], []) as gaps,
        null as error_code,
        concat_ws(
            ' → ',
            'internet',
            'S3 policy ' || blocked.policy_names,
            case
                when coalesce(blocked.is_blocked, false) then null
                when point.arns is not null
                    then 'policy and ACLs of ' || bucket.name || ', policies of ' || point.arns
                when unlisted.listing is not null then 'policy, ACLs and access points of ' || bucket.name
                else 'policy and ACLs of ' || bucket.name
            end,
            bucket.name
        ) as path,
        bucket.run_id,
        bucket.role,
        bucket.caller_account_id,
        bucket.cell_region,
        bucket.listing,
        bucket.collected_at
    from stage.s3_bucket as bucket
    left join blocked on bucket.account_id = blocked.account_id
    left join point on bucket.name = point.bucket_name
    left join cell as unlisted
        on
            bucket.account_id = unlisted.account_id
            and unlisted.region in (bucket.region, 'aws-global')
            and unlisted.listing = 's3_access_point'
    -- In two accounts only while one of the two responses is stale.
    qualify
        row_number() over (
            partition by bucket.arn order by bucket.is_stale asc, bucket.collected_at desc
        ) = 1
),

gap as (
    select
        arn,
        entry,
        account_id,
        region,
        error_code,
        unnest(gaps) as listing
    from way
),

explained as (
    select
        gap.arn,
        gap.entry,
        list(
            {
                'listing': gap.listing,
                'account_id': gap.account_id,
                'region': gap.region,
                'reason': coalesce(
                    if(gap.listing = 'lambda_function_url', gap.error_code, null),
                    own.unknown_reason,
                    whole.unknown_reason,
                    'not_listed'
                )
            }
            order by gap.listing
        ) as parts
    from gap
    left join cell as own
        on gap.account_id = own.account_id and gap.region = own.region and gap.listing = own.listing
    left join cell as whole
        on
            gap.account_id = whole.account_id
            and whole.region = 'aws-global'
            and gap.listing = whole.listing
    group by gap.arn, gap.entry
),

judged as (
    select
        way.*,
        list_concat(
            coalesce(explained.parts, []),
            if(way.kind = 'bucket' and blocked.is_blocked, coalesce(policy_gap.parts, []), [])
        ) as unknown,
        case
            when
                way.kind = 'bucket'
                and coalesce(
                    blocked.is_blocked and (not blocked.is_stale or policy_gap.parts is not null), false
                )
                then null
            when way.kind = 'bucket' and point.arns is not null
                then 's3:GetBucketPolicyStatus, s3:GetBucketAcl and s3:GetAccessPointPolicyStatus'
            when way.kind = 'bucket' then 's3:GetBucketPolicyStatus and s3:GetBucketAcl'
            -- With AWS_IAM too: a policy may admit every signed caller, of whatever account.
            when way.entry <> way.arn then 'lambda:GetPolicy'
        end as not_granted,
        blocked.policy_names
    from way
    left join explained using (arn, entry)
    left join blocked on way.account_id = blocked.account_id
    left join point on way.kind = 'bucket' and way.entry = point.bucket_name
    cross join policy_gap
)

select
    arn,
    kind,
    entry,
    account_id,
    region,
    name,
    case when unknown = [] and not_granted is null then 'not exposed' else 'unknown' end as verdict,
    case
        when unknown = [] and not_granted is null and kind = 'bucket'
            then 'the organisation blocks public access: S3 policy ' || policy_names
        when unknown = [] and not_granted is null then 'Lambda has no URLs in this region'
        else array_to_string(
                list_concat(
                    list_transform(
                        unknown, lambda part: concat(part.listing, ' of ', part.account_id, ': ', part.reason)
                    ),
                    if(not_granted is null, [], [concat(not_granted, ' of ', account_id, ': not granted')])
                ),
                '; '
            )
    end as reason,
    unknown,
    path,
    gaps <> [] as is_stale,
    run_id,
    role,
    caller_account_id,
    cell_region,
    listing,
    collected_at
from judged
