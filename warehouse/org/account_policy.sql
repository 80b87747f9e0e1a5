-- One row per account, policy and place by which the policy reaches the account: attached to the account itself, or
-- inherited from an OU or the root above it. A policy that is attached at three places above an account has three rows.
-- key: account_id, policy_id, target_id
-- account_id: The account that is reached: 12 digits, text because some begin with 0.
-- policy_id: Id of the policy.
-- policy_name: Name of the policy as its author wrote it.
-- policy_type: Policy type, such as SERVICE_CONTROL_POLICY.
-- target_id: Where it is attached: the account itself, an OU above it, or the root.
-- target_type: ROOT, ORGANIZATIONAL_UNIT or ACCOUNT.
-- target_name: Name of the place where it is attached.
-- target_path: Path of the OU where it is attached, / for the root; NULL for the account itself.
-- is_inherited: True where it is attached above the account, not to the account itself.
-- is_effective: False where it limits nothing: SCPs and RCPs do not bind the management account, and FullAWSAccess allows all.
-- is_stale: True when the newest response about the account or the policy's targets is not trusted.
-- collected_at: When the response on the policy's targets was complete, UTC.
-- run_id: The run that collected the attachment; leads to audit.collection.
-- listing: The listing that the attachment came in, with its policy; leads to audit.collection.
with recursive place as (
    select
        account_id,
        account_id as target_id,
        ou_id as above_id,
        is_stale,
        0 as distance
    from org.account
    where state <> 'LEFT'

    union all

    select
        place.account_id,
        place.above_id as target_id,
        unit.parent_id as above_id,
        place.is_stale or coalesce(unit.is_stale, false) as is_stale,
        place.distance + 1 as distance
    from place
    left join org.organizational_unit as unit on place.above_id = unit.ou_id
    -- AWS allows five levels below the root; responses of different runs might close a circle.
    where place.above_id is not null and place.distance < 10
)

select
    place.account_id,
    policy.policy_id,
    policy.policy_name,
    policy.policy_type,
    target.target_id,
    target.target_type,
    target.target_name,
    coalesce(unit.ou_path, if(target.target_type = 'ROOT', '/', null)) as target_path,
    place.distance > 0 as is_inherited,
    policy.policy_type not in ('SERVICE_CONTROL_POLICY', 'RESOURCE_CONTROL_POLICY')
    or not (account.is_management or policy.is_aws_managed) as is_effective,
    target.is_stale or place.is_stale as is_stale,
    target.collected_at,
    target.run_id,
    target.listing
from place
inner join org.account as account using (account_id)
inner join org.policy_target as target using (target_id)
inner join org.policy as policy on target.policy_id = policy.policy_id
left join org.organizational_unit as unit on target.target_id = unit.ou_id
