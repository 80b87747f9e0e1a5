-- Accounts that administer services for the organisation, as organizations:ListDelegatedAdministrators gave them. Not
-- part of the public interface; read org.delegated_administrator.
-- key: account_id
-- account_id: The account that administers: 12 digits, text because some begin with 0.
-- account_name: Its name as its owner wrote it.
-- delegated_at: Since when it administers anything, UTC (Organizations' DelegationEnabledDate).
select
    item.Id as account_id,
    item.Name as account_name,
    item.DelegationEnabledDate as delegated_at,
    cell.*
from landing(
        'organizations_delegated_administrator',
        'STRUCT(Id VARCHAR, "Name" VARCHAR, DelegationEnabledDate TIMESTAMPTZ)'
    )
