-- One row per AWS service that has trusted access to the organisation.
-- key: service_principal
-- service_principal: The service, such as guardduty.amazonaws.com.
-- enabled_at: When trusted access was enabled, UTC (Organizations' DateEnabled).
select
    item.ServicePrincipal as service_principal,
    item.DateEnabled as enabled_at,
    cell.*
from landing('organizations_enabled_service', 'STRUCT(ServicePrincipal VARCHAR, DateEnabled TIMESTAMPTZ)')
