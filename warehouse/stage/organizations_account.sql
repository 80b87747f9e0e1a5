-- Accounts as organizations:ListAccounts gave them. Not part of the public interface; read org.account.
-- key: account_id
-- account_id: Id of the account, 12 digits, text because some begin with 0.
-- account_name: Name as its owner wrote it.
-- email: Address of the account's root user.
-- state: PENDING_ACTIVATION, ACTIVE, SUSPENDED, PENDING_CLOSURE or CLOSED; AWS's older Status where State is absent.
-- joined_method: INVITED or CREATED.
-- joined_at: When the account joined the organisation, UTC.
-- arn: ARN of the account; its owner is the management account.
select
    item.Id as account_id,
    item.Name as account_name,
    item.Email as email,
    coalesce(item.State, item.Status) as state,
    item.JoinedMethod as joined_method,
    item.JoinedTimestamp as joined_at,
    item.Arn as arn,
    cell.*
from landing(
        'organizations_account',
        'STRUCT(
        Id VARCHAR, Name VARCHAR, Email VARCHAR, State VARCHAR, Status VARCHAR,
        JoinedMethod VARCHAR, JoinedTimestamp TIMESTAMPTZ, Arn VARCHAR
    )'
    )
