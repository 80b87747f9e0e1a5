-- One row per cell that ought to have been requested from AWS, whether it was or not: what every figure is judged by. Beside the
-- newest cells it holds what was never requested: listings without any cell in an account, one row per region of the account; regions
-- in which only other listings were requested; months of the bill that are missing. Where there is nothing to request there is no row. What the states of a cell are
-- worth is decided in ref.cell_state.
-- materialized: view
-- key: role, account_id, region, listing
-- role: Role of the contract that requests it, or would have to.
-- account_id: The AWS account of the cell, 12 digits; NULL where a role never sent a request.
-- region: AWS region; aws-global where the service has none, or where nobody knows the account's regions.
-- listing: Listing, with its parameter where it has one.
-- listing_name: Listing without its parameter.
-- part: Of cost_daily the kind of slice, such as service or tag; else empty.
-- is_judged: True where it is known what the cell holds; false where it is unknown.
-- unknown_reason: Why it is unknown: the outcome, the reason of a cell that was skipped, or never_asked; NULL where it is judged.
-- outcome: Newest outcome; NULL where it was never requested.
-- skip_reason: Why it was not requested; NULL when it was, and where there is no cell.
-- record_count: Records of the response that counts; NULL where it is unknown.
-- known_at: When the response that counts was complete, UTC; NULL where it is unknown.
-- last_trusted_at: When it was last fetched with a trusted response, UTC; NULL if never.
with numbered as (
    -- A region is a bit, so that a set of them is a number: an organisation has a million cells, and some dozens of regions.
    select
        region,
        1::hugeint << (row_number() over (order by region) - 1)::hugeint as bit
    from (
        select distinct cell.region from stage.cell_standing as cell
        union
        select distinct enabled.region from stage.ec2_region as enabled
    ) as named
    where region <> 'aws-global'
),

asked_listing as (
    -- One pass over the cells: holes are then looked for among accounts and listings.
    select
        cell.account_id,
        cell.listing_name,
        -- Of the role that requests it; where two did, of operations.
        coalesce(min(cell.role) filter (cell.state <> 'gone'), min(cell.role)) as role,
        coalesce(bit_or(numbered.bit), 0) as regions,
        coalesce(bit_or(numbered.bit) filter (cell.outcome <> 'skipped'), 0) as answered_regions,
        bit_or(numbered.bit) filter (cell.outcome = 'found') as found_regions,
        bool_or(cell.outcome = 'found') as is_found,
        -- One cell stands for all regions of an account that could not be read.
        bool_or(
            cell.region = 'aws-global'
            and cell.state = 'unknown'
            and cell.skip_reason is distinct from 'region_not_selected'
        ) as is_whole_account,
        bool_or(cell.skip_reason is not distinct from 'region_not_selected') as is_narrowed
    from stage.cell_standing as cell
    left join numbered using (region)
    group by all
),

member as (
    select account_id
    from stage.organizations_account
    where state <> 'CLOSED'
),

root_listing as (
    -- What is requested for records follows from the cells of those.
    select
        listing,
        roles,
        is_regional
    from audit.listing
    where len(parents) = 0
),

enabled as (
    select
        listed.account_id,
        bit_or(numbered.bit) as regions
    from stage.ec2_region as listed
    inner join numbered using (region)
    where listed.is_enabled
    group by listed.account_id
),

place as (
    -- Where CMDB_REGIONS leaves regions out, a cell of each listing stands for them.
    select
        known.account_id,
        coalesce(known.regions, 0)
        | case when known.is_narrowed then 0::hugeint else coalesce(enabled.regions, 0) end as regions,
        known.is_operations
    from (
        select
            asked_listing.account_id,
            bit_or(asked_listing.answered_regions) filter (root_listing.is_regional) as regions,
            bool_or(asked_listing.is_narrowed) as is_narrowed,
            bool_or(asked_listing.role = 'operations') as is_operations
        from asked_listing
        inner join root_listing on asked_listing.listing_name = root_listing.listing
        where asked_listing.role in ('operations', 'workload')
        group by asked_listing.account_id
    ) as known
    left join enabled on known.account_id = enabled.account_id
),

account_hole as (
    -- A listing without any cell is wanted where the account was requested for others.
    select
        case
            when place.is_operations and list_contains(wanted.roles, 'operations') then 'operations'
            else 'workload'
        end as role,
        member.account_id,
        case when wanted.is_regional then place.regions end as regions,
        wanted.listing
    from member
    cross join root_listing as wanted
    left join place on member.account_id = place.account_id
    anti join asked_listing
        on member.account_id = asked_listing.account_id and wanted.listing = asked_listing.listing_name
    where list_contains(wanted.roles, 'workload')
),

region_hole as (
    select
        asked_listing.role,
        asked_listing.account_id,
        place.regions & ~asked_listing.regions as regions,
        asked_listing.listing_name as listing
    from place
    -- Who has no cell of it at all is a hole of its own.
    inner join asked_listing on place.account_id = asked_listing.account_id
    inner join root_listing as wanted on asked_listing.listing_name = wanted.listing
    where
        wanted.is_regional
        and not asked_listing.is_whole_account
        and (place.regions & ~asked_listing.regions) <> 0
),

child as (
    select
        listing,
        is_of_every_parent,
        unnest(parents) as parent
    from audit.listing
),

child_hole as (
    select
        found.account_id,
        wanted.listing,
        min(coalesce(own.role, found.role)) as role,
        bit_or(found.found_regions & ~coalesce(own.regions, 0)) as regions
    from asked_listing as found
    inner join child as wanted on found.listing_name = wanted.parent
    left join asked_listing as own
        on found.account_id = own.account_id and wanted.listing = own.listing_name
    where
        found.is_found
        and (
            own.role is null
            or (
                not own.is_whole_account
                and (found.found_regions & ~own.regions) <> 0
                -- Where only some records are parents, a region may hold none of those.
                and wanted.is_of_every_parent
            )
        )
    group by found.account_id, wanted.listing
),

caller as (
    select
        role,
        max_by(caller_account_id, checked_at) as caller_account_id
    from audit.caller_identity
    group by role
),

central_hole as (
    select
        wanted.roles[1] as role,
        caller.caller_account_id as account_id,
        case when wanted.is_regional then place.regions end as regions,
        wanted.listing
    from root_listing as wanted
    anti join asked_listing on wanted.listing = asked_listing.listing_name
    left join caller on wanted.roles[1] = caller.role
    left join place on caller.caller_account_id = place.account_id
    where
        not list_contains(wanted.roles, 'workload')
        -- Of the bill each slice and month is wanted.
        and wanted.listing not in ('cost_daily', 'cost_tag_service_daily')
),

billed as (
    select
        account_id,
        listing_name,
        regexp_extract(listing, '^[^:]*:(.*):[^:]*$', 1) as slice,
        regexp_extract(listing, '[^:]*$') as month_name,
        coalesce(skip_reason = 'no_longer_asked', false) as is_dropped
    from stage.cell_standing
    where listing_name in ('cost_daily', 'cost_tag_service_daily')
),

running as (
    -- The bill of a day can be requested the day after.
    select date_trunc('month', (max(ended_at) at time zone 'UTC') - interval 1 day)::date as "month"
    from stage.cell_standing
),

slice as (
    select
        listing_name,
        slice,
        month_name
    from billed
    -- Of a tag key that ref.tag_key no longer has, no later month is wanted.
    where not is_dropped
    union all
    select
        'cost_daily' as listing_name,
        cut.slice,
        null as month_name
    from ref.cost_slice as cut
    where cut.slice <> 'tag'
    union all
    select
        'cost_daily' as listing_name,
        'tag:' || tag_key as slice,
        null as month_name
    from ref.tag_key
    union all
    select
        'cost_tag_service_daily' as listing_name,
        tag_key as slice,
        null as month_name
    from ref.tag_key
    where is_cut_by_service
),

wanted_slice as (
    -- A slice that was never requested is wanted of the running month: how far back it goes shows the first response.
    select
        slice.listing_name,
        slice.slice,
        running.month as last_month,
        coalesce(try_cast(min(slice.month_name) || '-01' as date), running.month) as first_month
    from slice
    cross join running
    group by slice.listing_name, slice.slice, running.month
),

wanted_month as (
    select
        listing_name,
        slice,
        strftime(unnest(generate_series(first_month, last_month, interval 1 month)), '%Y-%m') as month_name
    from wanted_slice
),

payer as (
    select max(account_id) as account_id
    from billed
),

month_hole as (
    select
        'billing' as role,
        payer.account_id,
        null as regions,
        wanted_month.listing_name || ':' || wanted_month.slice || ':' || wanted_month.month_name as listing
    from wanted_month
    cross join payer
    anti join billed using (listing_name, slice, month_name)
),

hole as (
    select
        missing.role,
        missing.account_id,
        coalesce(numbered.region, 'aws-global') as region,
        missing.listing
    from (
        select * from account_hole
        union all by name
        select * from region_hole
        union all by name
        select * from child_hole
        union all by name
        select * from central_hole
        union all by name
        select * from month_hole
    ) as missing
    left join numbered on (missing.regions & numbered.bit) <> 0
)

select
    role,
    account_id,
    region,
    listing,
    listing_name,
    part,
    state = 'judged' as is_judged,
    case when state = 'unknown' then coalesce(skip_reason, outcome) end as unknown_reason,
    outcome,
    skip_reason,
    case when state = 'judged' then record_count end as record_count,
    known_at,
    last_trusted_at
from stage.cell_standing
where state in ('judged', 'unknown')
union all
select
    role,
    account_id,
    region,
    listing,
    split_part(listing, ':', 1) as listing_name,
    case when starts_with(listing, 'cost_daily:') then split_part(listing, ':', 2) else '' end as part,
    false as is_judged,
    'never_asked' as unknown_reason,
    null as outcome,
    null as skip_reason,
    null as record_count,
    null as known_at,
    null as last_trusted_at
from hole
