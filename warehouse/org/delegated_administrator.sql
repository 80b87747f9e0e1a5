-- One row per account and service that it administers for the organisation.
-- key: account_id, service_principal
-- account_id: The account that administers: 12 digits, text because some begin with 0.
-- account_name: Its name as its owner wrote it.
-- service_principal: The service, such as guardduty.amazonaws.com.
-- delegated_at: Since when it administers this service, UTC.
-- is_stale: True when the newest response about the account's services is not trusted: the row is the last that was.
-- collected_at: When the response was complete, UTC.
-- run_id: The run that collected it; leads to audit.collection.
-- listing: The listing that it came in, with its parameter; leads to audit.collection.
select
    service.account_id,
    administrator.account_name,
    service.service_principal,
    service.delegated_at,
    service.is_stale,
    service.collected_at,
    service.run_id,
    service.listing
from stage.organizations_delegated_service as service
inner join stage.organizations_delegated_administrator as administrator using (account_id)
