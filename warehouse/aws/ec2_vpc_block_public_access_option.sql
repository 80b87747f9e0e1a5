-- One row per account and region: whether VPC Block Public Access keeps the internet out of the VPCs that the account owns, also for
-- what other accounts have in its shared subnets. It is requested where there is a network interface. What is excepted is in
-- aws.ec2_vpc_block_public_access_exclusion, what it keeps out in cmdb.exposure.
-- key: account_id, region
-- account_id: The AWS account whose VPCs it is about: 12 digits, text because some begin with 0.
-- region: AWS region.
-- block_mode: off; block-bidirectional: nothing passes an internet gateway, in or out; block-ingress: only what NAT gateways and
--    egress-only internet gateways send out, and its answers.
-- state: default-state where nobody set it, update-in-progress or update-complete.
-- state_reason: Why it is in this state; NULL where AWS does not say.
-- managed_by: account, or declarative-policy: a policy of the organisation sets it, and the account cannot.
-- is_exclusion_allowed: False where that policy allows no exclusions; NULL where AWS does not say.
-- updated_at: When the mode was last changed, UTC; NULL where it never was.
select
    item.AwsAccountId as account_id,
    region,
    item.InternetGatewayBlockMode as block_mode,
    item."State" as state,
    item.Reason as state_reason,
    item.ManagedBy as managed_by,
    item.ExclusionsAllowed = 'allowed' as is_exclusion_allowed,
    item.LastUpdateTimestamp as updated_at,
    cell.*
from landing(
        'ec2_vpc_block_public_access_option',
        'STRUCT(
        AwsAccountId VARCHAR, InternetGatewayBlockMode VARCHAR, "State" VARCHAR, Reason VARCHAR, ManagedBy VARCHAR,
        ExclusionsAllowed VARCHAR, LastUpdateTimestamp TIMESTAMPTZ
    )'
    )
