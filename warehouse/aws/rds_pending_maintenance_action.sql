-- One row per action that AWS is going to apply to a database, cluster or other resource of RDS, and when. It is part of that
-- resource, no configuration item of its own.
-- key: resource_arn, action
-- resource_arn: ARN of the database or cluster.
-- account_id: The AWS account that owns it: 12 digits, text because some begin with 0.
-- region: AWS region.
-- action: system-update, db-upgrade, hardware-maintenance, ca-certificate-rotation and others.
-- description: More about it; NULL where there is none.
-- opt_in_status: When somebody wants it: next-maintenance, immediate or undo-opt-in; NULL where nobody said.
-- auto_applied_after_at: From when on it is applied in the next maintenance window, UTC; NULL where it is not.
-- forced_at: When it is applied whatever the window, UTC; NULL where it is not.
-- planned_at: When it will be applied as things stand, UTC; NULL where that is not known.
select
    item.ResourceIdentifier as resource_arn,
    split_part(item.ResourceIdentifier, ':', 5) as account_id,
    region,
    item.Action as action,
    nullif(item.Description, '') as description,
    nullif(item.OptInStatus, '') as opt_in_status,
    item.AutoAppliedAfterDate as auto_applied_after_at,
    item.ForcedApplyDate as forced_at,
    item.CurrentApplyDate as planned_at,
    cell.*
from landing(
        'rds_pending_maintenance_action',
        'STRUCT(
        ResourceIdentifier VARCHAR, Action VARCHAR, Description VARCHAR, OptInStatus VARCHAR,
        AutoAppliedAfterDate TIMESTAMPTZ, ForcedApplyDate TIMESTAMPTZ, CurrentApplyDate TIMESTAMPTZ
    )'
    )
