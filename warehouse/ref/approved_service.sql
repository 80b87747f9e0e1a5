-- AWS services that may have trusted access to the organisation or a delegated administrator, and the domain that
-- answers for each. Seed: warehouse/ref/approved_service.csv, owned by those who govern the organisation.
-- key: service_principal
-- service_principal: The service, such as guardduty.amazonaws.com.
-- domain: Who answers for it: security, finance, network or operations.
-- purpose: What the organisation uses it for.
select
    service_principal,
    domain,
    purpose
from
    read_csv(
        getvariable('ref_folder') || '/approved_service.csv',
        header = true,
        columns = { 'service_principal': 'VARCHAR', 'domain': 'VARCHAR', 'purpose': 'VARCHAR' }
    )
