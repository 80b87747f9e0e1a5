-- One row per AWS account and time in which it was the same: SCD type 2. A version begins with a trusted list of accounts,
-- never with one that is not; what could not be read is taken for the last that could. Of the time before the first version
-- nothing is known.
-- materialized: scd_type_2
-- key: account_id, valid_from
-- account_id: 12 digits, text because some begin with 0.
-- valid_from: The first response that shows it, UTC: what AWS did not report happened after the response before it.
-- valid_to: When the next version begins, UTC; NULL for the current one.
-- is_current: True for the newest version.
-- change: What began this version: discovered, changed, left or returned.
-- changed_attributes: Names of the columns that differ from the version before; empty where none does.
-- account_name: Name as its owner wrote it.
-- email: Address of the account's root user.
-- state: State, as in org.account; LEFT from when a trusted list had it no more.
-- ou_id: Id of the OU that it stood in, or of the root; NULL where that was never known.
-- ou_path: Names of the OUs from the root down, / for the root itself; NULL where that was never known.
-- tags: Tags of the account; an empty map where it had none, NULL where they could never be read.
-- run_id: The run that listed it so; leads to audit.collection.
-- listing: The listing that it came in; leads to audit.collection.
with known as (
    select max(known_at) as known_at
    from audit.coverage
    where listing = 'organizations_account' and is_known
),

standing as (
    select *
    from org.account_version
    where is_current
),

compared as (
    select
        account.account_id,
        account.account_name,
        account.email,
        account.state,
        coalesce(account.ou_id, standing.ou_id) as ou_id,
        coalesce(account.ou_path, standing.ou_path) as ou_path,
        coalesce(account.tags, standing.tags) as tags,
        account.run_id,
        account.listing,
        known.known_at as begun_at,
        standing.valid_from as known_from,
        standing.state as known_state,
        list_filter(
            [
                if(account.account_name is distinct from standing.account_name, 'account_name', null),
                if(account.email is distinct from standing.email, 'email', null),
                if(account.state is distinct from standing.state, 'state', null),
                if(
                    account.ou_id is distinct from standing.ou_id and account.ou_id is not null, 'ou_id', null
                ),
                if(
                    account.ou_path is distinct from standing.ou_path and account.ou_path is not null,
                    'ou_path',
                    null
                ),
                if(account.tags is distinct from standing.tags and account.tags is not null, 'tags', null)
            ],
            lambda name: name is not null
        ) as differing
    from stage.account as account
    inner join known on known.known_at is not null
    left join standing on account.account_id = standing.account_id
)

select
    account_id,
    begun_at as valid_from,
    null::timestamptz as valid_to,
    true as is_current,
    case
        when known_from is null then 'discovered'
        when state = 'LEFT' and known_state <> 'LEFT' then 'left'
        when known_state = 'LEFT' and state <> 'LEFT' then 'returned'
        else 'changed'
    end as change,
    if(known_from is null, [], differing) as changed_attributes,
    account_name,
    email,
    state,
    ou_id,
    ou_path,
    tags,
    run_id,
    listing
from compared
where known_from is null or (begun_at > known_from and len(differing) > 0)
