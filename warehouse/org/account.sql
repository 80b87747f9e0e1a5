-- One row per AWS account of the organisation, those that left or were closed included.
-- materialized: view
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
-- profile: The AWS profile that collects the account's resources; NULL where none reaches it.
-- has_profile: True when a workload profile reaches the account.
-- first_seen_at: When it was first listed, UTC.
-- last_seen_at: When it was last listed, UTC.
-- is_stale: True when the newest list of accounts is not trusted: the row is the last that was.
-- run_id: The run that listed it last; leads to audit.collection.
-- listing: The listing that it came in; leads to audit.collection.
-- collected_at: When the response was complete, UTC.
with reached as (
    select
        caller_account_id as account_id,
        arg_min(profile, profile) as profile
    from audit.caller_identity
    where
        role = 'workload'
        and worker = ''
        and caller_account_id is not null
        and run_id
        = (
            select arg_max(i.run_id, i.checked_at) from audit.caller_identity as i
            where i.role = 'workload' and i.worker = ''
        )
    group by caller_account_id
)

select
    account.account_id,
    account.account_name,
    account.email,
    account.state,
    account.joined_method,
    account.joined_at,
    account.ou_id,
    account.ou_path,
    account.is_management,
    account.tags,
    reached.profile,
    reached.profile is not null as has_profile,
    account.first_seen_at,
    account.last_seen_at,
    account.is_stale,
    account.run_id,
    account.listing,
    account.collected_at
from stage.account as account
left join reached using (account_id)
