-- One row per account, policy, place by which the policy reaches the account, and time in which it did so: SCD type 2. Which
-- service control policies bound an account on a day is read here. What a trusted response lacks has a last version whose
-- change is removed. Of the time before the first version nothing is known.
-- materialized: scd_type_2
-- key: account_id, policy_id, target_id, valid_from
-- account_id: The account that was reached: 12 digits, text because some begin with 0.
-- policy_id: Id of the policy.
-- target_id: Where it was attached: the account itself, an OU above it, or the root.
-- valid_from: The first response that shows it, UTC: what AWS did not report happened after the response before it.
-- valid_to: When the next version begins, UTC; NULL for the current one.
-- is_current: True for the newest version.
-- change: What began this version: discovered, changed, removed or returned. Of a removed one the columns say what it was.
-- changed_attributes: Names of the columns that differ from the version before; empty where none does.
-- policy_name: Name of the policy as its author wrote it.
-- policy_type: Policy type, such as SERVICE_CONTROL_POLICY.
-- target_type: ROOT, ORGANIZATIONAL_UNIT or ACCOUNT.
-- target_name: Name of the place where it was attached.
-- target_path: Path of the OU where it was attached, / for the root; NULL for the account itself.
-- is_inherited: True where it was attached above the account, not to the account itself.
-- is_effective: False where it limited nothing, as in org.account_policy.
-- run_id: The run that collected the attachment so, or last; leads to audit.collection.
-- listing: The listing that the attachment came in, with its policy; leads to audit.collection.
with known as (
    -- Where a policy reaches an account follows from the place of both.
    select max(known_at) as known_at
    from audit.coverage
    where
        split_part(listing, ':', 1) in (
            'organizations_account', 'organizations_account_parent', 'organizations_organizational_unit',
            'organizations_policy_target'
        )
        and is_known
),

standing as (
    select *
    from org.account_policy_version
    where is_current
),

compared as (
    select
        reach.account_id,
        reach.policy_id,
        reach.target_id,
        reach.policy_name,
        reach.policy_type,
        reach.target_type,
        reach.target_name,
        reach.target_path,
        reach.is_inherited,
        reach.is_effective,
        reach.run_id,
        reach.listing,
        standing.valid_from as known_from,
        standing.change as known_change,
        'present' as status,
        list_filter(
            [
                if(reach.policy_name is distinct from standing.policy_name, 'policy_name', null),
                if(reach.target_name is distinct from standing.target_name, 'target_name', null),
                if(reach.target_path is distinct from standing.target_path, 'target_path', null),
                if(reach.is_inherited is distinct from standing.is_inherited, 'is_inherited', null),
                if(reach.is_effective is distinct from standing.is_effective, 'is_effective', null)
            ],
            lambda name: name is not null
        ) as differing
    from org.account_policy as reach
    left join standing using (account_id, policy_id, target_id)
    union all by name
    select
        standing.account_id,
        standing.policy_id,
        standing.target_id,
        standing.policy_name,
        standing.policy_type,
        standing.target_type,
        standing.target_name,
        standing.target_path,
        standing.is_inherited,
        standing.is_effective,
        standing.run_id,
        standing.listing,
        standing.valid_from as known_from,
        standing.change as known_change,
        'removed' as status,
        []::varchar[] as differing
    from standing
    anti join org.account_policy using (account_id, policy_id, target_id)
)

select
    compared.account_id,
    compared.policy_id,
    compared.target_id,
    known.known_at as valid_from,
    null::timestamptz as valid_to,
    true as is_current,
    case
        when compared.known_from is null then 'discovered'
        when compared.status = 'removed' then 'removed'
        when compared.known_change = 'removed' then 'returned'
        else 'changed'
    end as change,
    if(compared.known_from is null, [], compared.differing) as changed_attributes,
    compared.policy_name,
    compared.policy_type,
    compared.target_type,
    compared.target_name,
    compared.target_path,
    compared.is_inherited,
    compared.is_effective,
    compared.run_id,
    compared.listing
from compared
inner join known on known.known_at is not null
where
    compared.known_from is null
    or (
        known.known_at > compared.known_from
        and (
            len(compared.differing) > 0
            or (compared.status = 'removed') <> (compared.known_change = 'removed')
        )
    )
