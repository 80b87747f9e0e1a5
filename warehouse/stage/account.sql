-- Every AWS account that the organisation ever listed, put together from its responses. Not part of the public interface;
-- read org.account.
-- materialized: full_from_previous
-- key: account_id
-- account_id: 12 digits, text because some begin with 0.
-- account_name: Name as its owner wrote it.
-- email: Address of the account's root user.
-- state: PENDING_ACTIVATION, ACTIVE, SUSPENDED, PENDING_CLOSURE or CLOSED (Organizations' State, its older Status where State is absent); LEFT when a trusted list has it no more.
-- joined_method: INVITED or CREATED.
-- joined_at: When the account joined the organisation, UTC.
-- ou_id: Id of the OU that it stands in, or of the root; NULL where that is not known.
-- ou_path: Names of the OUs from the root down, / for the root itself; NULL where that is not known.
-- is_management: True for the organisation's management account.
-- tags: Tags of the account; an empty map where it has none, NULL where they could not be read.
-- first_seen_at: When it was first listed, UTC.
-- last_seen_at: When it was last listed, UTC.
-- is_stale: True when the newest list of accounts is not trusted: the row is the last that was.
-- run_id: The run that listed it last; leads to audit.collection.
-- listing: The listing that it came in; leads to audit.collection.
-- collected_at: When the response was complete, UTC.
with parent as (
    select
        account_id,
        parent_id
    from stage.organizations_account_parent
    -- Under two parents only while one of the two responses is stale: the newer one is right.
    qualify row_number() over (partition by account_id order by is_stale asc, collected_at desc) = 1
),

tag_list as (
    select
        account_id,
        map(list(tag_key), list(tag_value)) as tags
    from (
        -- A key that stands twice would make no map.
        select
            account_id,
            tag_key,
            max_by(tag_value, collected_at) as tag_value
        from stage.organizations_account_tag
        group by account_id, tag_key
    ) as tag
    group by account_id
),

tag_answer as (
    select split_part(listing, ':', 2) as account_id
    from audit.coverage
    where split_part(listing, ':', 1) = 'organizations_account_tag' and last_trusted_at is not null
),

listed as (
    select
        account.account_id,
        account.account_name,
        account.email,
        account.state,
        account.joined_method,
        account.joined_at,
        parent.parent_id as ou_id,
        coalesce(unit.ou_path, if(top.root_id is null, null, '/')) as ou_path,
        account.account_id = account.caller_account_id as is_management,
        -- An account whose tags were read and that has none is no account whose tags could not be read.
        coalesce(
            tag_list.tags,
            if(tag_answer.account_id is null, null, map([]::varchar[], []::varchar[]))
        ) as tags,
        account.is_stale,
        account.run_id,
        account.listing,
        account.collected_at
    from stage.organizations_account as account
    left join parent using (account_id)
    left join org.organizational_unit as unit on parent.parent_id = unit.ou_id
    left join stage.organizations_root as top on parent.parent_id = top.root_id
    left join tag_list using (account_id)
    left join tag_answer using (account_id)
)

select
    listed.*,
    coalesce(before.first_seen_at, listed.collected_at) as first_seen_at,
    listed.collected_at as last_seen_at
from listed
left join stage.account as before using (account_id)

union all by name

select before.* replace ('LEFT' as state, false as is_stale)
from stage.account as before
anti join listed using (account_id)
