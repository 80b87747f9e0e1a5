-- Services that each delegated administrator administers, as organizations:ListDelegatedServicesForAccount gave them.
-- Not part of the public interface; read org.delegated_administrator.
-- key: account_id, service_principal
-- account_id: The account that administers: 12 digits, text because some begin with 0.
-- service_principal: The service, such as guardduty.amazonaws.com.
-- delegated_at: Since when it administers this service, UTC (Organizations' DelegationEnabledDate).
select
    parameter as account_id,
    item.ServicePrincipal as service_principal,
    item.DelegationEnabledDate as delegated_at,
    cell.*
from landing(
        'organizations_delegated_service',
        'STRUCT(ServicePrincipal VARCHAR, DelegationEnabledDate TIMESTAMPTZ)'
    )
