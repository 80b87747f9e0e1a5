-- Every account that administers a service for the organisation is one of its members, and not the management account.
-- about: org.delegated_administrator
-- refetch: organizations_account, organizations_delegated_administrator, organizations_delegated_service
select
    administrator.account_id,
    administrator.account_name,
    administrator.service_principal
from org.delegated_administrator as administrator
where
    not administrator.is_stale
    and administrator.account_id not in (
        select member.account_id from org.account as member
        where member.state <> 'LEFT' and not member.is_management
    )
