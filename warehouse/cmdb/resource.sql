-- One row per configuration item ever seen, as it was when it was last seen. What no listing shows is here where AWS Config, Resource
-- Explorer, the tagging API, a resource group or a network interface shows it (discovered_by): an absence there is no evidence that it
-- is gone.
-- rests_on: without=s3_bucket_content, resource_group_query, config_aggregator, config_resource, explorer_resource, resource_group_member because they fill attributes that are NULL where they are not known, or add what no listing shows and are no inventory
-- materialized: full_from_previous
-- in_parts_by: cmdb.resource 250000
-- key: arn
-- arn: Amazon Resource Name; built from account, region and id where AWS returns none.
-- resource_type: AWS's name of the type, such as AWS::EC2::Instance.
-- resource_id: The service's own id, such as i-0123456789abcdef0.
-- name: The tag Name, or the service's own name; NULL where it has none.
-- account_id: The account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region; aws-global where the service has none.
-- availability_zone: Availability zone; NULL where it stands in none.
-- state: State in the service's own words, such as running.
-- created_at: When AWS made it, or started it last, UTC; NULL where AWS does not report it.
-- tags: Tags; an empty map where it has none, NULL where they could not be read.
-- tags_source: Where the tags come from: its own listing, or the tagging API where that gave none; NULL where tags is.
-- business_service: The value that counts (ref.tag_value_alias) of the tag that ref.tag_key names for this column; where it has none, its account's (ref.account_default); else NULL.
-- business_owner: The value that counts (ref.tag_value_alias) of the tag that ref.tag_key names for this column; where it has none, its account's (ref.account_default); else NULL.
-- cost_centre: The value that counts (ref.tag_value_alias) of the tag that ref.tag_key names for this column; where it has none, its account's (ref.account_default); else NULL.
-- capability: The value that counts (ref.tag_value_alias) of the tag that ref.tag_key names for this column; where it has none, its account's (ref.account_default); else NULL.
-- environment: The value that counts (ref.tag_value_alias) of the tag that ref.tag_key names for this column; where it has none, its account's (ref.account_default); else NULL.
-- project: The value that counts (ref.tag_value_alias) of the tag that ref.tag_key names for this column; where it has none, its account's (ref.account_default); else NULL.
-- owner_source: Where business_owner comes from: resource tag, account default or none.
-- discovered_by: listing, or what else showed it: config (an AWS Config aggregator), explorer (Resource Explorer), tagging (the
--    tagging API), group (a resource group) or interface (a network interface that AWS made for it: load balancers, file systems, EKS and MSK clusters,
--    resolver endpoints, directories), of types that no listing shows.
-- attributes: Further attributes of the type, JSON; the table of the type in schema aws has them in columns.
-- first_seen_at: When it was first collected, UTC: what replaced another one, at replaced_at.
-- replaced_at: When AWS first listed it in the place of another one of the same ARN, UTC; NULL where none was seen. A database, snapshot or bucket that is deleted and made anew is another one by its id or its time of creation. S3 dates a bucket anew, too, when some of its settings change, so a bucket may be replaced by itself.
-- last_seen_at: When it was last collected, UTC; of what Config or Resource Explorer discovered, when that recorded it last.
-- missing_since: When a trusted response first lacked it, UTC; NULL while it is seen.
-- retired_at: When it was taken for gone, UTC: a second trusted response half a day or more later lacked it too (thirty days or more of what no listing shows), or its account left.
-- status: active, missing or retired.
-- retired_reason: not_found (twice missing), terminated, account_left, or no_longer_shown (what no listing shows, missing for thirty days); NULL until retired.
-- is_stale: True when the newest response of its cell is not trusted: the row shows what was true at last_seen_at.
-- run_id: The run that last saw it; with role, caller_account_id, cell_region and listing it leads to audit.collection.
-- listing: The listing that last saw it.
-- role: The role that last saw it.
-- caller_account_id: The account of the request, 12 digits: the account of the cell in audit.collection.
-- cell_region: The region of the cell in audit.collection; aws-global where the service has none.
-- collected_at: When AWS gave the values of this row, UTC.
with seen as not materialized (
    select
        *,
        'listing' as discovered_by,
        collected_at as seen_at
    from stage.observed_resource
    where in_part(arn)
    union all by name
    select *
    from stage.discovered_resource
    where in_part(arn)
),

earlier as not materialized (
    select *
    from cmdb.resource
    where in_part(arn)
),

tagged as not materialized (
    -- What the listing itself does not say of tags, the tagging API may. A stale word of it is better than none.
    select
        observed.* replace (
            if(
                cardinality(observed.tags) > 0 or told.arn is null, observed.tags, told.tags
            ) as tags,
            coalesce(observed.name, nullif(told.tags['Name'], '')) as name
        ),
        case
            when cardinality(observed.tags) > 0 then observed.listing
            when told.arn is not null then 'tagged_resource'
            when observed.tags is not null then observed.listing
        end as tags_source
    from seen as observed
    left join aws.tagged_resource as told
        on observed.arn = told.arn and (observed.tags is null or not told.is_stale)
),

tagging as materialized (
    -- Of every row no more than this, so that the rows themselves, which are wide, need not be held.
    select
        arn,
        tags
    from tagged
),

said as (
    -- The values that count, by the keys and the other spellings that the organisation knows.
    select
        tagging.arn,
        wanted.resource_column,
        coalesce(alias.tag_value, trim(tagging.tags[wanted.tag_key])) as tag_value
    from tagging
    cross join ref.tag_key as wanted
    left join ref.tag_value_alias as alias
        on wanted.tag_key = alias.tag_key and trim(tagging.tags[wanted.tag_key]) = alias.alias
    where trim(tagging.tags[wanted.tag_key]) <> ''
),

own as (
    select
        arn,
        max(tag_value) filter (where resource_column = 'business_service') as business_service,
        max(tag_value) filter (where resource_column = 'business_owner') as business_owner,
        max(tag_value) filter (where resource_column = 'cost_centre') as cost_centre,
        max(tag_value) filter (where resource_column = 'capability') as capability,
        max(tag_value) filter (where resource_column = 'environment') as environment,
        max(tag_value) filter (where resource_column = 'project') as project
    from said
    group by arn
),

owned as not materialized (
    select
        o.*,
        coalesce(own.business_service, of_account.business_service) as business_service,
        coalesce(own.business_owner, of_account.business_owner) as business_owner,
        coalesce(own.cost_centre, of_account.cost_centre) as cost_centre,
        coalesce(own.capability, of_account.capability) as capability,
        coalesce(own.environment, of_account.environment) as environment,
        coalesce(own.project, of_account.project) as project,
        case
            when own.business_owner is not null then 'resource tag'
            when of_account.business_owner is not null then 'account default'
            else 'none'
        end as owner_source
    from tagged as o
    left join own on o.arn = own.arn
    left join ref.account_default as of_account on o.account_id = of_account.account_id
),

compared as (
    select
        o.*,
        before.first_seen_at as known_first_seen_at,
        before.last_seen_at as known_last_seen_at,
        before.retired_at as known_retired_at,
        before.replaced_at as known_replaced_at,
        -- What one of the two responses leaves out is no change. What took its place was made after it was last seen.
        before.resource_id <> o.resource_id
        or (
            passing.attribute is null
            and before.created_at <> o.created_at
            and before.last_seen_at < o.created_at
        ) as is_another
    from owned as o
    left join earlier as before using (arn)
    left join ref.volatile_attribute as passing
        on o.resource_type = passing.resource_type and passing.attribute = 'created_at'
),

present as (
    select
        o.* exclude (
            is_terminated, is_another, known_first_seen_at, known_last_seen_at, known_retired_at,
            known_replaced_at, seen_at
        ),
        if(o.is_another, o.collected_at, coalesce(o.known_first_seen_at, o.collected_at)) as first_seen_at,
        if(o.is_another, o.collected_at, o.known_replaced_at) as replaced_at,
        -- The record of another account that holds it too may be an older one, once the newer cannot be read.
        greatest(o.seen_at, o.known_last_seen_at) as last_seen_at,
        null::timestamptz as missing_since,
        case
            when not o.is_terminated then null
            when o.is_another then o.collected_at
            else coalesce(o.known_retired_at, o.collected_at)
        end as retired_at,
        if(o.is_terminated, 'retired', 'active') as status,
        if(o.is_terminated, 'terminated', null) as retired_reason
    from compared as o
),

unseen as materialized (
    -- Of these, too, no more than that while they are compared.
    select earlier.arn
    from earlier
    anti join tagging using (arn)
),

remembered as (
    -- Only a trusted response makes a resource missing; what no response speaks of stays as it is, stale. A cell of which nothing
    -- is known has no `known_at`. A listing is requested until two responses lack a resource; only then are its parents enough.
    select
        before.*,
        case
            when cell.skip_reason = 'parent_gone' and before.discovered_by = 'listing' then cell.ended_at
            else cell.known_at
        end as known_at,
        coalesce(cell.skip_reason = 'account_left', false) as has_left,
        cell.ended_at as left_at,
        -- What Config, Resource Explorer, the tagging API, a group or an interface does not show any more may be there: they are no inventory.
        if(before.discovered_by <> 'listing', interval 30 days, interval 12 hours) as patience
    from earlier as before
    left join audit.coverage as cell
        on
            before.role = cell.role
            and before.caller_account_id = cell.account_id
            and before.cell_region = cell.region
            and before.listing = cell.listing
    semi join unseen using (arn)
),

absent as (
    select
        before.* exclude (known_at, has_left, left_at, patience) replace (
            case
                when before.retired_at is not null then before.missing_since
                else coalesce(before.missing_since, before.known_at)
            end as missing_since,
            case
                when before.retired_at is not null then before.retired_at
                when before.has_left then before.left_at
                when before.known_at >= before.missing_since + before.patience then before.known_at
            end as retired_at,
            case
                when before.retired_reason is not null then before.retired_reason
                when before.has_left then 'account_left'
                when
                    before.known_at >= before.missing_since + before.patience
                    then if(before.discovered_by <> 'listing', 'no_longer_shown', 'not_found')
            end as retired_reason,
            case
                when before.retired_at is not null or before.has_left then 'retired'
                when before.known_at >= before.missing_since + before.patience then 'retired'
                when before.known_at is not null then 'missing'
                else before.status
            end as status,
            before.known_at is null
            and before.retired_at is null
            and not before.has_left as is_stale
        )
    from remembered as before
)

select * from present
union all by name
select * from absent
